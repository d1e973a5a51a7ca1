//! Constraints, labels and guidance against enumeration.

use ndarray::{Array1, Array2, ArrayView1, array, s};
use rand::RngExt;
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::{Classified, Denoise, Denoiser, ExactDenoiser, Guided, Scheme};
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::model::{Automaton, BornMps, Boundary, KernelMixture, LabelLeg, PositiveMps, pinned};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Error, ExactModel, Model, SiteWeights, Streams, Target};

use super::common::all_configs;
use super::common::guidance::push;
use super::common::random::random_rates;
use super::laws::{stream, table};
use super::models::{check_against_table, check_bits};

const SCHEMES: [Scheme; 2] = [Scheme::ClassifierFree, Scheme::ClassifierBased];

/// Probabilities of all configurations under a model.
fn probabilities(model: &dyn Model) -> Vec<f64> {
    let x = all_configs(model.dims());
    model.log_prob(x.view()).unwrap().iter().map(|l| l.exp()).collect()
}

/// `p A/Σ p A` and the sum, for a constraint given as a function.
fn conditioned(p: &[f64], dims: &[usize], weight: impl Fn(ArrayView1<'_, u8>) -> f64) -> (Vec<f64>, f64) {
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

/// A leg of random classes of different bond dimensions, one without probability.
fn random_leg(dims: &[usize]) -> (LabelLeg<PositiveMps>, Vec<Vec<f64>>) {
    let mut rng = stream("classes");
    // Far apart: otherwise a label would hardly matter.
    let tilt = |l: usize| Array2::from_shape_fn((dims.len(), 4), |(_, a)| 4f64.powi((a * l % 3) as i32));
    let class = |l: usize| PositiveMps::random(dims, [3, 1, 2][l], &mut rng).unwrap().tilted(tilt(l).view()).unwrap();
    let classes: Vec<PositiveMps> = (0..3).map(class).collect();
    let prior = [1.0, 0.0, 3.0];
    let joint = classes.iter().zip([0.25, 0.0, 0.75]);
    let joint = joint.map(|(class, w)| probabilities(class).iter().map(|p| p * w).collect()).collect();
    (LabelLeg::from_classes(&classes, &prior).unwrap(), joint)
}

#[test]
fn labels_agree_with_enumeration() {
    for dims in [vec![2, 3, 2, 2], vec![3, 2, 4]] {
        let (leg, joint) = random_leg(&dims);
        let all: Vec<f64> = (0..joint[0].len()).map(|i| joint.iter().map(|p| p[i]).sum()).collect();
        for l in [0, 2] {
            let class = leg.class(l).unwrap();
            check_against_table(&class, &joint[l], &vec![1.0; all.len()], "class");
            check_bits(&class, "class");
        }
        check_against_table(&leg.marginal(), &all, &vec![1.0; all.len()], "all classes");
        check_bits(&leg.marginal(), "all classes");
        // The classifier of noised configurations.
        let noise = Noise::new(Rates::new(random_rates(&dims, 4)).unwrap(), Schedule::default());
        let kernel = noise.kernel(0.0, 0.3).unwrap();
        let y = all_configs(&dims);
        let (posterior, cavities) = leg.label_and_cavities(&kernel.likelihood(y.view())).unwrap();
        assert_eq!(cavities, leg.marginal().cavities(&kernel.likelihood(y.view())).unwrap());
        let noised: Vec<Vec<f64>> = joint
            .iter()
            .map(|p| {
                let total: f64 = p.iter().sum();
                if total == 0.0 {
                    return vec![0.0; p.len()];
                }
                let law = DenseLaw::new(&dims, p).unwrap().noised(&kernel).unwrap();
                law.p().iter().map(|v| v * total).collect()
            })
            .collect();
        for i in 0..y.nrows() {
            let total: f64 = noised.iter().map(|p| p[i]).sum();
            (0..3).for_each(|l| assert!((posterior[[i, l]] - noised[l][i] / total).abs() < 1e-12));
        }
        assert_eq!(leg.class(1).unwrap_err(), Error::ZeroWeight { what: "label" });
        assert!(matches!(leg.class(3), Err(Error::Parameter { name: "label", .. })));
    }
    let born = BornMps::random(&[2, 3, 2, 3], 3, &mut stream("born leg")).unwrap();
    let p = probabilities(&born);
    let leg = LabelLeg::new(born).unwrap();
    let class: Vec<f64> = p.iter().skip(1).step_by(3).copied().collect();
    let condition = vec![1e3; class.len()]; // amplitudes of random signs
    check_against_table(&leg.class(1).unwrap(), &class, &condition, "born class");
    assert!(matches!(LabelLeg::new(PositiveMps::product(&[vec![1.0]]).unwrap()), Err(Error::SiteCount { .. })));
    let coin = PositiveMps::product(&[vec![1.0, 1.0]]).unwrap();
    let coins = [coin.clone(), coin];
    let prior = |p: &[f64]| LabelLeg::from_classes(&coins, p).unwrap_err();
    assert!(matches!(prior(&[1.0]), Error::Shape { .. }));
    assert!(matches!(prior(&[1.0, f64::NAN]), Error::NotFinite { site: 1, .. }));
    assert_eq!(prior(&[1.0, -1.0]), Error::Negative { field: "prior", site: 1, value: -1.0 });
    assert!(matches!(prior(&[0.0, 0.0]), Error::ZeroWeight { .. }));
    assert!(matches!(LabelLeg::from_classes(&[], &[]), Err(Error::Parameter { .. })));
}

#[test]
fn sectors_as_labels() {
    let ring = PositiveMps::ising(0.3, &[1.0; 6], &[0.1; 6], Boundary::Ring).unwrap();
    let p = probabilities(&ring);
    let values = vec![vec![-1, 1]; 6];
    let windows = [-6..=-2, 0..=0, 2..=4];
    let leg = LabelLeg::by_sum(&ring, &values, &windows).unwrap();
    let magnetisation = |x: ArrayView1<'_, u8>| x.iter().map(|&a| 2 * i64::from(a) - 1).sum::<i64>();
    for (l, window) in windows.iter().enumerate() {
        let (law, _) = conditioned(&p, &[2; 6], |x| f64::from(window.contains(&magnetisation(x))));
        check_against_table(&leg.class(l).unwrap(), &law, &[1.0; 64], "sector");
    }
    assert!(matches!(LabelLeg::by_sum(&ring, &values[1..], &windows), Err(Error::SiteCount { .. })));
    for count in [0, 257] {
        let error = LabelLeg::by_sum(&ring, &values, &vec![0..=0; count]).unwrap_err();
        let expected = "between 1 and 256";
        assert_eq!(error, Error::Parameter { name: "number of windows", value: count.into(), expected });
    }
    assert!(matches!(LabelLeg::by_sum(&ring, &values, &[7..=9]), Err(Error::ZeroWeight { .. })));
}

/// The law at time zero after `steps` equal steps from `t`.
fn guided_law<C: Denoiser, U: Denoiser>(guided: &Guided<C, U>, start: &[f64], t: f64, steps: usize) -> Vec<f64> {
    let time = |k: usize| t * (1.0 - k as f64 / steps as f64);
    (0..steps).fold(start.to_vec(), |p, k| push(guided, &p, if k + 1 == steps { 0.0 } else { time(k + 1) }, time(k)))
}

fn total_variation(p: &[f64], q: &[f64]) -> f64 {
    0.5 * p.iter().zip(q).map(|(a, b)| (a - b).abs()).sum::<f64>()
}

/// Cases: label leg, label, noise.
fn cases() -> Vec<(LabelLeg<PositiveMps>, usize, Noise)> {
    let asymmetric = |dims: &[usize], seed| {
        Noise::new(Rates::new(random_rates(dims, seed)).unwrap(), Schedule::linear(0.5, 1.5, 1.0).unwrap())
    };
    let ring = PositiveMps::ising(0.4, &[1.0; 5], &[0.1; 5], Boundary::Ring).unwrap();
    let sectors = LabelLeg::by_sum(&ring, &vec![vec![-1, 1]; 5], &[-5..=-1, 1..=1, 3..=5]).unwrap();
    vec![(random_leg(&[3, 3, 2]).0, 2, asymmetric(&[3, 3, 2], 6)), (sectors, 1, asymmetric(&[2; 5], 7))]
}

#[test]
fn both_schemes_converge_to_the_conditional_law_at_strength_one() {
    for (leg, label, noise) in cases() {
        let (class, all) = (leg.class(label).unwrap(), leg.marginal());
        let (with, without) = (ExactDenoiser::new(&class, &noise).unwrap(), ExactDenoiser::new(&all, &noise).unwrap());
        let truth = DenseLaw::of(&class).unwrap();
        let start = truth.noised(&noise.kernel(0.0, 1.0).unwrap()).unwrap();
        for scheme in SCHEMES {
            let guided = Guided::new(&with, &without, scheme, 1.0).unwrap();
            let error = |steps| total_variation(&guided_law(&guided, start.p(), 1.0, steps), truth.p());
            let errors = [64, 128, 256].map(error);
            let slope = (errors[1] / errors[2]).log2();
            assert!((slope - 1.0).abs() < 0.1, "{scheme:?}: slope {slope} of {errors:?}");
            println!("{scheme:?}: {errors:?}, slope {slope}");
            // The twin of another strength stays away.
            let twin = Guided::new(&with, &without, scheme, 1.5).unwrap();
            let away = total_variation(&guided_law(&twin, start.p(), 1.0, 256), truth.p());
            assert!(away > 3.0 * errors[2], "{away:e} against {errors:?}");
        }
    }
}

/// At γ ≠ 1 the two schemes have one limit, and it is neither the conditional law nor `P(x) p(y|x)^γ`.
#[test]
fn other_strengths_have_a_law_of_their_own() {
    for (leg, label, noise) in cases() {
        let (class, all) = (leg.class(label).unwrap(), leg.marginal());
        let (with, without) = (ExactDenoiser::new(&class, &noise).unwrap(), ExactDenoiser::new(&all, &noise).unwrap());
        let (p, conditional) = (DenseLaw::of(&all).unwrap(), DenseLaw::of(&class).unwrap());
        let dims = p.dims().to_vec();
        for gamma in [0.5, 2.0] {
            // P(x) p(y|x)^γ ∝ P(x) (P(x|y)/P(x))^γ.
            let weights = p.p().iter().zip(conditional.p()).map(|(p, c)| p * (c / p).powf(gamma));
            let tilted = DenseLaw::new(&dims, &weights.collect::<Vec<_>>()).unwrap();
            let start = tilted.noised(&noise.kernel(0.0, 1.0).unwrap()).unwrap();
            let law = |scheme, steps| {
                let guided = Guided::new(&with, &without, scheme, gamma).unwrap();
                guided_law(&guided, start.p(), 1.0, steps)
            };
            // Both converge with order Δ: extrapolated from two runs, the limit is known to the next order.
            let limit = |scheme, steps| -> Vec<f64> {
                law(scheme, steps)
                    .iter()
                    .zip(law(scheme, steps / 2))
                    .map(|(fine, coarse)| 2.0 * fine - coarse)
                    .collect()
            };
            let limits = SCHEMES.map(|scheme| limit(scheme, 256));
            let errors = [0, 1].map(|i| total_variation(&limits[i], &limit(SCHEMES[i], 128)));
            let error = errors[0] + errors[1];
            let apart = total_variation(&limits[0], &limits[1]);
            let gaps = [tilted.p(), conditional.p()].map(|truth| total_variation(&limits[0], truth));
            println!("gamma {gamma}: gaps {gaps:?}, schemes apart {apart:e}, error {error:e}");
            assert!(apart < error && gaps.iter().all(|&gap| gap > 10.0 * error));
        }
    }
}

#[test]
fn guided_denoisers_have_geometric_rates() {
    for (leg, label, noise) in cases() {
        let (class, all) = (leg.class(label).unwrap(), leg.marginal());
        let (with, without) = (ExactDenoiser::new(&class, &noise).unwrap(), ExactDenoiser::new(&all, &noise).unwrap());
        let y = all_configs(noise.dims_out());
        let (r_with, r_without) =
            (with.reverse_rates(0.4, y.view()).unwrap(), without.reverse_rates(0.4, y.view()).unwrap());
        for gamma in [0.0, 0.5, 1.0, 2.5] {
            for scheme in SCHEMES {
                let guided = Guided::new(&with, &without, scheme, gamma).unwrap();
                let rates = guided.reverse_rates(0.4, y.view()).unwrap();
                // A short step: its rates are those of the denoiser, up to the order of the step.
                let step = guided.step_law(0.4 - 1e-7, 0.4, y.view()).unwrap();
                for ((i, j, b), &r) in rates.indexed_iter() {
                    let exact = r_with[[i, j, b]].powf(gamma) * r_without[[i, j, b]].powf(1.0 - gamma);
                    let exact = if b == usize::from(y[[i, j]]) || r_without[[i, j, b]] == 0.0 { 0.0 } else { exact };
                    assert!((r - exact).abs() <= 1e-12 * exact.max(1.0), "{r} against {exact}");
                    if exact > 0.0 {
                        // The next order: squares of the rates of the site, times the step; and rounding over
                        // the step.
                        let total = 1.0 + rates.slice(s![i, j, ..]).sum() + r_without.slice(s![i, j, ..]).sum();
                        let error = (step[[i, j, b]] / 1e-7 - exact).abs();
                        assert!(error < 1e-7 * 10.0 * total * total + 1e-8, "{error:e} of {exact}, {total}");
                    }
                }
            }
        }
    }
}

/// A classifier given as a function makes the same conditional denoiser as the label leg.
#[test]
fn classifiers_make_conditional_denoisers() {
    for (leg, label, noise) in cases() {
        let (class, all) = (leg.class(label).unwrap(), leg.marginal());
        let (with, without) = (ExactDenoiser::new(&class, &noise).unwrap(), ExactDenoiser::new(&all, &noise).unwrap());
        let classifier = |t: f64, y: tensorjump::Configs<'_>| {
            let kernel = noise.kernel(0.0, t)?;
            let posterior = leg.label_posterior(&kernel.likelihood(y))?;
            Ok(posterior.column(label).mapv(f64::ln))
        };
        let classified = Classified::new(&without, classifier);
        let y = all_configs(noise.dims_out());
        let exact = with.conditional_marginals(0.3, y.view()).unwrap();
        let found = classified.conditional_marginals(0.3, y.view()).unwrap();
        exact.iter().zip(&found).for_each(|(e, f)| assert!((e - f).abs() < 1e-12));
        let nan = Classified::new(&without, |_, y: tensorjump::Configs<'_>| Ok(Array1::from_elem(y.nrows(), f64::NAN)));
        assert!(matches!(nan.conditional_marginals(0.3, y.view()), Err(Error::LogWeight { .. })));
    }
}

/// Masks leave zeros: rows that can no longer reach the label are reported, and do not stop the others.
#[test]
fn masks_may_strand_rows() {
    let coins = PositiveMps::product(&vec![vec![0.5, 0.5]; 6]).unwrap();
    let leg = LabelLeg::by_sum(&coins, &vec![vec![0, 1]; 6], &[0..=0, 1..=6]).unwrap();
    let noise = Noise::new(Rates::mask(&[2; 6], 1.0).unwrap(), Schedule::default());
    let (class, all) = (leg.class(0).unwrap(), leg.marginal());
    let (with, without) = (ExactDenoiser::new(&class, &noise).unwrap(), ExactDenoiser::new(&all, &noise).unwrap());
    let start = Array2::from_elem((40, 6), 2u8);
    // Guided by the label, no one ever appears; without the label (γ = 0, classifier-free) the other denoiser
    // is not asked.
    let sample = |gamma| {
        let guided = Guided::new(&with, &without, Scheme::ClassifierFree, gamma).unwrap();
        guided.sample(&[5.0, 1.0, 0.3, 0.0], start.view(), &Streams::new(3)).unwrap()
    };
    let (strong, free) = (sample(1.5), sample(0.0));
    assert!(strong.stranded.is_empty() && strong.x.iter().all(|&a| a == 0));
    assert!(free.stranded.is_empty() && free.x.iter().all(|&a| a < 2) && free.x.iter().any(|&a| a == 1));
    // A start beyond the label's reach is reported, the rest goes on as if alone.
    let mut bad = start.clone();
    bad[[7, 2]] = 1;
    let guided = Guided::new(&with, &without, Scheme::ClassifierBased, 1.5).unwrap();
    let run = guided.sample(&[5.0, 1.0, 0.3, 0.0], bad.view(), &Streams::new(3)).unwrap();
    let alone = guided.sample(&[5.0, 1.0, 0.3, 0.0], start.view(), &Streams::new(3)).unwrap();
    assert_eq!(run.stranded, [7]);
    assert!((0..40).filter(|&i| i != 7).all(|i| run.x.row(i) == alone.x.row(i)));
    assert!(run.evaluations > 3 && alone.evaluations == 3);
}

/// Every exact model can be guided and conditioned: here a kernel mixture with two groups of centres.
#[test]
fn mixtures_are_guided_as_well() {
    let mut rng = stream("guided mixture");
    let x = Array2::from_shape_fn((30, 4), |_| rng.random_range(0..2u8));
    let flip = array![[0.9, 0.1], [0.2, 0.8]];
    let one = array![[1.0, 0.0], [0.0, 1.0]];
    let tables = [flip.clone(), flip.clone(), flip, one];
    let joint = KernelMixture::new(x.view(), None, &tables).unwrap();
    let leg = LabelLeg::new(joint).unwrap();
    let class = leg.class(1).unwrap();
    let p: Vec<f64> = probabilities(leg.joint()).iter().skip(1).step_by(2).copied().collect();
    check_against_table(&class, &p, &[1.0; 8], "mixture class");
    let noise = Noise::new(Rates::binary_flip(3, 1.0, 0.5).unwrap(), Schedule::default());
    let all = leg.marginal();
    let (with, without) = (ExactDenoiser::new(&class, &noise).unwrap(), ExactDenoiser::new(&all, &noise).unwrap());
    let guided = Guided::new(&with, &without, Scheme::ClassifierFree, 1.0).unwrap();
    let truth = DenseLaw::of(&class).unwrap();
    let start = truth.noised(&noise.kernel(0.0, 1.0).unwrap()).unwrap();
    assert!(total_variation(&guided_law(&guided, start.p(), 1.0, 128), truth.p()) < 0.01);
    assert!(class.log_evidence(&SiteWeights::Uniform).unwrap()[0].abs() < 1e-14);
}

#[test]
fn bad_input_of_guidance() {
    let (leg, label, noise) = cases().swap_remove(1);
    let (class, all) = (leg.class(label).unwrap(), leg.marginal());
    let (with, without) = (ExactDenoiser::new(&class, &noise).unwrap(), ExactDenoiser::new(&all, &noise).unwrap());
    for gamma in [-0.5, f64::NAN, f64::INFINITY] {
        let error = Guided::new(&with, &without, Scheme::ClassifierFree, gamma).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Parameter { name: "gamma", .. }));
    }
    let coins = PositiveMps::product(&vec![vec![0.5, 0.5]; 4]).unwrap();
    let short = Noise::new(Rates::binary_flip(4, 1.0, 1.0).unwrap(), Schedule::default());
    let other = ExactDenoiser::new(&coins, &short).unwrap();
    let error = Guided::new(&with, &other, Scheme::ClassifierFree, 1.0).map(|_| ()).unwrap_err();
    assert_eq!(error, Error::SiteCount { expected: 4, got: 5 });
    let guided = Guided::new(&with, &without, Scheme::ClassifierFree, 2.0).unwrap();
    let (y, streams) = (Array2::zeros((2, 5)), Streams::new(1));
    assert!(matches!(guided.sample(&[1.0], y.view(), &streams), Err(Error::Parameter { .. })));
    assert_eq!(guided.sample(&[0.5, 1.0], y.view(), &streams), Err(Error::TimeOrder { s: 1.0, t: 0.5 }));
    assert_eq!(guided.sample(&[0.5, 0.5], y.view(), &streams), Err(Error::TimeOrder { s: 0.5, t: 0.5 }));
    let out = Array2::from_elem((2, 5), 2u8);
    assert!(matches!(guided.sample(&[1.0, 0.0], out.view(), &streams), Err(Error::StateOutOfRange { .. })));
}
