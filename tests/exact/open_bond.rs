//! Born laws with an open last bond against enumeration: sums of squares, complex states, purifications.

use ndarray::{Array1, Array2, Array3, Axis, array};
use rand::RngExt;
use tensorjump::learn::{self, BornOptions, Data, Start};
use tensorjump::model::{Automaton, BornMps};
use tensorjump::tn::{Mps, Truncation};
use tensorjump::{Error, ExactModel, Model, SiteWeights, Stream, Streams, Target};

use super::common::{all_configs, assert_law, counts, law};
use super::laws::{stream, table};
use super::models::{check_against_table, check_bits, check_under_weights};

/// Tensors with entries uniform in [−1, 1) and a last bond of `open`.
pub fn random_tensors(dims: &[usize], bond: usize, open: usize, rng: &mut Stream) -> Vec<Array3<f64>> {
    let size = |j: usize| {
        if j == 0 {
            1
        } else if j == dims.len() {
            open
        } else {
            bond
        }
    };
    let mut tensor =
        |j: usize| Array3::from_shape_simple_fn((size(j), dims[j], size(j + 1)), || 2.0 * rng.random::<f64>() - 1.0);
    (0..dims.len()).map(&mut tensor).collect()
}

/// The vectors `ψ_k(x)` of every configuration: complex products, pairs of real and imaginary part.
pub fn amplitudes(re: &[Array3<f64>], im: &[Array3<f64>]) -> Vec<Vec<(f64, f64)>> {
    let dims: Vec<usize> = re.iter().map(|a| a.dim().1).collect();
    let value = |x: ndarray::ArrayView1<'_, u8>| {
        let mut v = vec![(1.0, 0.0)];
        for ((a, b), &x) in re.iter().zip(im).zip(x) {
            let (l, _, r) = a.dim();
            let mut next = vec![(0.0, 0.0); r];
            for (i, &(p, q)) in v.iter().enumerate().take(l) {
                for (k, next) in next.iter_mut().enumerate() {
                    let (a, b) = (a[[i, x.into(), k]], b[[i, x.into(), k]]);
                    next.0 += p * a - q * b;
                    next.1 += p * b + q * a;
                }
            }
            v = next;
        }
        v
    };
    all_configs(&dims).outer_iter().map(value).collect()
}

pub fn zeros(like: &[Array3<f64>]) -> Vec<Array3<f64>> {
    like.iter().map(|a| Array3::zeros(a.dim())).collect()
}

/// `Σ_k |ψ_k(x)|²` of every configuration, and how many times larger it is without cancellation.
fn squares(re: &[Array3<f64>], im: &[Array3<f64>]) -> (Vec<f64>, Vec<f64>) {
    let square = |v: &Vec<(f64, f64)>| v.iter().map(|(a, b)| a * a + b * b).sum::<f64>();
    let p: Vec<f64> = amplitudes(re, im).iter().map(square).collect();
    let absolute: Vec<_> = re.iter().zip(im).map(|(a, b)| a.mapv(f64::abs) + b.mapv(f64::abs)).collect();
    let terms = amplitudes(&absolute, &zeros(re));
    let condition = terms.iter().zip(&p).map(|(terms, p)| square(terms) / p).collect();
    (p, condition)
}

/// Everything that a Born law does, against the table `p`.
pub fn check(model: &BornMps, p: &[f64], condition: &[f64], name: &str) {
    let dims = model.dims().to_vec();
    let (x, sum) = (all_configs(&dims), p.iter().sum::<f64>());
    assert!((model.log_z() - sum.ln()).abs() < 1e-12, "{name}: log Z {} against {}", model.log_z(), sum.ln());
    let total = model.log_prob(x.view()).unwrap().mapv(f64::exp).sum();
    assert!((total - 1.0).abs() < 1e-12, "{name}: sum {total}");
    for (j, marginal) in model.site_marginals().iter().enumerate() {
        for (a, &m) in marginal.iter().enumerate() {
            let exact: f64 = (0..p.len()).filter(|&i| usize::from(x[[i, j]]) == a).map(|i| p[i] / sum).sum();
            assert!((m - exact).abs() < 1e-12, "{name}: marginal of site {j}: {m} against {exact}");
        }
    }
    // What the amplitude says of itself: P(x) is the sum of its squares over the sites behind the law.
    let components = table(model.amplitude());
    let each = components.len() / p.len();
    for (v, p) in components.chunks(each).zip(p) {
        let found: f64 = v.iter().map(|v| v * v).sum();
        assert!((found - p / sum).abs() < 1e-12, "{name}: amplitude {found} against {}", p / sum);
    }
    check_against_table(model, p, condition, name);
    check_bits(model, name);
}

