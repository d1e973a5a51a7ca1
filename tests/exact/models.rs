//! Matrix-product laws against enumeration.

use approx::assert_abs_diff_eq;
use ndarray::{Array1, Array2, Array3, s};
use rand::RngExt;
use tensorjump::diffusion::Denoise;
use tensorjump::mcmc::{Connected, Proposal};
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::tn::Mps;
use tensorjump::{Error, ExactModel, Model, SiteWeights, Streams, Target};

use super::common::all_configs;
use super::laws::{every_form, repeated, stream, systems, table, tilted_law};

const PERIOD: usize = 3;

/// Largest error of probabilities relative to each probability, times a condition number a configuration.
fn compare_scores(got: &Array1<f64>, law: &[f64], condition: &[f64], tolerance: f64) {
    for (i, (&log, &p)) in got.iter().zip(law).enumerate() {
        if p == 0.0 {
            // A Born amplitude that vanishes only by cancellation leaves rounding behind.
            assert!(log == f64::NEG_INFINITY || condition[i] > 1e12, "configuration {i} has log-probability {log}");
            continue;
        }
        let error = (log - p.ln()).abs();
        assert!(error < tolerance * condition[i], "configuration {i}: log {log}, exact {}, error {error:e}", p.ln());
    }
}

/// Scores, evidence and cavities of a model with table `p`; `condition` is one a configuration (1 for linear
/// laws).
pub fn check_against_table<M: ExactModel>(model: &M, p: &[f64], condition: &[f64], name: &str) {
    let dims = model.dims().to_vec();
    let (x, sum) = (all_configs(&dims), p.iter().sum::<f64>());
    let p: Vec<f64> = p.iter().map(|p| p / sum).collect();
    let batch = repeated(x.view(), PERIOD);
    for w in every_form(&dims, batch.nrows(), PERIOD, &mut stream(name)) {
        let w = w.get();
        let rows = if w.rows().is_some() { PERIOD } else { 1 };
        let scores = model.log_prob_given(batch.view(), &w).unwrap();
        let evidence = model.log_evidence(&w).unwrap();
        let cavities = model.cavities(&w).unwrap();
        assert_eq!(cavities.dim(), (w.rows().unwrap_or(1), dims.len(), *dims.iter().max().unwrap()));
        for row in 0..rows {
            let (law, total) = tilted_law(&p, &dims, &w, row);
            compare_scores(&scores.slice(s![row..;PERIOD]).to_owned(), &law, condition, 2e-12);
            assert!((evidence[row] - total.ln()).abs() < 1e-12, "evidence {} against {}", evidence[row], total.ln());
            for (j, &d) in dims.iter().enumerate() {
                let mut exact = vec![0.0; d];
                for (p, x) in p.iter().zip(x.outer_iter()) {
                    let others = (0..dims.len()).filter(|&i| i != j).map(|i| w.get(row, i, x[i].into()));
                    exact[usize::from(x[j])] += p * others.product::<f64>();
                }
                let sum: f64 = exact.iter().sum();
                for (a, e) in exact.iter().enumerate() {
                    assert!((cavities[[row, j, a]] - e / sum).abs() < 1e-12);
                }
            }
        }
    }
}

/// Draws carry their own score bit for bit, whatever the batch; redraw is sample and score under one roof.
pub fn check_bits<M: Model>(model: &M, name: &str) {
    let (n, streams) = (77, Streams::new(5).domain(name));
    for w in every_form(model.dims(), n, n, &mut stream(name)) {
        let w = w.get();
        let drawn = model.sample(&w, n, &streams).unwrap();
        assert_eq!(drawn.log_prob, model.log_prob_given(drawn.x.view(), &w).unwrap());
        let old = model.sample(&w, n, &streams.step(1)).unwrap();
        let (new, scores) = model.redraw(&w, old.x.view(), &streams).unwrap();
        assert_eq!((&new, &scores), (&drawn, &old.log_prob));
        for row in [0, 40, n - 1] {
            let one = match w {
                SiteWeights::Observed { tables, dims_in, dims_out, y } => {
                    SiteWeights::Observed { tables, dims_in, dims_out, y: y.slice_move(s![row..=row, ..]) }
                }
                SiteWeights::PerRow(w) => SiteWeights::PerRow(w.slice_move(s![row..=row, .., ..])),
                other => other,
            };
            assert_eq!(model.log_prob_given(drawn.x.slice(s![row..=row, ..]), &one).unwrap()[0], drawn.log_prob[row]);
            let again = model.sample(&one, 1, &streams.rows_from(row)).unwrap();
            assert_eq!((again.x.row(0), again.log_prob[0]), (drawn.x.row(row), drawn.log_prob[row]));
        }
    }
}

