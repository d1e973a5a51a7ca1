//! Every diffusion law against enumeration.

use ndarray::{Array1, Array3, ArrayView1, array, s};
use tensorjump::dense::{DenseLaw, kernel_matrix};
use tensorjump::diffusion::{Bridge, Denoise, Denoiser, ExactDiffusion, Face, GivenDenoiser, Scores};
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::noise::{Kernel, Noise, Rates, Schedule};
use tensorjump::tn::Mps;
use tensorjump::{Configs, Error, Model, Streams};

use crate::common::ddm::{NAMES, load_ddm};
use crate::common::random::{random_law, random_rates};
use crate::common::{all_configs, index_of};
use crate::diffusion_checks::{TOLERANCE, assert_close, check_diffusion, check_reference, contract, repeat};
use crate::laws::{stream, table};

#[test]
fn reference_files() {
    for name in NAMES {
        let case = load_ddm(name);
        // The tensors give P_0: the file is read in the right order.
        for (x, p) in all_configs(&case.dims).outer_iter().zip(&case.p_0) {
            let value = contract(&case.tensors, x);
            let weight = if case.born { value * value } else { value };
            assert_close(weight / case.z, *p, 1e-14, "P_0");
        }
        check_reference(&DenseLaw::new(&case.dims, &case.p_0).unwrap(), &case, &|_| 1.0);
    }
}

#[test]
#[should_panic(expected = "P_s")]
fn reference_files_reject_transposed_rates() {
    let mut case = load_ddm("linear_d3");
    for q in &mut case.rates {
        let mut twin = q.t().as_standard_layout().into_owned();
        for a in 0..twin.nrows() {
            twin[[a, a]] = 0.0;
            twin[[a, a]] = -twin.row(a).sum();
        }
        *q = twin;
    }
    check_reference(&DenseLaw::new(&case.dims, &case.p_0).unwrap(), &case, &|_| 1.0);
}

/// The condition of each noised Born probability, `Σ|terms| / |Σ terms|` of the sum `Σ_x ψ(x)² K(x, y)` whose
/// terms are products of tensor entries: the sum of magnitudes is that of the train with the signs left out.
/// For no noise it is the square of the same ratio of `ψ(y)`.
fn born_condition(psi: &Mps, kernel: &Kernel) -> impl Fn(&[u8]) -> f64 + use<> {
    let absolute: Vec<_> = psi.tensors().iter().map(|a| a.mapv(f64::abs)).collect();
    let absolute = Mps::new(absolute, psi.log_scale()).unwrap();
    let noised = |v: &Mps| {
        let law = DenseLaw::new(v.dims(), &table(v).iter().map(|v| v * v).collect::<Vec<_>>()).unwrap();
        let scale = law.log_z().exp();
        law.noised(kernel).unwrap().p().iter().map(|p| p * scale).collect::<Vec<f64>>()
    };
    let (terms, sums, dims) = (noised(&absolute), noised(psi), kernel.dims_out().to_vec());
    move |y| terms[index_of(y, &dims)] / sums[index_of(y, &dims)]
}

/// Dimensions, bond and seed.
fn networks() -> Vec<(Vec<usize>, usize, u64)> {
    vec![(vec![2; 5], 4, 41), (vec![3; 3], 3, 42), (vec![4; 3], 5, 43), (vec![2, 4, 3], 3, 44)]
}

#[test]
fn positive_laws_against_enumeration() {
    let schedule = Schedule::linear(0.3, 1.7, 1.0).unwrap();
    for (dims, bond, seed) in networks() {
        let mps = Mps::random_positive(&dims, bond, &mut stream(&format!("diffusion {seed}"))).unwrap();
        let (model, truth) = (PositiveMps::new(&mps).unwrap(), DenseLaw::new(&dims, &table(&mps)).unwrap());
        let general = Noise::new(Rates::new(random_rates(&dims, seed)).unwrap(), schedule.clone());
        let mask = Noise::new(Rates::mask(&dims, 0.9).unwrap().on_sites(&[0, 2]).unwrap(), schedule.clone());
        for noise in [&general, &mask] {
            for times in [(0.0, 0.6), (0.2, 0.6)] {
                check_diffusion(&model, &truth, noise, times, &|_| 1.0);
            }
            // The noised law is a positive law of the same bonds.
            let kernel = noise.kernel(0.0, 0.6).unwrap();
            let noised = PositiveMps::new(&kernel.noised_law(model.as_mps()).unwrap()).unwrap();
            assert_eq!(noised.as_mps().bonds(), mps.bonds());
            assert!(noised.log_z().abs() < 1e-14);
            let all = all_configs(kernel.dims_out());
            let got = noised.log_prob(all.view()).unwrap();
            let law = truth.noised(&kernel).unwrap();
            got.iter().zip(law.p()).for_each(|(g, p)| assert_close(g.exp(), *p, TOLERANCE, "noised train"));
        }
    }
}