pub fn systems() -> Vec<(Vec<usize>, usize)> {
    vec![(vec![2; 6], 4), (vec![3; 4], 3), (vec![2, 3, 1, 4, 2], 5), (vec![3], 1), (vec![2, 2], 9)]
}

#[test]
fn open_laws_agree_with_their_tables() {
    for (i, (dims, bond)) in systems().into_iter().enumerate() {
        for open in [1, 2, 3, 7] {
            let name = format!("open {i} {open}");
            let tensors = random_tensors(&dims, bond, open, &mut stream(&name));
            let (p, condition) = squares(&tensors, &zeros(&tensors));
            let model = BornMps::open(tensors).unwrap();
            assert_eq!(model.dims(), &dims);
            assert_eq!(model.amplitude().sites(), dims.len() + usize::from(open > 1));
            check(&model, &p, &condition, &name);
        }
    }
}

#[test]
fn an_open_bond_of_one_state_is_the_plain_law_bit_for_bit() {
    let tensors = random_tensors(&[2, 3, 2, 2, 3], 4, 1, &mut stream("one"));
    let plain = BornMps::new(&Mps::new(tensors.clone(), 0.0).unwrap()).unwrap();
    let open = BornMps::open(tensors).unwrap();
    assert_eq!((open.amplitude(), open.log_z()), (plain.amplitude(), plain.log_z()));
    let draw = |model: &BornMps| model.draw(50, &Streams::new(3)).unwrap();
    assert_eq!(draw(&open), draw(&plain));
}

#[test]
fn complex_laws_are_the_squared_moduli() {
    for (i, (dims, bond)) in systems().into_iter().enumerate() {
        for open in [1, 2] {
            let name = format!("complex {i} {open}");
            let mut rng = stream(&name);
            let re = random_tensors(&dims, bond, open, &mut rng);
            let im = random_tensors(&dims, bond, open, &mut rng);
            let (p, condition) = squares(&re, &im);
            let model = BornMps::complex(&re, &im).unwrap();
            assert_eq!(model.dims(), &dims);
            assert!(model.amplitude().max_bond() <= 2 * bond.max(open));
            check(&model, &p, &condition, &name);
        }
    }
}

#[test]
fn draws_of_a_complex_state_do_not_follow_its_real_part() {
    let dims = [2, 3, 2, 2];
    let mut rng = stream("real part");
    let (re, im) = (random_tensors(&dims, 3, 1, &mut rng), random_tensors(&dims, 3, 1, &mut rng));
    let all = amplitudes(&re, &im);
    let normalised = |p: Vec<f64>| p.iter().map(|v| v / p.iter().sum::<f64>()).collect::<Vec<_>>();
    let whole = normalised(all.iter().map(|v| v[0].0.powi(2) + v[0].1.powi(2)).collect());
    let real = normalised(all.iter().map(|v| v[0].0.powi(2)).collect());
    let model = BornMps::complex(&re, &im).unwrap();
    let draws = model.draw(40_000, &Streams::new(9)).unwrap();
    assert_law(&counts(&draws.x, &dims), &whole, &real);
    // The last bond closed on the real part: what an amplitude without the open bond would say.
    let only = model.amplitude().evaluate(behind(&all_configs(&dims), 0).view()).unwrap().values();
    assert_law(&counts(&draws.x, &dims), &whole, &normalised(only.mapv(|v| v * v).to_vec()));
}

/// Configurations with a further site in state `k`.
fn behind(x: &Array2<u8>, k: u8) -> Array2<u8> {
    ndarray::concatenate![Axis(1), *x, Array2::from_elem((x.nrows(), 1), k)]
}

#[test]
fn components_of_the_amplitude_keep_their_number_and_sign() {
    let dims = [2, 3, 2];
    let mut rng = stream("components");
    let (re, im) = (random_tensors(&dims, 3, 1, &mut rng), random_tensors(&dims, 3, 1, &mut rng));
    let (all, model, x) = (amplitudes(&re, &im), BornMps::complex(&re, &im).unwrap(), all_configs(&dims));
    let norm = (0.5 * model.log_z()).exp();
    for k in 0..2 {
        let got = model.amplitude().evaluate(behind(&x, k).view()).unwrap().values();
        for (got, v) in got.iter().zip(&all) {
            let exact = [v[0].0, -v[0].1][usize::from(k)] / norm;
            assert!((got - exact).abs() < 1e-12, "component {k}: {got} against {exact}");
        }
    }
}