#[test]
fn positive_laws_agree_with_their_tables() {
    for (i, (dims, bond)) in systems().into_iter().enumerate() {
        let name = format!("positive {i}");
        let mps = Mps::random_positive(&dims, bond, &mut stream(&name)).unwrap();
        let p = table(&mps);
        let model = PositiveMps::new(&mps).unwrap();
        assert_abs_diff_eq!(model.log_z(), p.iter().sum::<f64>().ln(), epsilon = 1e-12);
        check_against_table(&model, &p, &vec![1.0; p.len()], &name);
        check_bits(&model, &name);
    }
}

#[test]
fn born_laws_agree_with_their_tables() {
    for (i, (dims, bond)) in systems().into_iter().enumerate() {
        let name = format!("born {i}");
        let psi = Mps::random_real(&dims, bond, &mut stream(&name)).unwrap();
        let absolute: Vec<_> = psi.tensors().iter().map(|a| a.mapv(f64::abs)).collect();
        let terms = table(&Mps::new(absolute, psi.log_scale()).unwrap());
        let amplitude = table(&psi);
        let p: Vec<f64> = amplitude.iter().map(|v| v * v).collect();
        let condition: Vec<f64> = amplitude.iter().zip(&terms).map(|(v, t)| (t / v).powi(2)).collect();
        let model = BornMps::new(&psi).unwrap();
        assert_abs_diff_eq!(model.log_z(), p.iter().sum::<f64>().ln(), epsilon = 1e-12);
        check_against_table(&model, &p, &condition, &name);
        check_bits(&model, &name);
    }
}

#[test]
fn tables_products_and_sparse_laws() {
    let dims = [2, 3, 2, 2];
    let mut p: Vec<f64> = (0..24).map(|i| ((i * 37 + 11) % 17) as f64).collect();
    p[3] = 0.0;
    p[10] = 0.0;
    let model = PositiveMps::from_table(&dims, &p).unwrap();
    check_against_table(&model, &p, &[1.0; 24], "table");
    check_bits(&model, "table");
    let weights = vec![vec![1.0, 2.0], vec![0.5, 0.0, 3.0]];
    let model = PositiveMps::product(&weights).unwrap();
    let p: Vec<f64> = weights[0].iter().flat_map(|a| weights[1].iter().map(move |b| a * b)).collect();
    check_against_table(&model, &p, &[1.0; 6], "product");
    // Dead bond states (no continuation) and unreachable ones.
    let a = Array3::from_shape_vec((1, 2, 3), vec![1.0, 2.0, 0.0, 0.5, 0.0, 0.0]).unwrap();
    let b = Array3::from_shape_vec((3, 2, 1), vec![0.0, 0.0, 3.0, 1.0, 7.0, 5.0]).unwrap();
    let mps = Mps::new(vec![a, b], 0.3).unwrap();
    check_against_table(&PositiveMps::new(&mps).unwrap(), &table(&mps), &[1.0; 4], "dead");
}

#[test]
fn single_precision_states_the_law_it_draws_from() {
    for (i, (dims, bond)) in systems().into_iter().enumerate() {
        let name = format!("single {i}");
        let double = PositiveMps::random(&dims, bond, &mut stream(&name)).unwrap();
        let single = double.single_precision();
        check_bits(&single, &name);
        let x = all_configs(&dims);
        let batch = repeated(x.view(), PERIOD);
        for w in every_form(&dims, batch.nrows(), PERIOD, &mut stream(&name)) {
            let (p, q) = (
                double.log_prob_given(batch.view(), &w.get()).unwrap(),
                single.log_prob_given(batch.view(), &w.get()).unwrap(),
            );
            for row in 0..PERIOD {
                // Conditionals are normalised in double precision whatever the products were.
                let total: f64 = q.slice(s![row..;PERIOD]).iter().map(|q| q.exp()).sum();
                assert!((total - 1.0).abs() < 1e-13, "single precision sums to {total}");
            }
            // About (bond × sites) roundings of 6e-8; 0.1 % where one minus the guess was used.
            assert!(p.iter().zip(&q).all(|(p, q)| p == q || (p - q).abs() < 1e-3));
            assert!(p.iter().zip(&q).any(|(p, q)| p != q) || bond == 1);
        }
    }
}

