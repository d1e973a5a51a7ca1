//! `FredkinModel` against enumeration: plain, tilted in every form, truncated.

use ndarray::{Array1, Array2, Array3, ArrayView1, Axis};
use rand::RngExt;
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::{Error, ExactModel, Model, SiteWeights, Streams, Target};

use super::super::common::all_configs;

/// Exact models of a few sizes, and truncated ones.
fn models() -> Vec<FredkinModel> {
    let mut models = Vec::new();
    for (sites, c) in [(2, 0.4), (4, 0.3), (6, 0.71), (8, 0.5), (10, 0.62)] {
        let chain = Fredkin::new(sites, c).unwrap();
        models.push(FredkinModel::new(&chain).unwrap());
        models.extend([1, 2].map(|chi| FredkinModel::truncated(&chain, chi).unwrap()));
    }
    models
}

/// The law by its definition: `q^k` on Dyck paths, restricted to paths through the `chi` likeliest heights of
/// each bond.
fn law(model: &FredkinModel, chi: usize) -> Array1<f64> {
    let chain = model.chain();
    let x = all_configs(chain.dims());
    let heights = chain.heights(x.view()).unwrap();
    let q = chain.c() / (1.0 - chain.c());
    let weight = |h: ArrayView1<'_, i32>| {
        let dyck = h.iter().all(|&h| h >= 0) && h[h.len() - 1] == 0;
        if dyck { q.powi((h.sum() - h.len() as i32 / 2) / 2) } else { 0.0 }
    };
    let mut p: Array1<f64> = heights.outer_iter().map(weight).collect();
    p /= p.sum();
    let full = p.clone();
    for j in 0..chain.sites() {
        let mut mass = std::collections::BTreeMap::new();
        heights.column(j).iter().zip(&full).for_each(|(&h, p)| *mass.entry(h).or_insert(0.0) += p);
        let mut order: Vec<_> = mass.into_iter().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        let kept: Vec<i32> = order.iter().take(chi).map(|&(h, _)| h).collect();
        heights.column(j).iter().zip(&mut p).for_each(|(h, p)| *p *= f64::from(u8::from(kept.contains(h))));
    }
    let total = p.sum();
    p / total
}

fn chi_of(model: &FredkinModel) -> usize {
    if model.missing_mass() == 0.0 && !model.bonds().is_empty() {
        usize::MAX
    } else {
        model.bonds().into_iter().max().unwrap()
    }
}

fn assert_probabilities(log_p: &Array1<f64>, expected: &Array1<f64>) {
    for (&log_p, &p) in log_p.iter().zip(expected) {
        assert_eq!(log_p == f64::NEG_INFINITY, p == 0.0);
        assert!((log_p.exp() - p).abs() < 1e-12 && (p == 0.0 || (log_p.exp() / p - 1.0).abs() < 1e-12), "{log_p} {p}");
    }
}

/// Random weights per row with zeros here and there, and three rows that are spread over 600 orders of
/// magnitude.
fn random_weights(rows: usize, sites: usize) -> Array3<f64> {
    let mut rng = Streams::new(41).domain("weights").stream(sites);
    let mut w = Array3::from_shape_fn((rows, sites, 2), |_| rng.random::<f64>());
    for row in 0..rows {
        if row % 3 == 1 {
            w[[row, rng.random_range(0..sites), rng.random_range(0..2)]] = 0.0;
        }
        if row % 4 == 3 {
            w.index_axis_mut(Axis(0), row).mapv_inplace(|w| w * 10f64.powi(rng.random_range(-15..16)));
        }
        if row % 4 == 2 {
            w[[row, 0, 1]] = 1e-250;
            w[[row, sites - 1, 0]] = 1e250;
        }
    }
    w
}

/// The tilted law, the evidence and the cavities of one table of weights, by enumeration.
fn tilt(p: &Array1<f64>, x: &Array2<u8>, w: impl Fn(usize, usize) -> f64) -> (Array1<f64>, f64, Array2<f64>) {
    let sites = x.ncols();
    let product = |row: ArrayView1<'_, u8>, skip: usize| -> f64 {
        row.iter().enumerate().filter(|(j, _)| *j != skip).map(|(j, &a)| w(j, a.into())).product()
    };
    let joint: Array1<f64> = x.outer_iter().zip(p).map(|(row, p)| p * product(row, sites)).collect();
    let mut cavities = Array2::zeros((sites, 2));
    for (row, p) in x.outer_iter().zip(p) {
        (0..sites).for_each(|j| cavities[[j, row[j].into()]] += p * product(row, j));
    }
    cavities.outer_iter_mut().for_each(|mut c| {
        let sum = c.sum();
        c /= sum;
    });
    let evidence = joint.sum();
    (&joint / evidence, evidence, cavities)
}

