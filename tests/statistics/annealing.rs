//! Population annealing: averages over many small populations are those of the target, unnormalised.

use ndarray::Array1;
use rand::RngExt;
use tensorjump::lattice::{Couplings, Geometry, Ising, SpinSweep, Square};
use tensorjump::mcmc::{Annealing, Level};
use tensorjump::model::PositiveMps;
use tensorjump::{Model, Streams, Target};

use crate::common::all_configs;

/// Random couplings and fields on 2 × 3 sites.
fn glass(beta: f64) -> Ising {
    let lattice = Square::new(2, 3, Geometry::Open).unwrap();
    let mut rng = Streams::new(8).domain("annealing").stream(0);
    let mut draw = |n: usize| (0..n).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect::<Vec<_>>();
    let (horizontal, vertical, field) = (draw(4), draw(3), draw(6));
    Ising::new(Couplings::new(lattice, horizontal, vertical, field).unwrap(), beta).unwrap()
}

/// The level at `beta`, with the heat bath of another temperature where a twin wants it.
fn level(beta: f64, of_dynamics: f64) -> Level<Ising, SpinSweep> {
    Level { parameter: beta, target: glass(beta), dynamics: SpinSweep::heat_bath(&glass(of_dynamics)).unwrap() }
}

/// Largest deviation, in standard errors, of `Σ w f / n` from `Σ_x π(x) f(x)`, over `f = 1`, all states of the
/// first three spins, and the energy.
fn deviation(levels: Vec<Level<Ising, SpinSweep>>, threshold: f64) -> f64 {
    const POPULATIONS: usize = 3000;
    let target = levels[levels.len() - 1].target.clone();
    let observe = |x: ndarray::ArrayView2<'_, u8>| -> Vec<Array1<f64>> {
        let first = |code: usize| {
            let is = |x: ndarray::ArrayView1<'_, u8>| (0..3).all(|j| usize::from(x[j]) == code >> j & 1);
            x.outer_iter().map(|x| f64::from(u8::from(is(x)))).collect()
        };
        let mut all = vec![Array1::ones(x.nrows()), target.energy(x).unwrap()];
        all.extend((0..8).map(first));
        all
    };
    let everything = all_configs(target.dims());
    let weights = target.log_weight(everything.view()).unwrap().exp();
    let exact: Vec<f64> = observe(everything.view()).iter().map(|f| (&weights * f).sum()).collect();

    let annealing = Annealing::new(levels).unwrap().resample_below(threshold).unwrap();
    let start = PositiveMps::product(&vec![vec![0.5, 0.5]; 6]).unwrap();
    let n = 16;
    let mut series = vec![vec![]; exact.len()];
    let mut resampled = 0;
    for population in 0..POPULATIONS {
        let drawn = start.draw(n, &Streams::new(1).rows_from(population * n)).unwrap();
        let end = annealing.run(drawn, population as u64).unwrap();
        resampled += end.history.iter().filter(|level| level.resampled).count();
        let w = end.log_weight.exp();
        for (series, f) in series.iter_mut().zip(observe(end.x.view())) {
            series.push((&w * &f).sum() / n as f64);
        }
    }
    assert_eq!(resampled > 0, threshold > 0.0);
    let off = |(series, exact): (&Vec<f64>, &f64)| {
        let n = series.len() as f64;
        let mean = series.iter().sum::<f64>() / n;
        let variance = series.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n * (n - 1.0));
        ((mean - exact) / variance.sqrt()).abs()
    };
    series.iter().zip(&exact).map(off).fold(0.0, f64::max)
}

/// Ten averages within 4.9 standard errors: a false alarm once in 10⁵ for each threshold. Moves at the
/// temperature of the level before, as in an order confused, are found.
#[test]
fn averages_over_populations_are_unbiased() {
    let betas = [0.5, 1.0, 1.5, 2.0];
    for threshold in [0.0, 0.5, 1.0] {
        let off = deviation(betas.iter().map(|&beta| level(beta, beta)).collect(), threshold);
        assert!(off < 4.9, "threshold {threshold}: {off} σ");
        let twin = betas.iter().map(|&beta| level(beta, beta - 0.5)).collect();
        let off = deviation(twin, threshold);
        assert!(off > 6.0, "threshold {threshold}: a wrong twin is off by {off} σ only");
    }
}