#[test]
fn long_chains_stay_finite() {
    let n = 100_000;
    let dims = vec![2; n];
    let mut rng = stream("long");
    let streams = Streams::new(1);
    let y = Array2::from_shape_fn((3, n), |(i, j)| ((i + j * j) % 3 == 0) as u8);
    let tables = Array3::from_shape_fn((n, 2, 2), |(_, a, b)| [[0.9, 0.1], [0.3, 0.7]][a][b]);
    let w = SiteWeights::Observed { tables: tables.view(), dims_in: &dims, dims_out: &dims, y: y.view() };
    let positive = PositiveMps::random(&dims, 4, &mut rng).unwrap();
    let born = BornMps::random(&dims, 3, &mut rng).unwrap();
    for model in [&positive as &dyn ExactModel, &born] {
        let plain = model.draw(3, &streams).unwrap();
        let tilted = model.sample(&w, 3, &streams).unwrap();
        let evidence = model.log_evidence(&w).unwrap();
        let score = model.log_prob(tilted.x.view()).unwrap();
        // By counts: a plain sum of 10⁵ equal logarithms rounds the same way every time.
        let kernel = |i: usize| -> f64 {
            let mut counts = [0.0; 4];
            (0..n).for_each(|j| counts[usize::from(2 * tilted.x[[i, j]] + y[[i, j]])] += 1.0);
            counts.iter().zip([0.9f64, 0.1, 0.3, 0.7]).map(|(n, k)| n * k.ln()).sum()
        };
        for i in 0..3 {
            assert!(plain.log_prob[i].is_finite() && plain.log_prob[i] < -1e3);
            // Bayes: log P(x|w) = log P(x) + log w(x) − log evidence; 10⁵ conditionals, each rounded to about
            // 1e-16 χ, add up to 1e-10 at worst.
            let bayes = score[i] + kernel(i) - evidence[i];
            assert!((tilted.log_prob[i] - bayes).abs() < 1e-9, "{} against {bayes}", tilted.log_prob[i]);
        }
    }
}

#[test]
fn impossible_weights_name_the_row() {
    let model = PositiveMps::product(&[vec![1.0, 0.0], vec![1.0, 2.0]]).unwrap();
    let born = BornMps::new(model.as_mps()).unwrap();
    let mut w = Array3::ones((4, 2, 2));
    w[[2, 0, 0]] = 0.0;
    let streams = Streams::new(1);
    for model in [&model as &dyn ExactModel, &born] {
        let w = SiteWeights::PerRow(w.view());
        assert_eq!(model.sample(&w, 4, &streams), Err(Error::ZeroEvidence { row: 2 }));
        assert_eq!(model.log_prob_given(Array2::zeros((4, 2)).view(), &w), Err(Error::ZeroEvidence { row: 2 }));
        let evidence = model.log_evidence(&w).unwrap();
        assert_eq!(evidence[2], f64::NEG_INFINITY);
        assert!(evidence[0].abs() < 1e-15);
        // An impossible configuration scores −∞ and leaves its neighbours alone.
        let x = ndarray::array![[1, 1], [0, 1]];
        let scores = model.log_prob(x.view()).unwrap();
        assert_eq!(scores[0], f64::NEG_INFINITY);
        assert!((scores[1] - (2.0f64 / 3.0).ln()).abs() < 1e-14 || scores[1].is_finite());
    }
    // The cavity of a site does not see the site's own weight.
    assert_eq!(model.cavities(&SiteWeights::PerRow(w.view())).unwrap_err(), Error::ZeroEvidence { row: 2 });
}