/// A mixture of two product laws, purified by an open bond that remembers which; the twin adds amplitudes
/// first.
#[test]
fn a_purification_is_the_mixture() {
    let laws = [[0.9, 0.1], [0.3, 0.7]];
    let share: [f64; 2] = [0.25, 0.75];
    let (n, dims) = (5, [2; 5]);
    let tensor = |j: usize| {
        let left = if j == 0 { 1 } else { 2 };
        let mut a = Array3::zeros((left, 2, 2));
        for k in 0..2 {
            let start = if j == 0 { share[k].sqrt() } else { 1.0 };
            (0..2).for_each(|x| a[[k.min(left - 1), x, k]] = start * f64::sqrt(laws[k][x]));
        }
        a
    };
    let tensors: Vec<_> = (0..n).map(tensor).collect();
    let x = all_configs(&dims);
    let product =
        |k: usize, x: ndarray::ArrayView1<'_, u8>| x.iter().map(|&a| laws[k][usize::from(a)]).product::<f64>();
    let mixture: Vec<f64> = x.outer_iter().map(|x| (0..2).map(|k| share[k] * product(k, x)).sum()).collect();
    let model = BornMps::open(tensors.clone()).unwrap();
    assert!(model.log_z().abs() < 1e-12);
    check(&model, &mixture, &vec![1.0; mixture.len()], "mixture");

    let mut closed = tensors;
    closed[n - 1] = closed[n - 1].sum_axis(Axis(2)).insert_axis(Axis(2));
    let coherent = BornMps::new(&Mps::new(closed, 0.0).unwrap()).unwrap();
    let draws = model.draw(40_000, &Streams::new(4)).unwrap();
    assert_law(&counts(&draws.x, &dims), &mixture, &law(&coherent));
}