#[test]
fn born_laws_against_enumeration() {
    let schedule = Schedule::linear(0.3, 1.7, 1.0).unwrap();
    for (dims, bond, seed) in networks() {
        let psi = Mps::random_real(&dims, bond, &mut stream(&format!("diffusion {seed}"))).unwrap();
        let square: Vec<f64> = table(&psi).iter().map(|v| v * v).collect();
        let (model, truth) = (BornMps::new(&psi).unwrap(), DenseLaw::new(&dims, &square).unwrap());
        let general = Noise::new(Rates::new(random_rates(&dims, seed)).unwrap(), schedule.clone());
        let mask = Noise::new(Rates::mask(&dims, 0.9).unwrap().on_sites(&[0, 2]).unwrap(), schedule.clone());
        for noise in [&general, &mask] {
            let condition = born_condition(&psi, &noise.kernel(0.0, 0.6).unwrap());
            for times in [(0.0, 0.6), (0.2, 0.6)] {
                check_diffusion(&model, &truth, noise, times, &condition);
            }
        }
    }
}

#[test]
fn networks_of_the_reference_files() {
    for name in NAMES {
        let case = load_ddm(name);
        let mps = Mps::new(case.tensors.clone(), 0.0).unwrap();
        let log_z = if case.born {
            let model = BornMps::new(&mps).unwrap();
            let condition = born_condition(&mps, &case.noise().kernel(0.0, case.t).unwrap());
            check_reference(&model, &case, &condition);
            model.log_z()
        } else {
            let model = PositiveMps::new(&mps).unwrap();
            check_reference(&model, &case, &|_| 1.0);
            model.log_z()
        };
        assert_close(log_z, case.z.ln(), TOLERANCE, "log Z");
    }
}

/// Single precision: draws state their own law, which is normalised, and close to the exact one.
#[test]
fn denoising_in_single_precision() {
    for (dims, bond, seed) in networks() {
        let double = PositiveMps::random(&dims, bond, &mut stream(&format!("single {seed}"))).unwrap();
        let single = double.single_precision();
        let noise = Noise::new(Rates::new(random_rates(&dims, seed)).unwrap(), Schedule::default());
        let kernel = noise.kernel(0.0, 0.4).unwrap();
        let y = kernel.sample(double.draw(300, &Streams::new(7)).unwrap().x.view(), &Streams::new(7)).unwrap();
        let draws = single.denoise(&kernel, y.view(), &Streams::new(8)).unwrap();
        assert_eq!(draws.log_prob, single.denoise_log_prob(&kernel, draws.x.view(), y.view()).unwrap());
        let x = all_configs(&dims);
        for y in y.outer_iter().take(5) {
            let y = repeat(y, x.nrows());
            let p = double.denoise_log_prob(&kernel, x.view(), y.view()).unwrap();
            let q = single.denoise_log_prob(&kernel, x.view(), y.view()).unwrap();
            assert_close(q.mapv(f64::exp).sum(), 1.0, 1e-13, "total");
            // About bond × sites roundings of 6e-8, hundredfold where one minus the guess was used.
            p.iter().zip(&q).for_each(|(p, q)| assert_close(*q, *p, 1e-3, "single precision"));
            assert!(p != q);
        }
    }
}

#[test]
fn masks_and_regions_against_enumeration() {
    let dims = [2, 3, 2];
    let law = random_law(&dims, 5);
    let mask = Rates::mask(&dims, 0.9).unwrap().scaled(&[0.5, 1.0, 1.7]).unwrap();
    let region = mask.on_sites(&[0, 1]).unwrap();
    for rates in [mask, region] {
        let noise = Noise::new(rates, Schedule::default());
        for times in [(0.0, 0.8), (0.3, 0.8)] {
            check_diffusion(&law, &law, &noise, times, &|_| 1.0);
        }
    }
}