/// Conditionals whose inverse overflows (1e-310 in double, 1e-40 in single precision) must not turn a batch
/// into NaN.
#[test]
fn tiny_conditionals_leave_the_batch_alone() {
    for tiny in [1e-310, 1e-40, 1e-300] {
        let bond = Array3::from_shape_fn((1, 2, 2), |(_, a, k)| if a != k { 0.0 } else { [1.0, tiny][a] });
        let last = Array3::from_shape_fn((2, 2, 1), |(k, a, _)| [[0.6, 0.4], [0.3, 0.7]][k][a]);
        let model = PositiveMps::new(&Mps::new(vec![bond, last], 0.0).unwrap()).unwrap();
        let single = model.single_precision();
        let x = ndarray::array![[0, 1], [1, 0], [0, 0]];
        let ones = Array3::ones((3, 2, 2));
        for model in [&model as &dyn Model, &single] {
            for w in [SiteWeights::Uniform, SiteWeights::PerRow(ones.view())] {
                let scores = model.log_prob_given(x.view(), &w).unwrap();
                assert!((scores[0] - 0.4f64.ln()).abs() < 1e-6 && (scores[2] - 0.6f64.ln()).abs() < 1e-6);
                assert!(
                    scores[1] == f64::NEG_INFINITY || (scores[1] - (0.3 * tiny).ln()).abs() < 1e-3,
                    "{}",
                    scores[1]
                );
            }
        }
    }
}

#[test]
fn bad_input_is_a_typed_error() {
    let model = PositiveMps::random(&[2, 3], 2, &mut stream("bad")).unwrap();
    let streams = Streams::new(1);
    let x = Array2::<u8>::zeros((2, 3));
    assert_eq!(model.log_prob(x.view()), Err(Error::SiteCount { expected: 2, got: 3 }));
    let x = ndarray::array![[0, 0], [0, 3]];
    let out = Error::StateOutOfRange { row: 1, site: 1, state: 3, dim: 3 };
    assert_eq!(model.log_prob(x.view()), Err(out));
    let w = Array3::ones((4, 2, 3));
    let samples = Error::SampleCount { expected: 5, got: 4 };
    assert_eq!(model.sample(&SiteWeights::PerRow(w.view()), 5, &streams), Err(samples));
    let mut w = Array2::ones((2, 3));
    w[[1, 2]] = -0.5;
    let negative = Error::Negative { field: "site weights", site: 1, value: -0.5 };
    assert_eq!(model.sample(&SiteWeights::Shared(w.view()), 5, &streams), Err(negative));
    w[[1, 2]] = f64::NAN;
    assert!(matches!(model.log_evidence(&SiteWeights::Shared(w.view())), Err(Error::NotFinite { site: 1, .. })));
    let narrow = Array2::ones((2, 2));
    assert!(matches!(model.log_evidence(&SiteWeights::Shared(narrow.view())), Err(Error::Shape { .. })));
    let mut tensors = model.as_mps().tensors().to_vec();
    tensors[1][[0, 1, 0]] = -1e-30;
    let negative = PositiveMps::new(&Mps::new(tensors, 0.0).unwrap()).unwrap_err();
    assert_eq!(negative, Error::Negative { field: "tensor", site: 1, value: -1e-30 });
    let zero = Mps::new(vec![Array3::zeros((1, 2, 1))], 0.0).unwrap();
    assert!(matches!(PositiveMps::new(&zero), Err(Error::ZeroWeight { .. })));
    assert!(matches!(BornMps::new(&zero), Err(Error::ZeroWeight { .. })));
    assert!(matches!(PositiveMps::from_table(&[2, 2], &[1.0, f64::NAN, 0.0, 0.0]), Err(Error::NotFinite { .. })));
    assert!(matches!(PositiveMps::from_table(&[2, 2], &[1.0]), Err(Error::Shape { .. })));
    assert!(matches!(PositiveMps::from_table(&[2, 0], &[]), Err(Error::Parameter { .. })));
    assert!(matches!(PositiveMps::from_table(&[], &[]), Err(Error::Shape { .. })));
    assert!(matches!(PositiveMps::product(&[]), Err(Error::SiteCount { .. })));
    let empty = model.draw(0, &streams).unwrap();
    assert_eq!(empty.x.dim(), (0, 2));
}