#[test]
fn the_first_sites_of_a_chain_have_its_marginal_law() {
    let dims = [3, 2, 2, 3, 2, 2, 4];
    let psi = Mps::random_real(&dims, 6, &mut stream("marginal")).unwrap();
    let whole: Vec<f64> = table(&psi).iter().map(|v| v * v).collect();
    let absolute: Vec<_> = psi.tensors().iter().map(|a| a.mapv(f64::abs)).collect();
    let terms: Vec<f64> = table(&Mps::new(absolute, 0.0).unwrap()).iter().map(|t| t * t).collect();
    for sites in 1..=dims.len() {
        let behind: usize = dims[sites..].iter().product();
        let summed = |v: &[f64]| -> Vec<f64> { v.chunks(behind).map(|c| c.iter().sum()).collect() };
        let p = summed(&whole);
        let condition: Vec<f64> = summed(&terms).iter().zip(&p).map(|(t, p)| t / p).collect();
        let model = BornMps::marginal(&psi, sites).unwrap();
        assert_eq!(model.dims(), &dims[..sites]);
        check(&model, &p, &condition, &format!("marginal {sites}"));
        let again = law(&BornMps::marginal(model.amplitude(), sites).unwrap());
        assert!(again.iter().zip(&law(&model)).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

#[test]
fn constraints_and_truncation_leave_the_bond_open() {
    let dims = [2; 6];
    let mut rng = stream("constrained");
    let (re, im) = (random_tensors(&dims, 3, 2, &mut rng), random_tensors(&dims, 3, 2, &mut rng));
    let model = BornMps::complex(&re, &im).unwrap();
    let balanced = Automaton::sum(&vec![vec![-1, 1]; 6], 0..=0).unwrap();
    let (p, condition) = squares(&re, &im);
    let sum: f64 = p.iter().sum();
    let allowed = |x: ndarray::ArrayView1<'_, u8>| x.iter().filter(|&&a| a == 1).count() == 3;
    let x = all_configs(&dims);
    let p: Vec<f64> = p.iter().zip(x.outer_iter()).map(|(p, x)| if allowed(x) { p / sum } else { 0.0 }).collect();
    let condition: Vec<f64> =
        condition.iter().zip(&p).map(|(c, p)| if *p == 0.0 { f64::INFINITY } else { *c }).collect();
    check(&model.constrained(&balanced).unwrap(), &p, &condition, "constrained");

    // A real state written as a complex one: compression finds its bonds again, the law stays.
    let model = BornMps::complex(&re, &zeros(&re)).unwrap();
    let (psi, _) = model.amplitude().compress(&Truncation::default()).unwrap();
    assert!(model.amplitude().max_bond() > 3 && psi.max_bond() <= 3);
    let (p, condition) = squares(&re, &zeros(&re));
    let sum: f64 = p.iter().sum();
    let p: Vec<f64> = p.iter().map(|p| p / sum).collect();
    // Five bonds cut at 10⁻²⁸ move the amplitude by at most √5 · 10⁻¹⁴ of its norm, a probability by 2√5 ·
    // 10⁻¹⁴/√p of itself.
    let condition: Vec<f64> = condition.iter().zip(&p).map(|(c, p)| c.max(1.0 / p.sqrt())).collect();
    check(&BornMps::marginal(&psi, 6).unwrap(), &p, &condition, "compressed");
}

/// Weights that spread over e^40 a site: environments become factors, which begin at the open bond.
#[test]
fn open_laws_under_weights_that_disagree_with_them() {
    let mut rng = stream("open disagreement");
    for case in 0..24 {
        let dims: Vec<usize> = (0..6).map(|j| 2 + (case + j) % 2).collect();
        let tensors = random_tensors(&dims, 1 + case % 4, 1 + case % 3, &mut rng);
        let (p, condition) = squares(&tensors, &zeros(&tensors));
        let spread = [1.0, 5.0, 15.0, 40.0][case % 4];
        let log_w = Array3::from_shape_simple_fn((1, 6, 3), || spread * (2.0 * rng.random::<f64>() - 0.5));
        check_under_weights(&BornMps::open(tensors).unwrap(), &p, &condition, &log_w, &format!("case {case}"));
    }
}

/// A product state with phases: the law is that of the moduli; the real part alone says something else.
#[test]
fn phases_of_a_product_state_do_not_matter_and_long_chains_run() {
    let n = 100_000;
    let mut rng = stream("phases");
    let amplitude = Array2::from_shape_simple_fn((n, 2), || {
        let (size, phase) = (0.1 + rng.random::<f64>(), std::f64::consts::TAU * rng.random::<f64>());
        (size * phase.cos(), size * phase.sin())
    });
    let part = |pick: fn((f64, f64)) -> f64| -> Vec<_> {
        (0..n).map(|j| Array3::from_shape_fn((1, 2, 1), |(_, a, _)| pick(amplitude[[j, a]]))).collect()
    };
    let (re, im) = (part(|c| c.0), part(|c| c.1));
    let model = BornMps::complex(&re, &im).unwrap();
    assert_eq!((model.dims().len(), model.amplitude().max_bond()), (n, 2));
    let draws = model.draw(8, &Streams::new(2)).unwrap();
    assert_eq!(model.log_prob(draws.x.view()).unwrap(), draws.log_prob);
    let square = |(a, b): (f64, f64)| a * a + b * b;
    let exact = |x: ndarray::ArrayView1<'_, u8>, square: &dyn Fn((f64, f64)) -> f64| -> f64 {
        let p = |(j, &a): (usize, &u8)| {
            let sum = square(amplitude[[j, 0]]) + square(amplitude[[j, 1]]);
            (square(amplitude[[j, a.into()]]) / sum).ln()
        };
        x.iter().enumerate().map(p).sum()
    };
    for (x, &log) in draws.x.outer_iter().zip(&draws.log_prob) {
        let log_p = exact(x, &square);
        assert!((log / log_p - 1.0).abs() < 1e-12, "{log} against {log_p}");
        assert!((log / exact(x, &|(a, _)| a * a) - 1.0).abs() > 0.01, "the real part alone");
    }
    let log_z: f64 = (0..n).map(|j| (square(amplitude[[j, 0]]) + square(amplitude[[j, 1]])).ln()).sum();
    assert!((model.log_z() / log_z - 1.0).abs() < 1e-12);

    // Weights of a row: evidence, cavities and a draw at the same length.
    let w = Array3::from_shape_fn((1, n, 2), |(_, j, a)| 0.5 + ((j + a) % 3) as f64);
    let w = SiteWeights::PerRow(w.view());
    let evidence: f64 = (0..n)
        .map(|j| {
            let p = [square(amplitude[[j, 0]]), square(amplitude[[j, 1]])];
            ((p[0] * w.get(0, j, 0) + p[1] * w.get(0, j, 1)) / (p[0] + p[1])).ln()
        })
        .sum();
    assert!((model.log_evidence(&w).unwrap()[0] - evidence).abs() < 1e-12 * n as f64);
    let cavities = model.cavities(&w).unwrap();
    for j in [0, 1, n / 2, n - 1] {
        let p = [square(amplitude[[j, 0]]), square(amplitude[[j, 1]])];
        assert!((cavities[[0, j, 0]] - p[0] / (p[0] + p[1])).abs() < 1e-12);
    }
    let drawn = model.sample(&w, 1, &Streams::new(5)).unwrap();
    assert_eq!(model.log_prob_given(drawn.x.view(), &w).unwrap(), drawn.log_prob);
}

#[test]
fn what_is_not_an_open_law_is_refused() {
    let tensors = random_tensors(&[2, 2, 2], 2, 2, &mut stream("refused"));
    let mut bad = tensors.clone();
    bad[2] = Array3::zeros((2, 2, 0));
    assert!(matches!(BornMps::open(bad), Err(Error::Parameter { name: "open bond", .. })));
    let mut bad = tensors.clone();
    bad[2] = Array3::ones((2, 2, 257));
    assert!(matches!(BornMps::open(bad), Err(Error::Parameter { name: "open bond", .. })));
    let mut bad = tensors.clone();
    bad[0] = Array3::ones((2, 2, 2));
    let shape = |field, expected: [usize; 3], got: [usize; 3]| {
        Some(Error::Shape { field, expected: expected.to_vec(), got: got.to_vec() })
    };
    assert_eq!(BornMps::open(bad.clone()).err(), shape("tensor", [1, 2, 2], [2, 2, 2]));
    assert_eq!(BornMps::complex(&bad, &bad).err(), shape("real tensor", [1, 2, 2], [2, 2, 2]));
    let mut bad = tensors.clone();
    bad[1] = Array3::ones((2, 2, 3));
    assert_eq!(BornMps::complex(&tensors, &bad).err(), shape("imaginary tensor", [2, 2, 2], [2, 2, 3]));
    assert_eq!(BornMps::complex(&bad, &bad).err(), shape("real tensor", [3, 2, 2], [2, 2, 2]));
    let mut bad = tensors.clone();
    bad[1] = Array3::zeros((2, 2, 0));
    bad[2] = Array3::zeros((0, 2, 2));
    assert_eq!(BornMps::open(bad).err(), shape("tensor", [2, 2, 1], [2, 2, 0]));
    let mut bad = tensors.clone();
    bad[1][[0, 1, 0]] = f64::NAN;
    assert!(matches!(BornMps::complex(&tensors, &bad), Err(Error::NotFinite { site: 1, .. })));
    assert_eq!(BornMps::complex(&tensors, &tensors[1..]).err(), Some(Error::SiteCount { expected: 3, got: 2 }));
    assert!(matches!(BornMps::open(Vec::new()), Err(Error::SiteCount { .. })));
    assert!(matches!(BornMps::complex(&[], &[]), Err(Error::SiteCount { .. })));
    assert!(matches!(BornMps::open(zeros(&tensors)), Err(Error::ZeroWeight { .. })));
    let psi = Mps::random_real(&[2, 2], 2, &mut stream("sites")).unwrap();
    for sites in [0, 3] {
        assert!(matches!(BornMps::marginal(&psi, sites), Err(Error::Parameter { name: "sites of a law", .. })));
    }
    let open = BornMps::open(tensors).unwrap();
    let nothing = Array2::zeros((3, 2));
    assert!(matches!(open.tilted(nothing.view()), Err(Error::ZeroEvidence { row: 0 })));
}

/// Learning holds one amplitude: a law with an open bond is refused by name, never read as one of more sites.
#[test]
fn learning_refuses_open_laws() {
    let open = BornMps::open(random_tensors(&[2, 2, 2], 2, 2, &mut stream("learning"))).unwrap();
    let x = array![[0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1]];
    let (logs, refused) =
        (Array1::from_elem(4, -2.0), |e: Error| matches!(e, Error::Parameter { name: "Born law", .. }));
    let options = BornOptions { start: Start::Model(open.clone()), ..BornOptions::default() };
    let data = Data::new(x.clone(), &[2, 2, 2]).unwrap();
    assert!(refused(options.fit(&data).err().unwrap()));
    let step = learn::SignedStep { rate: 0.1, limit: 0.1, truncation: Truncation::default() };
    for rows in [0, 4] {
        let part = x.slice(ndarray::s![..rows, ..]);
        let weights = Array1::ones(rows);
        assert!(refused(step.apply(&open, part, weights.view()).err().unwrap()));
    }
    let towards = learn::TowardsStep::default().apply(&open, x.view(), logs.view(), logs.view());
    assert!(refused(towards.err().unwrap()));
    let tangent = learn::TangentStep::default().apply(&open, x.view(), logs.view(), logs.view(), &[]);
    assert!(refused(tangent.err().unwrap()));
}
