//! Constraints, pins and masks against enumeration.

use ndarray::{Array2, ArrayView1, array};
use tensorjump::diffusion::Denoise;
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::model::{Automaton, BornMps, Boundary, LabelLeg, PositiveMps, pinned};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Error, Model, SiteWeights, Streams, Target};

use super::common::all_configs;
use super::laws::{stream, table};

/// Probabilities of all configurations under a model.
pub fn probabilities(model: &dyn Model) -> Vec<f64> {
    let x = all_configs(model.dims());
    model.log_prob(x.view()).unwrap().iter().map(|l| l.exp()).collect()
}

/// `p A/Σ p A` and the sum, for a constraint given as a function.
pub fn conditioned(p: &[f64], dims: &[usize], weight: impl Fn(ArrayView1<'_, u8>) -> f64) -> (Vec<f64>, f64) {
    let law: Vec<f64> = p.iter().zip(all_configs(dims).outer_iter()).map(|(p, x)| p * weight(x)).collect();
    let total: f64 = law.iter().sum();
    (law.iter().map(|v| v / total).collect(), total)
}

/// Conditional laws of both kinds of model and their log-evidence.
fn check_constraint(dims: &[usize], constraint: &Automaton, weight: &dyn Fn(ArrayView1<'_, u8>) -> f64, name: &str) {
    let log_weight = constraint.log_weight(all_configs(dims).view()).unwrap();
    for (x, log) in all_configs(dims).outer_iter().zip(&log_weight) {
        assert!((log.exp() - weight(x)).abs() < 1e-14, "{name}: weight of {x}");
    }
    let first = constraint.initial(&mut stream(name)).unwrap();
    assert!(weight(first.view()) > 0.0);
    let linear = PositiveMps::random(dims, 3, &mut stream(name)).unwrap();
    let born = BornMps::random(dims, 3, &mut stream(name)).unwrap();
    let laws = [
        (linear.constrained(constraint).unwrap().log_z(), probabilities(&linear), {
            probabilities(&linear.constrained(constraint).unwrap())
        }),
        (born.constrained(constraint).unwrap().log_z(), probabilities(&born), {
            probabilities(&born.constrained(constraint).unwrap())
        }),
    ];
    for (linear_law, (log_z, p, found)) in [true, false].into_iter().zip(laws) {
        let (law, total) = conditioned(&p, dims, weight);
        assert!((log_z - total.ln()).abs() < 1e-12, "{name}: evidence {log_z} against {}", total.ln());
        found.iter().zip(&law).for_each(|(f, l)| assert!((f - l).abs() < 1e-12, "{name}: {f} against {l}"));
        // Forbidden configurations have probability zero; under a Born law, whose canonical form mixes bond
        // states, the square of rounding.
        let zero = if linear_law { 0.0 } else { 1e-28 };
        found.iter().zip(&law).for_each(|(f, l)| assert!(*l > 0.0 || *f <= zero, "{name}: {f:e}"));
    }
    let indicator = table(&constraint.to_mps().unwrap());
    let exact = all_configs(dims).outer_iter().map(weight).collect::<Vec<_>>();
    indicator.iter().zip(&exact).for_each(|(a, b)| assert!((a - b).abs() < 1e-14));
}

#[test]
fn constraints_agree_with_enumeration() {
    let sum = |values: &[Vec<i64>], x: ArrayView1<'_, u8>| -> i64 {
        x.iter().enumerate().map(|(j, &a)| values[j][usize::from(a)]).sum()
    };
    let dims = [2, 3, 2, 4, 3];
    let values: Vec<Vec<i64>> =
        dims.iter().enumerate().map(|(j, &d)| (0..d as i64).map(|a| a * a - j as i64).collect()).collect();
    let window = Automaton::sum(&values, -3..=2).unwrap();
    let inside = |x: ArrayView1<'_, u8>| f64::from((-3..=2).contains(&sum(&values, x)));
    check_constraint(&dims, &window, &inside, "window");
    assert!(window.bonds().iter().max() < Some(&14));

    // Energies with fields and pairs, on a chain and a ring; both constraints together.
    for boundary in [Boundary::Open, Boundary::Ring] {
        let bonds = if boundary == Boundary::Ring { 5 } else { 4 };
        let pairs: Vec<Array2<i64>> = (0..bonds)
            .map(|j| Array2::from_shape_fn((dims[j], dims[(j + 1) % 5]), |(a, b)| ((a * 3 + b * b + j) % 4) as i64))
            .collect();
        let energy = |x: ArrayView1<'_, u8>| {
            let pair = |j: usize| pairs[j][[x[j].into(), x[(j + 1) % 5].into()]];
            sum(&values, x) + (0..bonds).map(pair).sum::<i64>()
        };
        let shell = Automaton::chain(&values, &pairs, boundary, 0..=3).unwrap();
        let in_shell = |x: ArrayView1<'_, u8>| f64::from((0..=3).contains(&energy(x)));
        check_constraint(&dims, &shell, &in_shell, "shell");
        let both = shell.and(&window).unwrap();
        check_constraint(&dims, &both, &|x| in_shell(x) * inside(x), "both");
    }

    // A weighted automaton: 0.3 for each pair of equal neighbours, 2 for the last symbol.
    let step = |_: usize, &last: &u8, a: u8| Some((a, if a == last { 0.3 } else { 1.0 }));
    let weighted = Automaton::new(&dims, u8::MAX, step, |&a| 2.0 * f64::from(a)).unwrap();
    let weight = |x: ArrayView1<'_, u8>| {
        let equal = (1..5).filter(|&j| x[j] == x[j - 1]).count();
        0.3f64.powi(equal as i32) * 2.0 * f64::from(x[4])
    };
    check_constraint(&dims, &weighted, &weight, "weights");
}