/// A law with forbidden configurations: zeros stay zeros.
#[test]
fn laws_with_zeros() {
    let dims = [2, 3, 2];
    let weights: Vec<f64> = (0..12).map(|i| if i % 3 == 1 { 0.0 } else { 1.0 + i as f64 }).collect();
    let law = DenseLaw::new(&dims, &weights).unwrap();
    let noise = Noise::new(Rates::new(random_rates(&dims, 6)).unwrap(), Schedule::default());
    check_diffusion(&law, &law, &noise, (0.1, 0.5), &|_| 1.0);
    let kernel = noise.kernel(0.0, 0.5).unwrap();
    let (x, y) = (array![[0u8, 1, 0]], array![[1u8, 2, 1]]);
    assert_eq!(weights[index_of(x.row(0), &dims)].min(1.0), 1.0);
    let forbidden = array![[0u8, 0, 1]];
    assert_eq!(weights[index_of(forbidden.row(0), &dims)], 0.0);
    assert_eq!(law.denoise_log_prob(&kernel, forbidden.view(), y.view()).unwrap()[0], f64::NEG_INFINITY);
}

#[test]
fn conversions_and_their_inverses() {
    let dims = [2, 3, 4];
    let law = random_law(&dims, 9);
    let noise = Noise::new(Rates::new(random_rates(&dims, 9)).unwrap(), Schedule::default());
    let kernel = noise.kernel(0.0, 0.3).unwrap();
    let y = all_configs(&dims);
    let direct = law.scores(&kernel, y.view()).unwrap();
    let same = |scores: Scores<'_>, tolerance: f64| {
        let difference = &scores.cavities() - &direct.cavities();
        difference.iter().for_each(|v| assert_close(*v, 0.0, tolerance, "cavity"));
    };
    let marginals = direct.denoiser_marginals().unwrap();
    same(Scores::from_denoiser_marginals(&kernel, y.view(), marginals.view()).unwrap(), 1e-14);
    // The condition number of the site kernels is below e^{0.3·4} ≈ 3.3.
    let conditionals = direct.conditional_marginals().unwrap();
    same(Scores::from_conditional_marginals(&kernel, y.view(), conditionals.view()).unwrap(), 1e-14);
    let ratios = direct.score_ratios().unwrap();
    same(Scores::from_conditional_marginals(&kernel, y.view(), ratios.view()).unwrap(), 1e-14);
    let given = GivenDenoiser::new(noise.clone(), Face::ScoreRatios, |_, _| Ok(ratios.clone()));
    let back = given.conditional_marginals(0.3, y.view()).unwrap();
    back.iter().zip(&conditionals).for_each(|(a, b)| assert_close(*a, *b, 1e-15, "conditional marginal"));
    // The trap: leaving out the kernel factor mixes up two different laws.
    let largest = (&marginals - &direct.cavities()).iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert!(largest > 0.1, "cavity and denoiser differ by {largest} only");
}

#[test]
fn cavity_is_denoiser_at_masked_sites_only() {
    let dims = [2, 3, 2];
    let law = random_law(&dims, 10);
    let kernel = Noise::new(Rates::mask(&dims, 0.9).unwrap(), Schedule::default()).kernel(0.0, 0.5).unwrap();
    let y = array![[2u8, 1, 2]];
    let scores = law.scores(&kernel, y.view()).unwrap();
    let marginals = scores.denoiser_marginals().unwrap();
    for j in [0, 2] {
        (0..2).for_each(|a| assert_close(marginals[[0, j, a]], scores.cavities()[[0, j, a]], 1e-15, "masked site"));
    }
    assert_eq!(marginals.slice(s![0, 1, ..]), array![0.0, 1.0, 0.0]);
    assert!(scores.cavities()[[0, 1, 1]] < 0.9);
    // The observed site does not determine its cavity from the denoiser, which stays as certain as it was;
    // the conditional marginals do, through a rectangular kernel.
    let back = Scores::from_denoiser_marginals(&kernel, y.view(), marginals.view()).unwrap();
    back.cavities().iter().zip(&marginals).for_each(|(a, b)| assert_close(*a, *b, 1e-15, "denoiser under masks"));
    let conditionals = scores.conditional_marginals().unwrap();
    let back = Scores::from_conditional_marginals(&kernel, y.view(), conditionals.view()).unwrap();
    back.cavities().iter().zip(scores.cavities()).for_each(|(a, b)| assert_close(*a, *b, 1e-14, "cavity"));
}