fn assert_cavities(got: ndarray::ArrayView2<'_, f64>, expected: &Array2<f64>) {
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= 1e-12 * expected, "{got} {expected}");
    }
}

#[test]
fn plain_law() {
    for model in models() {
        let x = all_configs(model.dims());
        let p = law(&model, chi_of(&model));
        assert_probabilities(&model.log_prob(x.view()).unwrap(), &p);
        assert_probabilities(&model.log_weight(x.view()).unwrap(), &p);
        let start = model.initial(&mut Streams::new(3).stream(0)).unwrap();
        assert!(model.log_weight(start.insert_axis(Axis(0)).view()).unwrap()[0].is_finite());
    }
}

#[test]
fn tilted_law_with_a_table_per_row() {
    for model in models() {
        let (x, p) = (all_configs(model.dims()), law(&model, chi_of(&model)));
        let w = random_weights(16, x.ncols());
        for row in w.axis_chunks_iter(Axis(0), 1) {
            let (q, evidence, cavities) = tilt(&p, &x, |j, a| row[[0, j, a]]);
            let shared = SiteWeights::Shared(row.index_axis(Axis(0), 0));
            let log_evidence = model.log_evidence(&shared).unwrap()[0];
            if evidence == 0.0 {
                assert_eq!(log_evidence, f64::NEG_INFINITY);
                let zero = Error::ZeroEvidence { row: 0 };
                assert_eq!(model.log_prob_given(x.view(), &shared), Err(zero.clone()));
                assert_eq!(model.sample(&shared, 3, &Streams::new(1)), Err(zero.clone()));
                assert_eq!(model.cavities(&shared), Err(zero));
                continue;
            }
            assert!((log_evidence - evidence.ln()).abs() < 1e-12 * (1.0 + evidence.ln().abs()));
            assert_probabilities(&model.log_prob_given(x.view(), &shared).unwrap(), &q);
            assert_cavities(model.cavities(&shared).unwrap().index_axis(Axis(0), 0), &cavities);
            // The same table, once per row.
            let repeated = row.broadcast((x.nrows(), x.ncols(), 2)).unwrap();
            let per_row = SiteWeights::PerRow(repeated);
            assert_eq!(model.log_prob_given(x.view(), &shared), model.log_prob_given(x.view(), &per_row));
        }
    }
}

/// Rectangular kernels: two states in, three (or two) out, all entries different.
#[test]
fn tilted_law_behind_a_rectangular_kernel() {
    for model in models() {
        let (x, p) = (all_configs(model.dims()), law(&model, chi_of(&model)));
        let sites = x.ncols();
        let mut rng = Streams::new(5).stream(sites);
        let dims_out: Vec<usize> = (0..sites).map(|j| 3 - j % 2).collect();
        let tables = Array3::from_shape_fn((sites, 2, 3), |(j, _, b)| if b < dims_out[j] { rng.random() } else { 0.0 });
        let y = Array2::from_shape_fn((9, sites), |(_, j)| rng.random_range(0..dims_out[j]) as u8);
        let w =
            SiteWeights::Observed { tables: tables.view(), dims_in: model.dims(), dims_out: &dims_out, y: y.view() };
        let log_evidence = model.log_evidence(&w).unwrap();
        let cavities = model.cavities(&w).unwrap();
        for row in 0..9 {
            let (q, evidence, expected) = tilt(&p, &x, |j, a| tables[[j, a, y[[row, j]].into()]]);
            assert!((log_evidence[row] - evidence.ln()).abs() < 1e-12 * (1.0 + evidence.ln().abs()));
            assert_cavities(cavities.index_axis(Axis(0), row), &expected);
            let same = y.row(row).broadcast((x.nrows(), sites)).unwrap().to_owned();
            let w = SiteWeights::Observed {
                tables: tables.view(),
                dims_in: model.dims(),
                dims_out: &dims_out,
                y: same.view(),
            };
            assert_probabilities(&model.log_prob_given(x.view(), &w).unwrap(), &q);
        }
    }
}

