//! Steps towards a known law by enumeration, the bridge, options that are refused.

use std::ops::ControlFlow;

use ndarray::{Array1, Array2, Axis, array, concatenate};
use tensorjump::lattice::{Couplings, Fredkin, Geometry, Ising, SpinSweep, Square};
use tensorjump::learn::{
    Gradient, Interrupt, LoopOptions, LoopRound, Stage, Stop, Symmetry, TangentStep, Toward, TowardsStep,
};
use tensorjump::mcmc::{Assessment, bridge};
use tensorjump::model::BornMps;
use tensorjump::tn::{Mps, Truncation};
use tensorjump::{Error, Model, Streams};

use super::common::all_configs;
use super::common::random::random_law;
use super::laws::stream;

/// `√p` as a matrix product.
fn root(dims: &[usize], p: &[f64]) -> Mps {
    let root: Array1<f64> = p.iter().map(|p| p.sqrt()).collect();
    Mps::from_dense(root.view(), dims, &Truncation::default()).unwrap().0
}

fn kl(p: &[f64], model: &BornMps, x: &Array2<u8>) -> f64 {
    let q = model.log_prob(x.view()).unwrap();
    p.iter().zip(&q).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p.ln() - q)).sum()
}

/// Draws in which every configuration occurs exactly as often as it should: the estimate is then the gradient
/// itself.
#[test]
fn the_gradient_towards_a_log_weight_is_that_of_the_divergence() {
    let dims = [2, 3, 2];
    let counts = [1usize, 4, 2, 3, 1, 5, 2, 2, 6, 1, 3, 2];
    let total = counts.iter().sum::<usize>() as f64;
    let p: Vec<f64> = counts.iter().map(|&k| k as f64 / total).collect();
    let target = random_law(&dims, 5).p().to_vec();
    let all = all_configs(&dims);
    let rows: Vec<usize> = (0..12).flat_map(|i| vec![i; counts[i]]).collect();
    let log_w: Array1<f64> = rows.iter().map(|&i| 0.7 + target[i].ln() - p[i].ln()).collect();
    let psi = root(&dims, &p);
    let found = Gradient::born_kl(&psi, all.select(Axis(0), &rows).view(), log_w.view()).unwrap();
    // Central differences with h = 1e-4 are good to h² f'''/6 ≈ 1e-8 of derivatives of order one.
    let h = 1e-4;
    let mut tensors = psi.tensors().to_vec();
    for j in 0..dims.len() {
        for (index, v) in psi.tensors()[j].clone().indexed_iter() {
            let mut at = |t: f64| {
                tensors[j][index] = v + t;
                kl(&target, &BornMps::new(&Mps::new(tensors.clone(), 0.0).unwrap()).unwrap(), &all)
            };
            let expected = (at(h) - at(-h)) / (2.0 * h);
            tensors[j][index] = *v;
            let got = found.tensors[j][index];
            assert!((got - expected).abs() < 1e-6, "site {j}, {index:?}: {got} against {expected}");
        }
    }
}

/// Uniform samples, every configuration once: the sums are exact, so sweeps end at the target, zeros of its
/// law included.
#[test]
fn sweeps_end_at_the_target() {
    let dims = [2, 3, 2, 2, 3];
    let mut p = random_law(&dims, 8).p().to_vec();
    p.iter_mut().step_by(5).for_each(|p| *p = 0.0);
    let sum: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= sum);
    let x = all_configs(&dims);
    let log_target: Array1<f64> = p.iter().map(|p| p.ln()).collect();
    let log_density = Array1::from_elem(p.len(), -(p.len() as f64).ln());
    for toward in [Toward::Overlap, Toward::Divergence] {
        let mut model = BornMps::new(&Mps::random_positive(&dims, 3, &mut stream("towards")).unwrap()).unwrap();
        let truncation = Truncation { max_bond: 64, cutoff: 0.0 };
        let step = TowardsStep { toward, rate: 1.0, truncation, significance: 0.0, ..TowardsStep::default() };
        for _ in 0..60 {
            model = step.apply(&model, x.view(), log_target.view(), log_density.view()).unwrap().0;
        }
        let left = kl(&p, &model, &x);
        assert!(left < 1e-8, "{toward:?}: KL {left}");
    }
}