#[test]
fn noised_tensor_trains() {
    for name in ["linear_N8", "linear_d3"] {
        let case = load_ddm(name);
        let law = Mps::new(case.tensors.clone(), -case.z.ln()).unwrap();
        let noised = case.noise().kernel(0.0, case.t).unwrap().noised_law(&law).unwrap();
        assert_eq!(noised.bonds(), law.bonds());
        for (x, p) in all_configs(&case.dims).outer_iter().zip(&case.p_t) {
            assert_close(contract(noised.tensors(), x) * noised.log_scale().exp(), *p, TOLERANCE, "P_t");
        }
    }
    // Rectangular, with dimensions that differ from site to site.
    let law = Mps::new(
        vec![
            Array3::from_shape_fn((1, 2, 2), |(_, a, r)| 1.0 + a as f64 - 0.3 * r as f64),
            Array3::from_shape_fn((2, 3, 1), |(l, a, _)| 0.5 + (l * 3 + a) as f64),
        ],
        0.7,
    )
    .unwrap();
    let kernel = Noise::new(Rates::mask(&[2, 3], 0.9).unwrap(), Schedule::default()).kernel(0.0, 0.5).unwrap();
    let noised = kernel.noised_law(&law).unwrap();
    assert_eq!((noised.dims(), noised.log_scale()), (kernel.dims_out(), 0.7));
    let matrix = kernel_matrix(&kernel).unwrap();
    let clean: Array1<f64> = all_configs(&[2, 3]).outer_iter().map(|x| contract(law.tensors(), x)).collect();
    for (y, p) in all_configs(&[3, 4]).outer_iter().zip(clean.dot(&matrix)) {
        assert_close(contract(noised.tensors(), y), p, 1e-13, "masked train");
    }
}

#[test]
fn bridges_and_trajectories() {
    let dims = [2, 3, 2];
    let law = random_law(&dims, 11);
    let noise = Noise::new(Rates::mask(&dims, 0.9).unwrap(), Schedule::linear(0.2, 2.0, 1.0).unwrap());
    let bridge = Bridge::of(&noise, 0.3, 0.9).unwrap();
    assert_eq!(Bridge::new(bridge.to_s().clone(), bridge.s_to_t().clone()).unwrap().s_to_t(), bridge.s_to_t());
    // Normalised for every pair of ends that is possible.
    let middle = all_configs(&[3, 4, 3]);
    for (x_0, y) in [([0u8, 1, 1], [2u8, 1, 2]), ([1, 2, 0], [2, 3, 2])] {
        let (x_0, y) = (repeat(ArrayView1::from(&x_0), 36), repeat(ArrayView1::from(&y), 36));
        let total: f64 = bridge.log_prob(x_0.view(), y.view(), middle.view()).unwrap().mapv(f64::exp).sum();
        assert_close(total, 1.0, 1e-14, "bridge");
    }
    let (x_0, y) = (array![[0u8, 1, 1]], array![[1u8, 3, 2]]);
    let impossible = bridge.sample(x_0.view(), y.view(), &Streams::new(1));
    assert!(matches!(impossible, Err(Error::ZeroEvidence { row: 0 })));

    let y = array![[2u8, 3, 0], [2, 3, 2], [1, 3, 2]];
    let times = [0.9, 0.5, 0.2, 0.0];
    let path = law.denoise_through(&noise, &times, y.view(), &Streams::new(4)).unwrap();
    assert_eq!((path.times.as_slice(), path.states.len()), (times.as_slice(), 4));
    // The score of a path is the product of its steps.
    let mut score = Array1::<f64>::zeros(3);
    for k in 0..3 {
        let step = Bridge::of(&noise, times[k + 1], times[k]).unwrap();
        score += &law.denoise_to_log_prob(&step, path.states[k + 1].view(), path.states[k].view()).unwrap();
    }
    score.iter().zip(&path.log_prob).for_each(|(a, b)| assert_close(*a, *b, 1e-13, "path"));
    assert!(path.states[3].iter().zip(dims.iter().cycle()).all(|(&a, &d)| usize::from(a) < d));
}

