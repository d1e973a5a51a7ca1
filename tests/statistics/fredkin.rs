//! Sampling laws of the Fredkin chain: draws, jump process, Metropolis moves, physics at N = 400.

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, Array3};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::mcmc::{Chains, Connected, Disconnected, MetropolisHastings, Proposal, RunOptions};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Model, SiteWeights, Stream, Streams, Target};

use super::common::{all_configs, assert_law, counts, index_of};

const SITES: usize = 8;

/// `q^k/Z` on all configurations of [`SITES`] sites, by its definition, times a product of weights.
fn law(c: f64, w: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let weight = |row: ndarray::ArrayView1<'_, u8>| {
        let (mut h, mut area, mut dyck, mut product) = (0i32, 0, true, 1.0);
        for (j, &n) in row.iter().enumerate() {
            h += if n == 1 { 1 } else { -1 };
            area += h;
            dyck &= h >= 0;
            product *= w(j, n.into());
        }
        if dyck && h == 0 { (c / (1.0 - c)).powi((area - SITES as i32 / 2) / 2) * product } else { 0.0 }
    };
    let p: Vec<f64> = all_configs(&[2; SITES]).outer_iter().map(weight).collect();
    let total: f64 = p.iter().sum();
    p.iter().map(|p| p / total).collect()
}

#[test]
fn plain_draws() {
    for c in [0.3, 0.55] {
        let model = FredkinModel::new(&Fredkin::new(SITES, c).unwrap()).unwrap();
        let draws = model.draw(200_000, &Streams::new(21)).unwrap();
        // The twin of the texts that swap c and 1 − c.
        assert_law(&counts(&draws.x, model.dims()), &law(c, |_, _| 1.0), &law(1.0 - c, |_, _| 1.0));
    }
}

#[test]
fn tilted_draws() {
    let model = FredkinModel::new(&Fredkin::new(SITES, 0.6).unwrap()).unwrap();
    let mut rng = Streams::new(3).stream(0);
    let table = Array2::from_shape_fn((SITES, 2), |_| rng.random::<f64>() + 0.2);
    let draws = model.sample(&SiteWeights::Shared(table.view()), 200_000, &Streams::new(22)).unwrap();
    let wrong = law(0.6, |j, a| table[[j, 1 - a]]);
    assert_law(&counts(&draws.x, model.dims()), &law(0.6, |j, a| table[[j, a]]), &wrong);

    // Every row its own ratios: a rectangular kernel, and the transposed use of its square part as the twin.
    let tables = Array3::from_shape_fn((SITES, 2, 3), |_| rng.random::<f64>() + 0.1);
    let y = Array1::from_shape_fn(SITES, |j| (j * j % 3) as u8);
    let batch = y.broadcast((100_000, SITES)).unwrap();
    let w = SiteWeights::Observed { tables: tables.view(), dims_in: &[2; SITES], dims_out: &[3; SITES], y: batch };
    let draws = model.sample(&w, 100_000, &Streams::new(23)).unwrap();
    let right = law(0.6, |j, a| tables[[j, a, y[j].into()]]);
    let wrong = law(0.6, |j, a| tables[[j, usize::from(y[j]).min(1), a]]);
    assert_law(&counts(&draws.x, model.dims()), &right, &wrong);

    // Weights beyond the linear range: the logarithmic recursion draws from the same law.
    let scaled = table.mapv(|w| w * 1e-200);
    let draws = model.sample(&SiteWeights::Shared(scaled.view()), 200_000, &Streams::new(24)).unwrap();
    let wrong = law(0.6, |j, a| table[[j, 1 - a]]);
    assert_law(&counts(&draws.x, model.dims()), &law(0.6, |j, a| table[[j, a]]), &wrong);
}

#[test]
fn truncated_draws() {
    let chain = Fredkin::new(SITES, 0.5).unwrap();
    let model = FredkinModel::truncated(&chain, 2).unwrap();
    let draws = model.draw(100_000, &Streams::new(25)).unwrap();
    let heights = chain.heights(all_configs(chain.dims()).view()).unwrap();
    // Two heights a bond at N = 8 leave out the fourth level: one path of fourteen.
    let mut right = law(0.5, |_, _| 1.0);
    heights.outer_iter().zip(&mut right).filter(|(h, _)| h.iter().any(|&h| h > 3)).for_each(|(_, p)| *p = 0.0);
    let kept: f64 = right.iter().sum();
    right.iter_mut().for_each(|p| *p /= kept);
    assert_law(&counts(&draws.x, model.dims()), &right, &law(0.5, |_, _| 1.0));
}

