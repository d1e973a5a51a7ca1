//! Draws and moves with bonds along the diagonals: laws by χ², with twins whose diagonals are transposed,
//! exchanged or forgotten.

use ndarray::{Array2, Axis};
use rand::RngExt;
use tensorjump::lattice::{
    BoundaryMps, Couplings, Geometry, Ising, PairModel, SiteHeatBath, Square, SwendsenWang, Windows,
};
use tensorjump::mcmc::{
    Chains, Connected, Estimate, InnerDraws, Level, Local, Move, RunOptions, Tempering, WeightSummary,
};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Model, Stream, Streams, Target};

use crate::common::random::random_rates;
use crate::common::{ALPHA, all_configs, assert_law, chi2_p_value, counts, law};

const DRAWS: usize = 400_000;
const CHAINS: usize = 20_000;
const GEOMETRIES: [Geometry; 3] = [Geometry::Open, Geometry::Cylinder, Geometry::Torus];

fn square(rows: usize, cols: usize, geometry: Geometry) -> Square {
    Square::new(rows, cols, geometry).unwrap()
}

/// Random tables of `d` states along the diagonals, weak ones elsewhere.
struct Oblique {
    plain: PairModel,
    falling: Vec<Array2<f64>>,
    rising: Vec<Array2<f64>>,
}

impl Oblique {
    fn random(lattice: Square, d: usize, zeros: f64) -> Self {
        let mut rng = Streams::new(7).domain("oblique").stream(0);
        let mut tables = |n: usize, zeros: f64, size: f64| -> Vec<Array2<f64>> {
            let mut entry = || if rng.random::<f64>() < zeros { f64::NEG_INFINITY } else { size * rng.random::<f64>() };
            (0..n).map(|_| Array2::from_shape_simple_fn((d, d), &mut entry)).collect()
        };
        let plaquettes = lattice.with_diagonals(true, true).diagonal_bonds();
        let (right, down) = (lattice.horizontal_bonds(), lattice.vertical_bonds());
        let (right, down) = (tables(right, 0.0, 0.5), tables(down, 0.0, 0.5));
        let sites = (0..lattice.sites()).map(|j| (0..d).map(|a| 0.1 * ((j + a) % 3) as f64).collect()).collect();
        let plain = PairModel::new(lattice, sites, right, down).unwrap();
        Oblique { plain, falling: tables(plaquettes, zeros, 1.5), rising: tables(plaquettes, 0.0, 1.5) }
    }

    fn with(&self, falling: Vec<Array2<f64>>, rising: Vec<Array2<f64>>) -> PairModel {
        self.plain.clone().with_diagonals(falling, rising).unwrap()
    }

    fn model(&self) -> PairModel {
        self.with(self.falling.clone(), self.rising.clone())
    }

    /// One diagonal transposed, the two exchanged, one forgotten.
    fn twins(&self) -> Vec<PairModel> {
        let transposed = |tables: &[Array2<f64>]| tables.iter().map(|t| t.t().to_owned()).collect::<Vec<_>>();
        let (falling, rising) = (&self.falling, &self.rising);
        vec![
            self.with(transposed(falling), rising.clone()),
            self.with(falling.clone(), transposed(rising)),
            self.with(rising.clone(), falling.clone()),
            self.with(falling.clone(), vec![]),
            self.with(vec![], rising.clone()),
        ]
    }
}

/// Untruncated draws follow the law of the model, truncated ones their own.
#[test]
fn draws_follow_the_law() {
    for geometry in GEOMETRIES {
        for (rows, cols, d, zeros) in [(3, 4, 2, 0.0), (3, 3, 2, 0.0), (3, 3, 3, 0.0), (3, 3, 3, 0.03)] {
            let oblique = Oblique::random(square(rows, cols, geometry), d, zeros);
            let model = oblique.model();
            let full = BoundaryMps::proposal(&model, 256).unwrap();
            let found = counts(&full.draw(DRAWS, &Streams::new(1)).unwrap().x, model.dims());
            let exact = law(&model);
            for wrong in oblique.twins() {
                assert_law(&found, &exact, &law(&wrong));
            }
            let truncated = BoundaryMps::proposal(&model, 1).unwrap();
            let found = counts(&truncated.draw(DRAWS, &Streams::new(2)).unwrap().x, model.dims());
            assert_law(&found, &law(&truncated), &exact);
        }
    }
}