/// Sums on the way may leave the range of the values: they neither saturate nor wrap.
#[test]
fn sums_beyond_the_range_of_their_values() {
    let max = i64::MAX;
    let values = [vec![0, max], vec![0, 1], vec![0, -1]];
    let sum =
        |x: ArrayView1<'_, u8>| -> i128 { x.iter().zip(&values).map(|(&a, v)| i128::from(v[usize::from(a)])).sum() };
    let windows = [max - 1..=max - 1, max..=max, i64::MIN..=max];
    for window in &windows {
        let weight = |x: ArrayView1<'_, u8>| {
            f64::from((i128::from(*window.start())..=i128::from(*window.end())).contains(&sum(x)))
        };
        check_constraint(&[2; 3], &Automaton::sum(&values, window.clone()).unwrap(), &weight, "sum beyond i64");
        // The same sums with the values on the bonds of an open chain and of a ring.
        let none = vec![vec![0, 0]; 3];
        let pair = |j: usize| Array2::from_shape_fn((2, 2), |(a, _)| values[j][a]);
        let ring = Automaton::chain(&none, &[pair(0), pair(1), pair(2)], Boundary::Ring, window.clone()).unwrap();
        check_constraint(&[2; 3], &ring, &weight, "ring beyond i64");
        let last = [none[0].clone(), none[1].clone(), values[2].clone()];
        let open = Automaton::chain(&last, &[pair(0), pair(1)], Boundary::Open, window.clone()).unwrap();
        check_constraint(&[2; 3], &open, &weight, "chain beyond i64");
    }
    let coins = PositiveMps::product(&vec![vec![0.5, 0.5]; 3]).unwrap();
    let leg = LabelLeg::by_sum(&coins, &values, &windows).unwrap();
    // The first window holds 101 alone, the second 100 and 111, the last all others but 110, whose sum no
    // window holds.
    let posterior = leg.label_posterior(&SiteWeights::Uniform).unwrap();
    posterior
        .iter()
        .zip([1.0, 2.0, 4.0])
        .for_each(|(p, count)| assert!((p - count / 7.0).abs() < 1e-14, "{posterior}"));
}

/// The Fredkin chain at a given area, as a product of the exact chain and an automaton over (height, area).
#[test]
fn fredkin_paths_at_given_area() {
    let chain = Fredkin::new(10, 0.6).unwrap();
    let model = PositiveMps::new(&FredkinModel::new(&chain).unwrap().to_mps().unwrap()).unwrap();
    let p = probabilities(&model);
    let areas = chain.area(all_configs(&[2; 10]).view()).unwrap();
    for area in [5i64, 9, 25] {
        let step = |_: usize, &(h, k): &(i64, i64), a: u8| {
            let h = h + 2 * i64::from(a) - 1;
            (h >= 0).then_some(((h, k + h), 1.0))
        };
        let paths = Automaton::new(&[2; 10], (0, 0), step, |&s| f64::from(s == (0, area))).unwrap();
        let law = model.constrained(&paths).unwrap();
        let at_area: Vec<f64> = p.iter().zip(&areas).map(|(p, a)| if *a == area { *p } else { 0.0 }).collect();
        let total: f64 = at_area.iter().sum();
        assert!((law.log_z() - total.ln()).abs() < 1e-12);
        probabilities(&law).iter().zip(&at_area).for_each(|(f, p)| assert!((f - p / total).abs() < 1e-12));
    }
}