#[test]
fn one_site_sweeps_keep_the_bonds() {
    let dims = [2; 6];
    let p = random_law(&dims, 3).p().to_vec();
    let x = all_configs(&dims);
    let log_target: Array1<f64> = p.iter().map(|p| p.ln()).collect();
    let log_density = Array1::from_elem(p.len(), -(p.len() as f64).ln());
    let start = BornMps::new(&Mps::random_positive(&dims, 3, &mut stream("one site")).unwrap()).unwrap();
    let step = TowardsStep { two_site: false, ..TowardsStep::default() };
    let mut model = start.clone();
    for _ in 0..10 {
        model = step.apply(&model, x.view(), log_target.view(), log_density.view()).unwrap().0;
    }
    assert_eq!(model.amplitude().bonds(), start.amplitude().bonds());
    assert!(kl(&p, &model, &x) < kl(&p, &start, &x));
}

/// Every configuration twice in a row: both halves of the samples are all of them, and sums are exact.
fn twice(dims: &[usize]) -> (Array2<u8>, Array1<f64>) {
    let all = all_configs(dims);
    let rows: Vec<usize> = (0..2 * all.nrows()).map(|i| i / 2).collect();
    (all.select(Axis(0), &rows), Array1::from_elem(rows.len(), -(all.nrows() as f64).ln()))
}

fn doubled(p: &[f64]) -> Array1<f64> {
    p.iter().flat_map(|p| [p.ln(); 2]).collect()
}

#[test]
fn steps_of_all_sites_end_at_the_target() {
    let dims = [2, 3, 2, 2, 3];
    let mut p = random_law(&dims, 8).p().to_vec();
    p.iter_mut().step_by(5).for_each(|p| *p = 0.0);
    let sum: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= sum);
    let (x, log_density) = twice(&dims);
    let step =
        TangentStep { truncation: Truncation { max_bond: 64, cutoff: 0.0 }, damping: 0.0, ..TangentStep::default() };
    let mut model = BornMps::new(&Mps::random_positive(&dims, 3, &mut stream("towards")).unwrap()).unwrap();
    for _ in 0..20 {
        let (next, report) = step.apply(&model, x.view(), doubled(&p).view(), log_density.view(), &[]).unwrap();
        assert!((report.signal - 1.0).abs() < 1e-9, "halves that agree: {report:?}");
        model = next;
    }
    let left = kl(&p, &model, &all_configs(&dims));
    assert!(left < 1e-10, "KL {left}");
}

/// `‖P r‖` for the projection `P` to the space spanned by the derivatives of `ψ/‖ψ‖` with respect to all
/// entries of its tensors, without `ψ`.
fn projected_norm(psi: &Mps, r: &Array1<f64>) -> f64 {
    let dense = |tensors: Vec<ndarray::Array3<f64>>| Mps::new(tensors, psi.log_scale()).unwrap().to_dense().unwrap();
    let mut basis = vec![psi.to_dense().unwrap()];
    for (j, a) in psi.tensors().iter().enumerate() {
        for index in 0..a.len() {
            // ψ is linear in each entry.
            let mut tensors = psi.tensors().to_vec();
            tensors[j].fill(0.0);
            tensors[j].as_slice_mut().unwrap()[index] = 1.0;
            basis.push(dense(tensors));
        }
    }
    // Gram and Schmidt, twice for orthogonality to rounding; directions that the others span are left out
    // (gauge).
    let mut orthonormal: Vec<Array1<f64>> = Vec::new();
    for v in basis {
        let (norm, mut v) = (v.dot(&v).sqrt(), v);
        for _ in 0..2 {
            orthonormal.iter().for_each(|q| {
                let along = q.dot(&v);
                v.scaled_add(-along, q);
            });
        }
        let left = v.dot(&v).sqrt();
        if left > 1e-8 * norm {
            orthonormal.push(v / left);
        }
    }
    orthonormal[1..].iter().map(|q| q.dot(r).powi(2)).sum::<f64>().sqrt()
}