/// A latent bit that decides every site: evidence of the unlikely reading spans more than a scalar holds.
/// Rows beyond it have no evidence; they are named, never drawn with probability zero, and do not stop a
/// chain.
#[test]
fn evidence_below_the_scalar_names_its_row() {
    let mixture = |n: usize, e: f64| {
        let tensor = |j: usize| {
            let (l, r) = (if j == 0 { 1 } else { 2 }, if j + 1 == n { 1 } else { 2 });
            let mut a = Array3::zeros((l, 2, r));
            for latent in 0..2 {
                let (from, to) = (if l == 1 { 0 } else { latent }, if r == 1 { 0 } else { latent });
                for x in 0..2 {
                    let p = if j == 0 {
                        0.5 * f64::from(x == latent)
                    } else if x == latent {
                        1.0 - e
                    } else {
                        e
                    };
                    a[[from, x, to]] += p;
                }
            }
            a
        };
        PositiveMps::new(&Mps::new((0..n).map(tensor).collect(), 0.0).unwrap()).unwrap()
    };
    let check = |model: &dyn Model, rate: f64| {
        let n = model.dims().len();
        let noise = Noise::new(Rates::mask(&vec![2; n], 1.0).unwrap(), Schedule::default());
        let kernel = noise.kernel(0.0, rate).unwrap();
        let mut x = Array2::<u8>::ones((3, n));
        x.column_mut(0).fill(0);
        let mut y = x.clone();
        y[[1, 3]] = 2;
        match model.denoise(&kernel, y.view(), &Streams::new(11)) {
            Ok(draws) => assert!(draws.log_prob.iter().all(|log| log.is_finite())),
            Err(error) => assert!(matches!(error, Error::ZeroEvidence { .. }), "{error}"),
        }
        let proposed = Connected::new(model, kernel).unwrap().propose(x.view(), &Streams::new(12)).unwrap();
        assert!(proposed.log_ratio.iter().all(|ratio| !ratio.is_nan()));
        proposed.impossible + proposed.unsupported
    };
    let single: usize = (18..30).map(|n| check(&mixture(n, 0.01).single_precision(), 0.02)).sum();
    let double: usize = (30..38).map(|n| check(&mixture(n, 1e-10), 1e-6)).sum();
    assert!(single > 0 && double > 0, "the window was not reached");
}

#[test]
fn a_kernel_of_other_states_is_refused() {
    let model = PositiveMps::random(&[2, 3], 2, &mut stream("other")).unwrap();
    let kernel = Noise::new(Rates::uniform(&[3, 2], 1.0).unwrap(), Schedule::default()).kernel(0.0, 0.5).unwrap();
    let y = Array2::zeros((1, 2));
    let error = Error::LocalDimension { site: 0, expected: 2, got: 3 };
    assert_eq!(model.log_evidence(&kernel.likelihood(y.view())), Err(error.clone()));
    assert_eq!(model.sample(&kernel.likelihood(y.view()), 1, &Streams::new(1)), Err(error));
}

/// Weights that spread over e^40 a site: the law lives where the model hardly is. Scores of every
/// configuration against sums of logarithms.
#[test]
fn born_laws_under_weights_that_disagree_with_them() {
    let mut rng = stream("disagreement");
    for case in 0..60 {
        let dims: Vec<usize> = (0..6).map(|j| 2 + (case + j) % 2).collect();
        let psi = Mps::random_real(&dims, 1 + case % 4, &mut rng).unwrap();
        let spread = [1.0, 5.0, 15.0, 40.0][case % 4];
        let log_w = Array3::from_shape_simple_fn((1, 6, 3), || spread * (2.0 * rng.random::<f64>() - 0.5));
        check_disagreement(&psi, &log_w, &format!("case {case}"));
    }
    // Two sectors, in any gauge; weights that like one on the left and the other on the right.
    for strength in [1.0, 5.0, 11.0, 20.0] {
        let tensor = |j: usize| {
            let (l, r) = (if j == 0 { 1 } else { 2 }, if j == 5 { 1 } else { 2 });
            let weight = |k: usize, a: usize| [[1.0, 0.3], [0.2, 0.9]][k][a];
            let mut a = Array3::zeros((l, 2, r));
            (0..2).for_each(|k| (0..2).for_each(|x| a[[k.min(l - 1), x, k.min(r - 1)]] += weight(k, x)));
            a
        };
        let psi = Mps::new((0..6).map(tensor).collect(), 0.0).unwrap();
        let log_w = Array3::from_shape_fn((1, 6, 2), |(_, j, a)| if (j < 3) == (a == 1) { strength } else { 0.0 });
        check_disagreement(&psi, &log_w, &format!("sectors {strength}"));
    }
}

