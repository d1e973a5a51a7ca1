//! Learning from draws of a known law: the validation NLL reaches that of the law within its standard error.
//!
//! With `k` parameters and `n` samples the excess of the maximum-likelihood law is about `k/2n` nats; sample
//! sizes are chosen to make this a tenth of the standard error of the NLL. The paired difference on fresh
//! draws has a standard error of its own, `√(2 KL/n)`, twenty times smaller still, so that the false-alarm
//! rate is far below 1e-6.

use tensorjump::learn::{BornMethod, BornOptions, Data, PositiveOptions, Start, Training};
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::{Model, Streams};

use super::common::{assert_law, planar};

const SITES: usize = 24;

fn truth() -> PositiveMps {
    let couplings: Vec<f64> = (0..SITES - 1).map(|j| 0.3 + 0.5 * ((j * 7) % 5) as f64 / 4.0).collect();
    let fields: Vec<f64> = (0..SITES).map(|j| 0.4 * ((j * 3) % 4) as f64 / 3.0 - 0.2).collect();
    PositiveMps::ising(1.0, &couplings, &fields, Boundary::Open).unwrap()
}

/// Excess of the NLL of `model` over that of the law on fresh draws, and the standard error of the NLL.
fn excess(law: &PositiveMps, model: &dyn Model) -> (f64, f64) {
    let fresh = law.draw(20_000, &Streams::new(99).step(1)).unwrap();
    let log = model.log_prob(fresh.x.view()).unwrap();
    let n = log.len() as f64;
    let mean = fresh.log_prob.mean().unwrap();
    let error = (fresh.log_prob.mapv(|l| (l - mean).powi(2)).sum() / (n * (n - 1.0))).sqrt();
    (mean - log.mean().unwrap(), error)
}

#[test]
fn a_known_law_is_learned() {
    let law = truth();
    let draws = law.draw(30_000, &Streams::new(4)).unwrap().x;
    let data = Data::new(draws, &[2; SITES]).unwrap();
    let training = Training { rounds: 6, batch: 30_000, ..Training::default() };
    let born = (BornOptions { training: training.clone(), ..BornOptions::default() }).fit(&data).unwrap();
    let (more, error) = excess(&law, &born.model);
    assert!(more < error, "Born: {more:.5} above the law, standard error {error:.5}");

    let training = Training { rounds: 60, ..training };
    let start = Start::Random { bond: 4 };
    let em = (PositiveOptions { training, start, ..PositiveOptions::default() }).fit(&data).unwrap();
    let (more, error) = excess(&law, &em.model);
    assert!(more < error, "EM: {more:.5} above the law, standard error {error:.5}");

    // The wrong twin: a law of independent sites with the right marginals.
    let marginals = law.site_marginals().to_vec();
    let (more, error) = excess(&law, &PositiveMps::product(&marginals).unwrap());
    assert!(more > 10.0 * error, "the test cannot tell a chain from coins");
}

/// Bonds grow with what the data can tell: samples of coins give a product, whatever the noise of the
/// samples; those of a chain do not.
///
/// At a bond of dimension 1 the second singular value is one Gaussian number: four noise levels are 32
/// variances, a false-alarm rate of 1.5e-8 a step, 2e-6 for all steps of all rounds if they were independent,
/// but every round sees the same samples: below 1e-6.
#[test]
fn bonds_do_not_grow_with_noise() {
    let coins = PositiveMps::product(&vec![vec![0.3, 0.7]; 16]).unwrap();
    let bonds = |law: &PositiveMps, level: f64| {
        let draws = law.draw(4000, &Streams::new(6)).unwrap().x;
        let sites = draws.ncols();
        let data = Data::new(draws, &vec![2; sites]).unwrap();
        let mut options =
            BornOptions { training: Training { rounds: 5, ..Training::default() }, ..BornOptions::default() };
        if let BornMethod::TwoSite { significance, .. } = &mut options.method {
            *significance = level;
        }
        options.fit(&data).unwrap().model.amplitude().max_bond()
    };
    assert_eq!(bonds(&coins, 4.0), 1);
    assert!(bonds(&truth(), 4.0) >= 2, "correlations were taken for noise");
    assert!(bonds(&coins, 0.0) > 8, "without the threshold noise is learned");
}

/// The laws on the plane of the Gray-code example: their densities integrate to one, and their draws follow
/// them.
///
/// Cells of width ½ on [−6, 6]², densities by 8 × 8 midpoints a cell (spacing 1/16 against a noise of 0.1 at
/// least). The wrong twin is the law moved by ¼.
#[test]
fn draws_on_the_plane_follow_their_densities() {
    const CELLS: usize = 24;
    for name in planar::NAMES {
        let law = planar::Planar::new(name).unwrap();
        let table = |shift: f64| {
            let mut p: Vec<f64> = (0..CELLS * CELLS)
                .map(|cell| {
                    let corner = [cell / CELLS, cell % CELLS].map(|i| -6.0 + 0.5 * i as f64);
                    let at = |k: usize, corner: f64| corner + (k as f64 + 0.5) / 16.0;
                    let points = (0..64).map(|k| [at(k / 8, corner[0]) + shift, at(k % 8, corner[1])]);
                    points.map(|v| law.density(v)).sum::<f64>() / 256.0
                })
                .collect();
            let sum: f64 = p.iter().sum();
            assert!((sum - 1.0).abs() < 2e-3, "{name}: the density sums to {sum}");
            p.push((1.0 - sum).max(0.0));
            p
        };
        let mut counts = vec![0; CELLS * CELLS + 1];
        let streams = Streams::new(12).domain(name);
        for row in 0..50_000 {
            let v = law.sample(&mut streams.stream(row)).map(|v| (2.0 * (v + 6.0)).floor());
            let inside = v.iter().all(|v| (0.0..CELLS as f64).contains(v));
            counts[if inside { v[0] as usize * CELLS + v[1] as usize } else { CELLS * CELLS }] += 1;
        }
        // A hit outside the box is no contradiction: what is left of the law there is below the error of the
        // integral.
        let outside = counts.pop().unwrap();
        assert!(outside < 100, "{name}: {outside} draws outside");
        let (law, wrong) = (table(0.0), table(0.25));
        assert_law(&counts, &law[..CELLS * CELLS], &wrong[..CELLS * CELLS]);
    }
}