#[test]
fn uniform_weights_have_evidence_one() {
    for model in models() {
        let log_evidence = model.log_evidence(&SiteWeights::Uniform).unwrap();
        assert!(log_evidence.len() == 1 && log_evidence[0].abs() < 1e-13);
        let (x, p) = (all_configs(model.dims()), law(&model, chi_of(&model)));
        let cavities = model.cavities(&SiteWeights::Uniform).unwrap();
        assert_cavities(cavities.index_axis(Axis(0), 0), &tilt(&p, &x, |_, _| 1.0).2);
    }
}

/// Draws score what they say, bit for bit, whatever the batch; `redraw` is `sample` and `log_prob`.
#[test]
fn draws_score_what_they_say() {
    let mut rng = Streams::new(77).stream(0);
    for (sites, c) in [(10, 0.35), (130, 0.5), (400, 0.7)] {
        let chain = Fredkin::new(sites, c).unwrap();
        for model in [FredkinModel::new(&chain).unwrap(), FredkinModel::truncated(&chain, 3).unwrap()] {
            let streams = Streams::new(11).step(3);
            let old = model.draw(37, &Streams::new(5)).unwrap();
            let table = Array3::from_shape_fn((37, sites, 2), |_| rng.random::<f64>() + 0.05);
            // Weights beyond the linear range take the logarithmic path.
            let mut extreme = table.clone();
            extreme[[4, 3, 0]] *= 1e-200;
            extreme[[4, 3, 1]] *= 1e-200;
            let forms = [
                SiteWeights::Uniform,
                SiteWeights::Shared(table.index_axis(Axis(0), 0)),
                SiteWeights::PerRow(table.view()),
                SiteWeights::PerRow(extreme.view()),
            ];
            for w in &forms {
                let new = model.sample(w, 37, &streams).unwrap();
                assert!(new.log_prob.iter().all(|l| l.is_finite() && *l < 0.0));
                assert_eq!(model.log_prob_given(new.x.view(), w).unwrap(), new.log_prob);
                let (again, score) = model.redraw(w, old.x.view(), &streams).unwrap();
                assert_eq!(again, new);
                assert_eq!(model.log_prob_given(old.x.view(), w).unwrap(), score);
                let step = model.sample(w, 37, &streams.step(1)).unwrap();
                assert_ne!(step.x, new.x);
            }
            // A batch cut in two.
            let (a, b) = table.view().split_at(Axis(0), 21);
            let whole = model.sample(&SiteWeights::PerRow(table.view()), 37, &streams).unwrap();
            let first = model.sample(&SiteWeights::PerRow(a), 21, &streams).unwrap();
            let second = model.sample(&SiteWeights::PerRow(b), 16, &streams.rows_from(21)).unwrap();
            assert_eq!(ndarray::concatenate![Axis(0), first.x, second.x], whole.x);
            assert_eq!(ndarray::concatenate![Axis(0), first.log_prob, second.log_prob], whole.log_prob);
            let plain = model.draw(37, &streams).unwrap();
            let tail = model.draw(3, &streams.rows_from(34)).unwrap();
            assert_eq!(plain.x.slice(ndarray::s![34.., ..]), tail.x);
        }
    }
}

/// A common factor in the weights of a site changes the evidence by its logarithm and nothing else, also
/// where it sends the row to logarithms.
#[test]
fn linear_and_logarithmic_recursions_agree() {
    for c in [0.1, 0.5, 0.9] {
        let chain = Fredkin::new(60, c).unwrap();
        let model = FredkinModel::new(&chain).unwrap();
        let mut rng = Streams::new(8).stream(1);
        let linear = Array3::from_shape_fn((20, 60, 2), |_| rng.random::<f64>().powi(4));
        let mut logarithmic = linear.clone();
        logarithmic.slice_mut(ndarray::s![.., 17, ..]).mapv_inplace(|w| w * f64::powi(2.0, -700));
        let (a, b) = (SiteWeights::PerRow(linear.view()), SiteWeights::PerRow(logarithmic.view()));
        let shift = -700.0 * 2f64.ln();
        let evidences = model.log_evidence(&a).unwrap() - model.log_evidence(&b).unwrap();
        assert!(evidences.iter().all(|d| (d + shift).abs() < 1e-11));
        let x = model.sample(&a, 20, &Streams::new(2)).unwrap();
        let scores = model.log_prob_given(x.x.view(), &b).unwrap();
        assert!((&scores - &x.log_prob).iter().all(|d| d.abs() < 1e-11));
        let (a, b) = (model.cavities(&a).unwrap(), model.cavities(&b).unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-11 * a));
        // The chain rule: P(x) w(x) = P(x|w) evidence.
        let log_w: Array1<f64> =
            (0..20).map(|i| (0..60).map(|j| linear[[i, j, x.x[[i, j]].into()]].ln()).sum()).collect();
        let joint = model.log_weight(x.x.view()).unwrap() + log_w;
        let rhs = &x.log_prob + &model.log_evidence(&SiteWeights::PerRow(linear.view())).unwrap();
        assert!(joint.iter().zip(&rhs).all(|(a, b)| (a - b).abs() < 1e-11));
    }
}