/// Spins without field: the draws with parity, where only one symbol's matrices are stored.
#[test]
fn draws_of_spins_follow_the_law() {
    for geometry in GEOMETRIES {
        let lattice = square(4, 3, geometry).with_diagonals(true, true);
        let glass = Couplings::gaussian(lattice, 3);
        let ising = |c: Couplings| Ising::new(c, 0.5).unwrap();
        let (falling, rising) = (glass.diagonal().to_vec(), glass.antidiagonal().to_vec());
        let with = |falling: Vec<f64>, rising: Vec<f64>| ising(glass.clone().with_diagonals(falling, rising).unwrap());
        let model = ising(glass.clone());
        let full = BoundaryMps::new(&model, 256).unwrap();
        let found = counts(&full.draw(DRAWS, &Streams::new(1)).unwrap().x, model.dims());
        for wrong in [with(rising.clone(), falling.clone()), with(falling, vec![]), with(vec![], rising)] {
            assert_law(&found, &law(&model), &law(&wrong));
        }
    }
}

/// Counts of the last configurations of chains that all start at the same configuration.
fn last(target: &dyn Target, dynamics: &dyn Move, updates: usize) -> Vec<u64> {
    let start = target.initial(&mut Streams::new(1).stream(0)).unwrap();
    let x = start.broadcast((CHAINS, start.len())).unwrap().to_owned();
    let mut chains = Chains::new(target, x).unwrap();
    let options = RunOptions { updates, warm_up: 0, thin: updates, seed: 11, ..RunOptions::default() };
    options.run(target, dynamics, &mut chains, |_| Ok(())).unwrap();
    counts(&chains.x().to_owned(), target.dims())
}

/// Counts after some updates under `target`, from independent draws of `law`.
fn from_exact(law: &[f64], target: &dyn Target, dynamics: &dyn Move, updates: u64) -> Vec<u64> {
    let all = all_configs(target.dims());
    let cumulative: Vec<f64> = law
        .iter()
        .scan(0.0, |sum, p| {
            *sum += p;
            Some(*sum)
        })
        .collect();
    let mut rng = Streams::new(4).stream(0);
    let draw = |u: f64| cumulative.partition_point(|&c| c < u).min(law.len() - 1);
    let start: Vec<usize> = (0..CHAINS).map(|_| draw(rng.random())).collect();
    let mut chains = Chains::new(target, all.select(Axis(0), &start)).unwrap();
    (0..updates).for_each(|k| drop(dynamics.update(&mut chains, target, &Streams::new(6).step(k)).unwrap()));
    counts(&chains.x().to_owned(), target.dims())
}

#[test]
fn heat_bath_reaches_the_law() {
    for geometry in GEOMETRIES {
        let oblique = Oblique::random(square(3, 3, geometry), 2, 0.0);
        let (model, exact) = (oblique.model(), law(&oblique.model()));
        let found = last(&model, &SiteHeatBath::new(&model).unwrap(), 60);
        oblique.twins().iter().for_each(|twin| assert_law(&found, &exact, &law(twin)));
    }
}

/// From exact starts windows keep the law; those of a twin leave it.
#[test]
fn windows_keep_the_law() {
    for geometry in GEOMETRIES {
        let oblique = Oblique::random(square(3, 3, geometry), 2, 0.0);
        let (model, exact) = (oblique.model(), law(&oblique.model()));
        let found = from_exact(&exact, &model, &Windows::new(&model, 2, 2, 2).unwrap(), 4);
        let p = chi2_p_value(&found, &exact);
        assert!(p > ALPHA, "{geometry:?}: p = {p:e}");
        let twin = &oblique.twins()[0];
        let found = from_exact(&exact, twin, &Windows::new(twin, 2, 2, 2).unwrap(), 4);
        let p = chi2_p_value(&found, &exact);
        assert!(p < ALPHA, "{geometry:?}: the twin is not seen: p = {p:e}");
    }
}

#[test]
fn clusters_reach_the_law() {
    for geometry in GEOMETRIES {
        let mut rng = Streams::new(3).stream(0);
        let lattice = square(3, 3, geometry).with_diagonals(true, true);
        let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.random::<f64>()).collect() };
        let plain = Couplings::new(
            square(3, 3, geometry),
            draw(lattice.horizontal_bonds()),
            draw(lattice.vertical_bonds()),
            draw(9),
        )
        .unwrap();
        let (falling, rising) = (draw(lattice.diagonal_bonds()), draw(lattice.antidiagonal_bonds()));
        let with = |falling: &[f64], rising: &[f64]| {
            Ising::new(plain.clone().with_diagonals(falling.to_vec(), rising.to_vec()).unwrap(), 0.3).unwrap()
        };
        let model = with(&falling, &rising);
        let clusters = SwendsenWang::new(&model).unwrap().with_sweeps(60).unwrap();
        let found = last(&model, &clusters, 1);
        for wrong in [with(&rising, &falling), with(&falling, &[]), with(&[], &rising)] {
            assert_law(&found, &law(&model), &law(&wrong));
        }
        let potts = PairModel::potts(model.couplings(), 3, 0.3).unwrap();
        let clusters = SwendsenWang::new(&potts).unwrap().with_sweeps(60).unwrap();
        let wrong = PairModel::potts(with(&falling, &[]).couplings(), 3, 0.3).unwrap();
        let x = &last(&potts, &clusters, 1);
        let part = |p: &[f64]| -> Vec<f64> { p.chunks(27).map(|c| c.iter().sum()).collect() };
        let found: Vec<u64> = x.chunks(27).map(|c| c.iter().sum()).collect();
        assert_law(&found, &part(&law(&potts)), &part(&law(&wrong)));
    }
}