/// Rates of the definition between Dyck paths, as a matrix, and the configurations by row.
fn generator(c: f64) -> (Array2<u8>, DMatrix<f64>) {
    let x = Fredkin::new(SITES, c).unwrap().enumerate_sector(0, 0).unwrap();
    let index = |row: &[u8]| x.outer_iter().position(|other| other.as_slice() == Some(row));
    let mut w = DMatrix::zeros(x.nrows(), x.nrows());
    for (from, row) in x.outer_iter().enumerate() {
        for j in 0..SITES - 1 {
            let f = if j > 0 { row[j - 1] } else { 0 } + if j + 2 < SITES { 1 - row[j + 2] } else { 0 };
            let mut to = row.to_vec();
            to.swap(j, j + 1);
            if row[j] != row[j + 1] && f > 0 {
                let rate = f64::from(f) * if row[j] == 0 { c } else { 1.0 - c };
                let to = index(&to).expect("swaps stay in the sector");
                w[(from, to)] += rate;
                w[(from, from)] -= rate;
            }
        }
    }
    (x, w)
}

/// Runs an update from the path `from` many times and counts the ends, as indices of `x`.
fn ends(x: &Array2<u8>, from: usize, runs: usize, update: impl Fn(&mut [u8], &mut Xoshiro256PlusPlus)) -> Vec<u64> {
    let streams = Streams::new(31).domain("test");
    let mut n = vec![0; x.nrows()];
    let rows: Vec<usize> = x.outer_iter().map(|row| index_of(row, &[2; SITES])).collect();
    for run in 0..runs {
        let mut stream: Stream = streams.stream(run);
        let mut rng = Xoshiro256PlusPlus::from_rng(&mut stream);
        let mut state = x.row(from).to_vec();
        update(&mut state, &mut rng);
        let end = index_of(&state, &[2; SITES]);
        n[rows.iter().position(|&row| row == end).expect("updates stay in the sector")] += 1;
    }
    n
}

fn row_of(matrix: &DMatrix<f64>, row: usize) -> Vec<f64> {
    // Rounding in the exponential may leave −1e-17.
    matrix.row(row).iter().map(|p| p.max(0.0)).collect()
}

/// The law of the jump process at a fixed time is a row of `exp(tW)`, and equilibrium is kept.
#[test]
fn jump_process() {
    let (c, time, runs) = (0.3, 0.8, 100_000);
    let chain = Fredkin::new(SITES, c).unwrap();
    let (x, w) = generator(c);
    let (from, right, wrong) = (5, (&w * time).exp(), (w.transpose() * time).exp());
    let n = ends(&x, from, runs, |x, rng| assert!(chain.evolve(x, time, rng).unwrap() < 1000));
    let transposed = row_of(&wrong, from);
    let total: f64 = transposed.iter().sum();
    assert_law(&n, &row_of(&right, from), &transposed.iter().map(|p| p / total).collect::<Vec<_>>());

    // Two calls of half the time are one call.
    let n = ends(&x, from, runs, |x, rng| {
        (0..2).for_each(|_| assert!(chain.evolve(x, time / 2.0, rng).unwrap() < 1000));
    });
    assert_law(&n, &row_of(&right, from), &row_of(&(&w * (time / 2.0)).exp(), from));

    let model = FredkinModel::new(&chain).unwrap();
    let mut start = model.draw(runs, &Streams::new(32)).unwrap().x;
    let streams = Streams::new(33).domain("test");
    for (run, mut row) in start.outer_iter_mut().enumerate() {
        let mut rng = Xoshiro256PlusPlus::from_rng(&mut streams.stream(run));
        chain.evolve(row.as_slice_mut().unwrap(), 3.0, &mut rng).unwrap();
    }
    assert_law(&counts(&start, chain.dims()), &law(c, |_, _| 1.0), &law(0.5, |_, _| 1.0));
}