/// Observed exactly but for the middle: at c = 0.99 and N = 400 partition sums span far more than f64 holds.
#[test]
fn evidence_beyond_floating_point() {
    let sites = 400;
    // log P of the tent and of the flat path, in 80-digit arithmetic. (The score `k ln q − log Z` cancels:
    // for the tent at c = 0.99 it is good to 5e-11 only, three units in the last place of log Z = 9e4.)
    let reference = [
        (0.99, [-1.025_544_820_164_796_8e-2, -9.144_289_527_312_652e4]),
        (0.01, [-9.144_488_523_453_318e4, -2.000_216_854_849_776_7]),
    ];
    for (c, log_p) in reference {
        let chain = Fredkin::new(sites, c).unwrap();
        let model = FredkinModel::new(&chain).unwrap();
        let tent: Vec<u8> = (0..sites).map(|j| u8::from(j < sites / 2)).collect();
        let flat: Vec<u8> = (0..sites).map(|j| u8::from(j % 2 == 0)).collect();
        for (path, expected) in [tent, flat].into_iter().zip(log_p) {
            let mut w = Array2::zeros((sites, 2));
            path.iter().enumerate().for_each(|(j, &n)| w[[j, n.into()]] = 1.0);
            let x = Array2::from_shape_vec((1, sites), path).unwrap();
            let weights = SiteWeights::Shared(w.view());
            let evidence = model.log_evidence(&weights).unwrap()[0];
            assert!((evidence - expected).abs() <= 1e-12 * expected.abs(), "{evidence:e} instead of {expected:e}");
            let draw = model.sample(&weights, 1, &Streams::new(1)).unwrap();
            assert_eq!((&draw.x, draw.log_prob[0]), (&x, 0.0));
            let cavities = model.cavities(&weights).unwrap();
            assert!(cavities.iter().zip(&w).all(|(c, w)| c == w));
            // One mismatch to pay, either in the first or in the second half of the path.
            let mut soft = w.mapv(|w| if w == 0.0 { 1e-3 } else { w });
            soft.slice_mut(ndarray::s![..sites / 2, ..]).assign(&w.slice(ndarray::s![..sites / 2, ..]));
            let draw = model.sample(&SiteWeights::Shared(soft.view()), 4, &Streams::new(1)).unwrap();
            assert!(
                draw.x
                    .outer_iter()
                    .all(|row| row.slice(ndarray::s![..sites / 2]) == x.slice(ndarray::s![0, ..sites / 2]))
            );
            assert!(draw.log_prob.iter().all(|l| l.is_finite()));
        }
    }
}

#[test]
fn matrix_product_state_in_the_markov_gauge() {
    for model in models() {
        let mps = model.to_mps().unwrap();
        assert_eq!(mps.bonds(), model.bonds());
        let sites = mps.sites();
        if chi_of(&model) == usize::MAX {
            assert!((1..sites).all(|j| mps.bonds()[j - 1] == j.min(sites - j) / 2 + 1));
            assert_eq!(mps.max_bond(), sites / 4 + 1);
        }
        let expected = law(&model, chi_of(&model));
        for (x, &p) in all_configs(model.dims()).outer_iter().zip(&expected) {
            let mut v = Array1::ones(1);
            for (a, &n) in mps.tensors().iter().zip(x) {
                assert!(a.iter().all(|&a| a >= 0.0));
                v = v.dot(&a.index_axis(Axis(1), n.into()));
            }
            assert!((v[0] * mps.log_scale().exp() - p).abs() <= 1e-13 * p, "{} {p}", v[0]);
        }
    }
}