/// Boundary states of χ = 2 in the fields of asymmetric noise: from exact starts the law stays; under a twin it
/// does not.
#[test]
fn connected_moves_keep_the_law() {
    for geometry in GEOMETRIES {
        let oblique = Oblique::random(square(3, 3, geometry), 2, 0.0);
        let (model, exact) = (oblique.model(), law(&oblique.model()));
        let moved = |model: &PairModel, draws: usize| {
            let rates = Rates::new(random_rates(model.dims(), 5)).unwrap();
            let noise = Noise::new(rates, Schedule::constant(1.0).unwrap()).kernel(0.0, 0.8).unwrap();
            let boundary = BoundaryMps::proposal(model, 2).unwrap();
            let connected = Connected::new(&boundary, noise).unwrap();
            from_exact(&exact, model, &InnerDraws::new(connected, draws).unwrap(), 4)
        };
        for draws in [1, 2] {
            let p = chi2_p_value(&moved(&model, draws), &exact);
            assert!(p > ALPHA, "{geometry:?}, {draws} draws: p = {p:e}");
        }
        let p = chi2_p_value(&moved(&oblique.twins()[0], 1), &exact);
        assert!(p < ALPHA, "{geometry:?}: the twin is not seen: p = {p:e}");
    }
}

/// A ladder whose cold end moves by exchanges alone.
#[test]
fn tempering_reaches_the_law() {
    let c = Couplings::gaussian(square(3, 3, Geometry::Torus).with_diagonals(true, true), 2);
    let models = [0.3, 0.8].map(|beta| Ising::new(c.clone(), beta).unwrap());
    let sweep = SiteHeatBath::new(&models[0]).unwrap();
    let still = Local::new(|_: &mut [u8], _: &mut Stream| Ok((1, 0)));
    let dynamics: [&dyn Move; 2] = [&sweep, &still];
    let level = |k: usize| Level { parameter: models[k].beta(), target: &models[k], dynamics: dynamics[k] };
    let tempering = Tempering::new((0..2).map(level).collect()).unwrap().proportional().unwrap();
    let mut replicas = tempering.start(CHAINS / 4, 9).unwrap();
    (0..200).for_each(|_| tempering.update(&mut replicas).unwrap());
    for k in 0..2 {
        let found = counts(&replicas.level(k).unwrap().to_owned(), &[2; 9]);
        assert_law(&found, &law(&models[k]), &law(&models[1 - k]));
    }
}

/// J1–J2 spins too many to enumerate: weighted draws and heat-bath chains have the same energy, five standard
/// errors apart at most (false alarms 6e-7 a case), and not that of the model without diagonals.
#[test]
fn frustrated_spins_have_one_energy() {
    for geometry in GEOMETRIES {
        let model = Ising::new(Couplings::j1_j2(square(12, 12, geometry), 1.0, -0.5).unwrap(), 0.6).unwrap();
        let draws = BoundaryMps::proposal(&model, 16).unwrap().draw(8000, &Streams::new(3)).unwrap();
        let log_w = draws.log_importance_weights(&model).unwrap();
        assert!(WeightSummary::of(log_w.view()).unwrap().fraction > 0.5, "{geometry:?}");
        let energy = model.energy(draws.x.view()).unwrap();
        let weighted = Estimate::importance_mean(log_w.view(), energy.view()).unwrap();
        let mut chains = Chains::initial(&model, 64, 5).unwrap();
        let options = RunOptions { updates: 2000, warm_up: 400, thin: 20, seed: 7, ..RunOptions::default() };
        let heat_bath = SiteHeatBath::new(&model).unwrap();
        let run = options.run(&model, &heat_bath, &mut chains, |x| model.energy(x)).unwrap();
        let (mean, error) = run.mean(0).map(|found| (found.mean, found.error)).unwrap();
        let sigma = error.hypot(weighted.error);
        assert!((mean - weighted.mean).abs() < 5.0 * sigma, "{geometry:?}: {mean} ± {error}, {weighted:?}");
        let plain = Ising::new(Couplings::uniform(square(12, 12, geometry), 1.0).unwrap(), 0.6).unwrap();
        let x = BoundaryMps::new(&plain, 8).unwrap().draw(1000, &Streams::new(4)).unwrap().x;
        let other = plain.energy(x.view()).unwrap().mean().unwrap();
        assert!((other - mean).abs() > 20.0 * sigma, "{geometry:?}: {other}");
    }
}
