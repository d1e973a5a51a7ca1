//! Labels and guidance against enumeration.

use ndarray::{Array1, Array2, ArrayView1, array, s};
use rand::RngExt;
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::{Classified, Denoiser, ExactDenoiser, Guided, Scheme};
use tensorjump::model::{BornMps, Boundary, KernelMixture, LabelLeg, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Error, ExactModel, SiteWeights, Streams, Target};

use super::common::all_configs;
use super::common::guidance::push;
use super::common::random::random_rates;
use super::constraints::{conditioned, probabilities};
use super::laws::stream;
use super::models::{check_against_table, check_bits};

const SCHEMES: [Scheme; 2] = [Scheme::ClassifierFree, Scheme::ClassifierBased];

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