/// Missing mass of the reference README, to its digits; and `log Z` of the kept paths is that of all less
/// `ln(1 − missing)`.
#[test]
fn truncation_reports_its_missing_mass() {
    let chain = Fredkin::new(400, 0.5).unwrap();
    let exact = FredkinModel::new(&chain).unwrap();
    assert_eq!(exact.missing_mass(), 0.0);
    for (chi, mass, half_digit) in [(8, 0.98, 5e-3), (16, 0.16, 5e-3), (24, 2.7e-4, 5e-6), (32, 4.4e-8, 5e-10)] {
        let model = FredkinModel::truncated(&chain, chi).unwrap();
        assert!((model.missing_mass() - mass).abs() <= half_digit, "χ = {chi}: {}", model.missing_mass());
        assert_eq!(model.bonds().into_iter().max(), Some(chi));
        let kept = (model.log_z() - exact.log_z()).exp();
        assert!((1.0 - kept - model.missing_mass()).abs() < 1e-11, "χ = {chi}: {kept}");
        let draws = model.draw(50, &Streams::new(9)).unwrap();
        let log_w = chain.log_weight(draws.x.view()).unwrap() - &draws.log_prob;
        assert!(log_w.iter().all(|w| (w - model.log_z()).abs() < 1e-10));
    }
    let whole = FredkinModel::truncated(&chain, 101).unwrap();
    assert_eq!((whole.missing_mass(), whole.bonds()), (0.0, exact.bonds()));
}

#[test]
fn bad_weights_and_impossible_rows() {
    let model = FredkinModel::new(&Fredkin::new(6, 0.4).unwrap()).unwrap();
    let x = Array2::from_shape_vec((2, 6), vec![1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0]).unwrap();
    let mut w = Array3::from_elem((2, 6, 2), 0.5);
    // A configuration outside the sector scores −∞ and does not disturb its neighbour.
    let score = model.log_prob_given(x.view(), &SiteWeights::PerRow(w.view())).unwrap();
    assert!(score[0].is_finite() && score[1] == f64::NEG_INFINITY);
    // Row 1 demands a first step down.
    w[[1, 0, 1]] = 0.0;
    let impossible = SiteWeights::PerRow(w.view());
    assert_eq!(model.sample(&impossible, 2, &Streams::new(1)), Err(Error::ZeroEvidence { row: 1 }));
    assert_eq!(model.cavities(&impossible), Err(Error::ZeroEvidence { row: 1 }));
    let evidence = model.log_evidence(&impossible).unwrap();
    assert!(evidence[0].is_finite() && evidence[1] == f64::NEG_INFINITY);
    assert_eq!(model.sample(&impossible, 3, &Streams::new(1)), Err(Error::SampleCount { expected: 3, got: 2 }));
    w[[0, 2, 0]] = -0.5;
    let error = Error::Negative { field: "site weights", site: 2, value: -0.5 };
    assert_eq!(model.log_evidence(&SiteWeights::PerRow(w.view())), Err(error));
    w[[0, 2, 0]] = f64::NAN;
    assert!(matches!(model.cavities(&SiteWeights::PerRow(w.view())), Err(Error::NotFinite { site: 2, .. })));
    let short = Array2::<u8>::zeros((2, 5));
    assert_eq!(model.log_prob(short.view()), Err(Error::SiteCount { expected: 6, got: 5 }));
    let empty = model.draw(0, &Streams::new(1)).unwrap();
    assert_eq!((empty.x.dim(), empty.log_prob.len()), ((0, 6), 0));
}

/// Weights of any finite size: the same weight v everywhere adds N ln v.
#[test]
fn evidence_of_huge_and_tiny_weights() {
    for sites in [4, 20, 100] {
        let model = FredkinModel::new(&Fredkin::new(sites, 0.4).unwrap()).unwrap();
        for v in [5e-324, 1e-310, 1e-300, 1e-295, 0.5, 1e300, f64::MAX] {
            let w = Array2::from_elem((sites, 2), v);
            let evidence = model.log_evidence(&SiteWeights::Shared(w.view())).unwrap()[0];
            let exact = sites as f64 * v.ln();
            assert!(
                (evidence - exact).abs() < 1e-13 * exact.abs(),
                "{sites} sites, v={v:e}: {evidence} against {exact}"
            );
        }
    }
}