#[test]
fn bad_input() {
    let law = random_law(&[2, 3], 1);
    let noise = Noise::new(Rates::new(random_rates(&[2, 3], 1)).unwrap(), Schedule::default());
    let kernel = noise.kernel(0.0, 0.5).unwrap();
    let streams = Streams::new(1);
    let y = array![[0u8, 2]];
    let wrong = Kernel::identity(&[2, 2]).unwrap();
    let dimension = Error::LocalDimension { site: 1, expected: 3, got: 2 };
    assert_eq!(law.denoise(&wrong, array![[0u8, 1]].view(), &streams).unwrap_err(), dimension);
    assert_eq!(law.noised_log_prob(&wrong, array![[0u8, 1]].view()).unwrap_err(), dimension);
    assert_eq!(law.scores(&wrong, array![[0u8, 1]].view()).unwrap_err(), dimension);
    assert_eq!(law.noised(&wrong).unwrap_err(), dimension);
    let short = Kernel::identity(&[2]).unwrap();
    assert_eq!(law.denoise(&short, y.view(), &streams).unwrap_err(), Error::SiteCount { expected: 2, got: 1 });
    let out = law.denoise(&kernel, array![[0u8, 3]].view(), &streams);
    assert_eq!(out.unwrap_err(), Error::StateOutOfRange { row: 0, site: 1, state: 3, dim: 3 });
    // A configuration that the law cannot have produced, in the second row.
    let point = DenseLaw::new(&[2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]).unwrap();
    let identity = Kernel::identity(&[2, 3]).unwrap();
    let rows = array![[0u8, 1], [1, 1]];
    let out = point.denoise(&identity, rows.view(), &streams);
    assert_eq!(out.unwrap_err(), Error::ZeroEvidence { row: 1 });
    assert_eq!(point.noised_log_prob(&identity, rows.view()).unwrap()[1], f64::NEG_INFINITY);
    let bridge = Bridge::new(identity.clone(), identity.clone()).unwrap();
    let out = point.denoise_to_log_prob(&bridge, rows.view(), rows.view());
    assert_eq!(out.unwrap_err(), Error::ZeroEvidence { row: 1 });

    let through = |times: &[f64]| law.denoise_through(&noise, times, y.view(), &streams).map(|_| ());
    assert!(matches!(through(&[0.5]), Err(Error::Parameter { name: "number of times", .. })));
    assert!(matches!(through(&[0.5, 0.7]), Err(Error::TimeOrder { s: 0.7, t: 0.5 })));
    assert!(matches!(through(&[0.5, f64::NAN]), Err(Error::Parameter { name: "s", .. })));
    assert!(matches!(through(&[0.5, 0.5]), Err(Error::TimeOrder { s: 0.5, t: 0.5 })));
    assert!(matches!(through(&[0.5, -0.1]), Err(Error::Parameter { name: "s", .. })));

    let shape = Scores::from_cavities(&kernel, y.view(), Array3::zeros((1, 2, 2)));
    assert!(matches!(shape, Err(Error::Shape { field: "cavities", .. })));
    let nan = Scores::from_cavities(&kernel, y.view(), Array3::from_elem((1, 2, 3), f64::NAN));
    assert!(matches!(nan, Err(Error::NotFinite { field: "cavities", site: 0, .. })));
    let negative = Scores::from_cavities(&kernel, y.view(), array![[[0.5, 0.5, 0.0], [1.2, 0.3, -0.5]]]);
    assert!(matches!(negative, Err(Error::Negative { field: "cavities", site: 1, value: -0.5 })));
    let empty = Scores::from_cavities(&kernel, y.view(), array![[[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]]);
    assert!(matches!(empty, Err(Error::ZeroEvidence { row: 0 })));
    let large = Scores::from_cavities(&kernel, y.view(), array![[[3.0, 1.0, 0.0], [1e308, 1e308, 2e307]]]).unwrap();
    let expected = [0.75, 0.25, 0.0, 5.0 / 11.0, 5.0 / 11.0, 1.0 / 11.0];
    large.cavities().iter().zip(expected).for_each(|(a, b)| assert_close(*a, b, 1e-15, "cavity"));
    let ratios = array![[[1e308, 1e308, 0.0], [1e308, 1e308, 2e307]]];
    let given = GivenDenoiser::new(noise.clone(), Face::ScoreRatios, |_, _| Ok(ratios.clone()));
    let marginals = given.conditional_marginals(0.5, y.view()).unwrap();
    let expected = [0.5, 0.5, 0.0, 5.0 / 11.0, 5.0 / 11.0, 1.0 / 11.0];
    marginals.iter().zip(expected).for_each(|(a, b)| assert_close(*a, b, 1e-15, "conditional marginal"));
    let rates = |value| {
        let ratios = |_: f64, _: Configs<'_>| Ok(Array3::from_elem((1, 2, 3), value));
        GivenDenoiser::new(noise.clone(), Face::ScoreRatios, ratios).reverse_rates(0.5, y.view())
    };
    assert!(rates(1.0).is_ok());
    assert!(matches!(rates(f64::NAN), Err(Error::NotFinite { field: "score ratios", site: 0, .. })));
    assert!(matches!(rates(-1.0), Err(Error::Negative { field: "conditional marginals", site: 0, value: -1.0 })));
    // At infinite time the conditional marginals have forgotten the cavities.
    let forgotten = noise.kernel(0.0, f64::INFINITY).unwrap();
    let marginals = law.scores(&forgotten, y.view()).unwrap().conditional_marginals().unwrap();
    let out = Scores::from_conditional_marginals(&forgotten, y.view(), marginals.view());
    assert!(matches!(out, Err(Error::NotInvertible { what: "kernel", site: 0 })));
}