fn check_disagreement(psi: &Mps, log_w: &Array3<f64>, name: &str) {
    let square: Vec<f64> = table(psi).iter().map(|v| v * v).collect();
    let absolute: Vec<_> = psi.tensors().iter().map(|a| a.mapv(f64::abs)).collect();
    let terms = table(&Mps::new(absolute, psi.log_scale()).unwrap());
    let condition: Vec<f64> = square.iter().zip(&terms).map(|(p, t)| t * t / p).collect();
    check_under_weights(&BornMps::new(psi).unwrap(), &square, &condition, log_w, name);
}

/// Evidence, scores, draws and cavities of the law proportional to `square` under weights `e^{log_w}` of one
/// row.
pub fn check_under_weights(model: &BornMps, square: &[f64], condition: &[f64], log_w: &Array3<f64>, name: &str) {
    let dims = model.dims();
    let x = all_configs(dims);
    let log_p = |i: usize| square[i].ln() - model.log_z();
    let tilt = |i: usize| -> f64 { x.row(i).iter().enumerate().map(|(j, &a)| log_w[[0, j, a.into()]]).sum() };
    let log: Vec<f64> = (0..x.nrows()).map(|i| log_p(i) + tilt(i)).collect();
    let max = log.iter().copied().fold(f64::MIN, f64::max);
    let evidence = max + log.iter().map(|v| (v - max).exp()).sum::<f64>().ln();
    // What the amplitudes that count are rounded by.
    let worst = (0..log.len()).filter(|&i| log[i] > max - 30.0).map(|i| condition[i]).fold(1.0, f64::max);

    let w = log_w.mapv(f64::exp);
    let rows = w.broadcast((x.nrows(), dims.len(), w.dim().2)).unwrap();
    let found = model.log_evidence(&SiteWeights::PerRow(w.view())).unwrap()[0];
    assert!((found - evidence).abs() < 1e-11 * worst, "{name}: evidence {found} against {evidence}");
    let scores = model.log_prob_given(x.view(), &SiteWeights::PerRow(rows)).unwrap();
    for (i, &score) in scores.iter().enumerate() {
        let error = (score - (log[i] - evidence)).abs();
        assert!(error < 1e-11 * (worst + condition[i]), "{name}: score {score} against {}", log[i] - evidence);
    }
    let draws = model.sample(&SiteWeights::PerRow(rows), x.nrows(), &Streams::new(7)).unwrap();
    // No more than 729 draws: one of probability e^−40 is never seen.
    assert!(draws.log_prob.iter().all(|&log| log > -40.0), "{name}: {}", draws.log_prob);
    assert_eq!(model.log_prob_given(draws.x.view(), &SiteWeights::PerRow(rows)).unwrap(), draws.log_prob);
    let cavities = model.cavities(&SiteWeights::PerRow(w.view())).unwrap();
    for (j, &d) in dims.iter().enumerate() {
        let own = |i: usize| log_w[[0, j, x[[i, j]].into()]];
        let top = (0..log.len()).map(|i| log[i] - own(i)).fold(f64::MIN, f64::max);
        let mut exact = vec![0.0; d];
        (0..log.len()).for_each(|i| exact[usize::from(x[[i, j]])] += (log[i] - own(i) - top).exp());
        let sum: f64 = exact.iter().sum();
        for (a, e) in exact.iter().enumerate() {
            assert!((cavities[[0, j, a]] - e / sum).abs() < 1e-10 * worst, "{name}: cavity of site {j}");
        }
    }
}