/// The estimate from all configurations is the projection itself, with and without symmetries.
#[test]
fn a_step_of_all_sites_is_the_projection() {
    let dims = [2, 3, 3, 2];
    let maps = vec![vec![1, 0], vec![0, 2, 1], vec![0, 2, 1], vec![1, 0]];
    let flip = Symmetry::sites((0..4).collect()).unwrap().with_states(maps.clone()).unwrap();
    let reversal = Symmetry::sites(vec![3, 2, 1, 0]).unwrap();
    let turned = Symmetry::sites(vec![3, 2, 1, 0]).unwrap().with_states(maps).unwrap();
    let all = all_configs(&dims);
    let image = |v: &Array1<f64>, g: &Symmetry| -> Array1<f64> {
        let place = |x: ndarray::ArrayView1<'_, u8>| x.iter().zip(dims).fold(0, |k, (&a, d)| k * d + usize::from(a));
        g.apply(all.view(), &dims).unwrap().outer_iter().map(|x| v[place(x)]).collect()
    };
    let p = random_law(&dims, 4).p().to_vec();
    let root: Array1<f64> = p.iter().map(|p| p.sqrt()).collect();
    let (x, log_density) = twice(&dims);
    let step = TangentStep { damping: 0.0, ..TangentStep::default() };
    for group in [vec![], vec![flip.clone()], vec![reversal.clone()], vec![turned], vec![flip, reversal]] {
        // An amplitude with these symmetries and bonds below the largest.
        let mut v = Mps::random_real(&dims, 1, &mut stream("projection")).unwrap().to_dense().unwrap();
        group.iter().for_each(|g| v = &v + &image(&v, g));
        let psi = Mps::from_dense(v.view(), &dims, &Truncation::default()).unwrap().0;
        assert!(psi.bonds() != [2, 6, 2], "{:?}", psi.bonds());
        v /= v.dot(&v).sqrt();
        let mut r = &root - &v;
        group.iter().for_each(|g| r = (&r + &image(&r, g)) / 2.0);
        let model = BornMps::new(&psi).unwrap();
        let (_, report) = step.apply(&model, x.view(), doubled(&p).view(), log_density.view(), &group).unwrap();
        // The sign of ψ is that of its canonical form.
        let mut other = &root + &v;
        group.iter().for_each(|g| other = (&other + &image(&other, g)) / 2.0);
        let expected = [projected_norm(&psi, &r), projected_norm(&psi, &other)];
        assert!(expected.iter().any(|e| (e - report.norm).abs() < 1e-9), "{} against {expected:?}", report.norm);
    }
    let other = Symmetry::sites(vec![1, 0, 2, 3]).unwrap();
    let model = BornMps::new(&Mps::random_real(&[2; 4], 2, &mut stream("projection")).unwrap()).unwrap();
    let (x, log_density) = twice(&[2; 4]);
    let refused = step.apply(&model, x.view(), log_density.view(), log_density.view(), &[other]);
    assert!(matches!(refused, Err(Error::Parameter { name: "symmetry", .. })));
}

#[test]
fn the_bridge_solves_its_equation() {
    let draws = array![0.3, -1.2, f64::NEG_INFINITY, 0.9];
    let chains = array![1.1, 0.2, f64::INFINITY];
    let log_z = bridge(draws.view(), chains.view()).unwrap();
    let sum: f64 = concatenate![Axis(0), draws, chains].iter().map(|w| 1.0 / (3.0 + 4.0 * (log_z - w).exp())).sum();
    assert!((sum - 1.0).abs() < 1e-6, "{sum}"); // bisection stops at 1e-7 in log Z
    // A model that is the target, and draws alone.
    let same = Array1::from_elem(5, 2.5);
    assert!((bridge(same.view(), same.view()).unwrap() - 2.5).abs() < 1e-6);
    let none = Array1::zeros(0);
    let mean = ((0.3f64.exp() + (-1.2f64).exp() + 0.9f64.exp()) / 4.0).ln();
    assert!((bridge(draws.view(), none.view()).unwrap() - mean).abs() < 1e-6);
    // Draws that miss the target altogether.
    let missed = Array1::from_elem(2, f64::NEG_INFINITY);
    assert_eq!(bridge(missed.view(), array![1.0, 2.0].view()).unwrap(), 1.5);
    assert!(matches!(bridge(missed.view(), none.view()), Err(Error::ZeroWeight { .. })));
    assert!(matches!(bridge(array![f64::NAN].view(), none.view()), Err(Error::LogWeight { row: 0, .. })));
}