/// The law after a few Metropolis attempts is a row of a power of the transition matrix; long runs reach
/// `q^k/Z`.
#[test]
fn metropolis() {
    let (c, attempts, runs) = (0.65, 6, 100_000);
    let chain = Fredkin::new(SITES, c).unwrap();
    let (x, rates) = generator(c);
    let transition = |c: f64| {
        let q = c / (1.0 - c);
        let mut t = rates.map(|_| 0.0);
        for from in 0..x.nrows() {
            let area = |i: usize| chain.area(x.slice(ndarray::s![i..=i, ..])).unwrap()[0];
            for to in (0..x.nrows()).filter(|&to| to != from && rates[(from, to)] > 0.0) {
                t[(from, to)] = q.powi(((area(to) - area(from)) / 2) as i32).min(1.0) / (SITES - 1) as f64;
            }
            t[(from, from)] = 1.0 - t.row(from).sum();
        }
        t
    };
    let power = |t: DMatrix<f64>| (1..attempts).fold(t.clone(), |p, _| p * &t);
    let from = 4;
    let n = ends(&x, from, runs, |x, rng| assert!(chain.metropolis(x, attempts, rng).unwrap() <= attempts as u64));
    assert_law(&n, &row_of(&power(transition(c)), from), &row_of(&power(transition(1.0 - c)), from));

    // The gap of one attempt is 0.037: after 2000 attempts e^{-74} is left of the start.
    let n = ends(&x, 0, 20_000, |x, rng| assert!(chain.metropolis(x, 2000, rng).unwrap() > 0));
    let dyck = |p: Vec<f64>| x.outer_iter().map(|row| p[index_of(row, &[2; SITES])]).collect::<Vec<_>>();
    assert_law(&n, &dyck(law(c, |_, _| 1.0)), &dyck(law(0.5, |_, _| 1.0)));
}

/// Mean area of 10⁴ draws at N = 400 within 5 σ of the exact value (false-alarm rate 6e-7), where a
/// neighbouring c is not.
#[test]
fn mean_area_of_long_chains() {
    for c in [0.3, 0.5, 0.7] {
        let chain = Fredkin::new(400, c).unwrap();
        let exact = chain.equilibrium().unwrap();
        let draws = FredkinModel::new(&chain).unwrap().draw(10_000, &Streams::new(41)).unwrap();
        let area = chain.area(draws.x.view()).unwrap();
        let mean = area.iter().sum::<i64>() as f64 / 1e4;
        let sigma = (exact.area_var() / 1e4).sqrt();
        assert!((mean - exact.area_mean()).abs() < 5.0 * sigma, "c={c}: {mean} against {}", exact.area_mean());
        let twin = Fredkin::new(400, c + 0.005).unwrap().equilibrium().unwrap();
        assert!((mean - twin.area_mean()).abs() > 5.0 * sigma);
        // Every draw has the weight Z: the disconnected move would never reject.
        let log_w = chain.log_weight(draws.x.view()).unwrap() - &draws.log_prob;
        assert!(log_w.iter().all(|w| (w - log_w[0]).abs() < 1e-9));
    }
}

#[test]
fn draws_do_not_depend_on_threads() {
    let model = FredkinModel::new(&Fredkin::new(90, 0.45).unwrap()).unwrap();
    let mut rng = Streams::new(6).stream(0);
    let w = Array3::from_shape_fn((70, 90, 2), |_| rng.random::<f64>());
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let plain = model.draw(70, &Streams::new(51)).unwrap();
            (
                plain,
                model.redraw(&SiteWeights::PerRow(w.view()), plain_start(&model).view(), &Streams::new(52)).unwrap(),
            )
        })
    };
    assert_eq!(run(1), run(2));
}

fn plain_start(model: &FredkinModel) -> Array2<u8> {
    let start = model.initial(&mut Streams::new(1).stream(0)).unwrap();
    start.broadcast((70, start.len())).unwrap().to_owned()
}

/// The exact model is never rejected: 10⁴ disconnected and 10⁴ connected updates at N = 400. A model of a
/// neighbouring c is.
#[test]
fn the_exact_model_is_never_rejected() {
    let noise = Noise::new(Rates::binary_flip(400, 1.0, 0.6).unwrap(), Schedule::default());
    let kernel = noise.kernel(0.0, 0.3).unwrap();
    let rejections = |target: &Fredkin, proposal: &dyn Proposal| {
        let mut chains = Chains::initial(target, 100, 3).unwrap();
        let options = RunOptions { updates: 100, warm_up: 0, seed: 4, ..RunOptions::default() };
        let run = options.run(target, &MetropolisHastings::new(proposal), &mut chains, |_| Ok(())).unwrap();
        assert_eq!(run.report.proposed, 10_000);
        run.report.proposed - run.report.accepted
    };
    for c in [0.3, 0.5, 0.7] {
        let chain = Fredkin::new(400, c).unwrap();
        let model = FredkinModel::new(&chain).unwrap();
        let connected = Connected::new(&model, kernel.clone()).unwrap();
        for proposal in [&Disconnected::new(&model) as &dyn Proposal, &connected] {
            // The rule leaves at most 10⁴ × 1e-9 rejections to rounding: one in 10⁵ such runs.
            assert_eq!(rejections(&chain, proposal), 0, "c={c}");
            assert!(rejections(&Fredkin::new(400, c + 0.05).unwrap(), proposal) > 0);
        }
    }
}