#[test]
fn impossible_constraints_are_typed_errors() {
    let values = vec![vec![-1, 1]; 4];
    assert_eq!(Automaton::sum(&values, 1..=1).unwrap_err(), Error::ZeroWeight { what: "constraint" });
    let up = Automaton::sum(&values, 4..=4).unwrap();
    let down = Automaton::sum(&values, -4..=-4).unwrap();
    assert_eq!(up.and(&down).unwrap_err(), Error::ZeroWeight { what: "constraint" });
    let always_down = PositiveMps::product(&vec![vec![1.0, 0.0]; 4]).unwrap();
    assert_eq!(always_down.constrained(&up).unwrap_err(), Error::ZeroWeight { what: "constraint" });
    let born = BornMps::new(always_down.as_mps()).unwrap();
    assert_eq!(born.constrained(&up).unwrap_err(), Error::ZeroWeight { what: "constraint" });
    let three = PositiveMps::product(&vec![vec![1.0, 1.0]; 3]).unwrap();
    assert_eq!(three.constrained(&up).unwrap_err(), Error::SiteCount { expected: 3, got: 4 });
    let weight = |w: f64| Automaton::new(&[2, 2], (), |_, _, _| Some(((), w)), |_| 1.0).unwrap_err();
    assert!(matches!(weight(f64::NAN), Error::NotFinite { site: 0, .. }));
    assert_eq!(weight(-1.0), Error::Negative { field: "weight of a constraint", site: 0, value: -1.0 });
    assert!(matches!(Automaton::sum(&[], 0..=0), Err(Error::SiteCount { .. })));
    assert!(matches!(Automaton::chain(&values, &[], Boundary::Open, 0..=0), Err(Error::Shape { .. })));
    let clash = pinned(&[2; 4], &[(1, 0), (1, 1)]).unwrap_err();
    assert_eq!(clash, Error::ZeroWeight { what: "pinned site" });
    assert!(matches!(pinned(&[2; 4], &[(4, 0)]), Err(Error::Parameter { .. })));
    let state = Error::StateOutOfRange { row: 0, site: 3, state: 2, dim: 2 };
    assert_eq!(pinned(&[2; 4], &[(3, 2)]).unwrap_err(), state);
    // Infilling around pins of probability zero names the row.
    let pins = pinned(&[2; 4], &[(0, 1)]).unwrap();
    let filled = always_down.sample(&SiteWeights::Shared(pins.view()), 3, &Streams::new(1));
    assert_eq!(filled.unwrap_err(), Error::ZeroEvidence { row: 0 });
}

/// Masking a region and denoising it is the law under pins of all other sites, up to the weight of the masks.
#[test]
fn infilling_by_masks_and_by_pins() {
    let dims = [2, 3, 2, 4];
    let model = PositiveMps::random(&dims, 3, &mut stream("infilling")).unwrap();
    let region = Rates::mask(&dims, 1.0).unwrap().on_sites(&[1, 3]).unwrap();
    let kernel = Noise::new(region, Schedule::default()).kernel(0.0, f64::INFINITY).unwrap();
    let y = array![[1, 3, 0, 4]];
    let x = all_configs(&dims);
    let repeated = Array2::from_shape_fn((x.nrows(), 4), |(_, j)| y[[0, j]]);
    let masked = model.denoise_log_prob(&kernel, x.view(), repeated.view()).unwrap();
    let pins = pinned(&dims, &[(0, 1), (2, 0)]).unwrap();
    let by_pins = model.log_prob_given(x.view(), &SiteWeights::Shared(pins.view())).unwrap();
    let (law, _) = conditioned(&probabilities(&model), &dims, |x| f64::from(x[0] == 1 && x[2] == 0));
    for ((a, b), p) in masked.iter().zip(&by_pins).zip(&law) {
        assert!((a.exp() - p).abs() < 1e-12 && (b.exp() - p).abs() < 1e-12);
    }
}