#[test]
fn a_model_that_is_the_target_is_assessed_as_such() {
    let dims = [2, 3, 2];
    let model = BornMps::new(&root(&dims, random_law(&dims, 1).p())).unwrap();
    let found = Assessment::of(&model, &model, 1000, &Streams::new(1)).unwrap();
    assert!((found.acceptance.mean - 1.0).abs() < 1e-12 && (found.ess_fraction - 1.0).abs() < 1e-12);
    assert!(found.kl().abs() < 1e-12 && found.outside == 0.0);
    let nothing = Assessment::from_weights(Array1::from_elem(4, f64::NEG_INFINITY).view()).unwrap();
    assert_eq!((nothing.acceptance.mean, nothing.outside), (0.0, 1.0));
    let other = Fredkin::new(4, 0.5).unwrap();
    assert!(matches!(Assessment::of(&other, &model, 10, &Streams::new(1)), Err(Error::SiteCount { .. })));
}

fn ising() -> Ising {
    let square = Square::new(3, 4, Geometry::Cylinder).unwrap();
    Ising::new(Couplings::uniform(square, 1.0).unwrap(), 0.35).unwrap()
}

#[test]
fn the_same_seed_learns_the_same_model() {
    let ising = ising();
    let sweep = SpinSweep::heat_bath(&ising).unwrap();
    let stage =
        Stage { target: &ising, local: &sweep, max_bond: 6, rounds: 3, polish: 0, rate: 0.3, enough: (1.1, 1.1) };
    let options =
        LoopOptions { draws: 1500, chains: 128, order: Some(ising.lattice().snake()), ..LoopOptions::default() };
    let learn = || options.learn(&[stage]).unwrap();
    let (one, two) = (learn(), learn());
    assert_eq!(one.model.inner().amplitude(), two.model.inner().amplitude());
    assert_eq!(one.rounds.len(), 4);
    assert_eq!(one.rounds[0].chains.parts.len(), 2);
    // Stopping when asked.
    let asked = options.learn_with_progress(&[stage], |_| ControlFlow::Break(())).unwrap();
    assert_eq!(asked.rounds.len(), 1);
    // And in the middle of the second round: the model of the first.
    let interrupt = Interrupt::default();
    let cut = LoopOptions { interrupt: Some(interrupt.clone()), ..options };
    let progress = |_: &LoopRound| {
        interrupt.ask();
        ControlFlow::Continue(())
    };
    let interrupted = cut.learn_with_progress(&[stage], progress).unwrap();
    assert_eq!((interrupted.rounds.len(), interrupted.stopped), (1, Stop::Asked));
    assert_eq!(interrupted.model.inner().amplitude(), asked.model.inner().amplitude());
    assert_eq!(cut.learn(&[stage]).unwrap_err(), Error::Interrupted);
}

#[test]
fn bad_options_are_refused() {
    let ising = ising();
    let sweep = SpinSweep::heat_bath(&ising).unwrap();
    let good =
        Stage { target: &ising, local: &sweep, max_bond: 6, rounds: 1, polish: 0, rate: 0.3, enough: (0.9, 0.9) };
    let options = LoopOptions { draws: 200, chains: 16, ..LoopOptions::default() };
    let refused = |stages: &[Stage<'_>], options: &LoopOptions| options.learn(stages).unwrap_err();
    assert!(matches!(refused(&[], &options), Error::Parameter { name: "stages", .. }));
    let bad = [
        (Stage { rate: f64::NAN, ..good }, options.clone(), "rate"),
        (Stage { max_bond: 0, ..good }, options.clone(), "max_bond"),
        (good, LoopOptions { draws: 1, ..options.clone() }, "draws"),
        (good, LoopOptions { chains: 0, ..options.clone() }, "chains"),
        (good, LoopOptions { slowing: 0.0, ..options.clone() }, "slowing"),
        (good, LoopOptions { significance: f64::INFINITY, ..options.clone() }, "significance"),
        (good, LoopOptions { keep: 0.0, ..options.clone() }, "keep"),
        (good, LoopOptions { order: Some(vec![0; 12]), ..options.clone() }, "site permutation"),
    ];
    for (stage, options, field) in bad {
        let error = refused(&[stage], &options);
        assert!(matches!(error, Error::Parameter { name, .. } if name == field), "{field}: {error}");
    }
    let short = LoopOptions { order: Some(vec![1, 0]), ..options.clone() };
    assert!(matches!(refused(&[good], &short), Error::SiteCount { .. }));
    let fredkin = Fredkin::new(8, 0.5).unwrap();
    let other = Stage { target: &fredkin, ..good };
    assert!(matches!(refused(&[good, other], &options), Error::SiteCount { .. }));
}
