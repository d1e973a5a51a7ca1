//! Metropolis, heat bath and Wolff on square lattices: laws of many independent chains, energies of long
//! ones.

use ndarray::Axis;
use rand::RngExt;
use serde_json::Value;
use tensorjump::lattice::{Couplings, Geometry, Ising, PairModel, SiteHeatBath, SpinSweep, Square, Wolff};
use tensorjump::mcmc::{Chains, Cycle, Mixture, Move, RunOptions};
use tensorjump::{Configs, Streams, Target};

use crate::common::{ALPHA, all_configs, assert_law, chi2_p_value, counts, law};

const CHAINS: usize = 20_000;

/// Couplings and fields between 0 and 1 in size, signs random or positive, fields zero for ferromagnets.
fn ising(rows: usize, cols: usize, geometry: Geometry, ferromagnet: bool) -> Ising {
    let lattice = Square::new(rows, cols, geometry).unwrap();
    let mut rng = Streams::new(3).domain("square").stream(0);
    let mut draw = |n: usize| -> Vec<f64> {
        (0..n).map(|_| if ferromagnet { rng.random::<f64>() } else { 2.0 * rng.random::<f64>() - 1.0 }).collect()
    };
    let (horizontal, vertical) = (draw(lattice.horizontal_bonds()), draw(lattice.vertical_bonds()));
    let field = if ferromagnet { vec![0.0; lattice.sites()] } else { draw(lattice.sites()) };
    Ising::new(Couplings::new(lattice, horizontal, vertical, field).unwrap(), 0.8).unwrap()
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

/// The model with its horizontal and its vertical couplings in reverse order, the fields in place.
fn twin(ising: &Ising) -> Ising {
    let c = ising.couplings();
    let reversed = |v: &[f64]| v.iter().rev().copied().collect::<Vec<_>>();
    let couplings = Couplings::new(c.lattice(), reversed(c.horizontal()), reversed(c.vertical()), c.field().to_vec());
    Ising::new(couplings.unwrap(), ising.beta()).unwrap()
}

/// Checkerboard order on open lattices, the 2 × 4 cylinder, raster order on the 3 × 3 torus and cylinder.
#[test]
fn sweeps_reach_the_law() {
    for (rows, cols, geometry) in
        [(3, 3, Geometry::Open), (2, 4, Geometry::Cylinder), (3, 3, Geometry::Cylinder), (3, 3, Geometry::Torus)]
    {
        let model = ising(rows, cols, geometry, false);
        let wrong = law(&twin(&model));
        for sweep in [SpinSweep::metropolis(&model).unwrap(), SpinSweep::heat_bath(&model).unwrap()] {
            assert_eq!(sweep.is_checkerboard(), cols == 4 || geometry == Geometry::Open);
            let found = last(&model, &sweep.with_sweeps(100).unwrap(), 1);
            assert_law(&found, &law(&model), &wrong);
        }
        // The dynamics of another model does not reach the law.
        let other = SpinSweep::heat_bath(&twin(&model)).unwrap().with_sweeps(100).unwrap();
        assert!(chi2_p_value(&last(&model, &other, 1), &law(&model)) < ALPHA);
    }
}

/// Nine sites of the 4 × 4 torus, in checkerboard order, from exact starts: invariance only, the test above
/// shows convergence.
#[test]
fn checkerboard_sweeps_keep_the_law_of_a_torus() {
    let model = ising(4, 4, Geometry::Torus, false);
    let all = all_configs(model.dims());
    let part = |x: Configs<'_>| x.slice(ndarray::s![.., 0..9]).to_owned();
    let project = |p: &[f64]| -> Vec<f64> { p.chunks(1 << 7).map(|c| c.iter().sum()).collect() };
    let cumulative: Vec<f64> = law(&model)
        .iter()
        .scan(0.0, |sum, p| {
            *sum += p;
            Some(*sum)
        })
        .collect();
    let mut rng = Streams::new(4).stream(0);
    let draw = |u: f64| cumulative.partition_point(|&c| c < u).min(all.nrows() - 1);
    let draws: Vec<usize> = (0..CHAINS).map(|_| draw(rng.random())).collect();
    for sweep in [SpinSweep::metropolis(&model).unwrap(), SpinSweep::heat_bath(&model).unwrap()] {
        assert!(sweep.is_checkerboard());
        let mut chains = Chains::new(&model, all.select(Axis(0), &draws)).unwrap();
        sweep.with_sweeps(20).unwrap().update(&mut chains, &model, &Streams::new(6)).unwrap();
        let found = counts(&part(chains.x()), &[2; 9]);
        assert_law(&found, &project(&law(&model)), &project(&law(&twin(&model))));
    }
}

#[test]
fn wolff_reaches_the_law() {
    for (rows, cols, geometry) in
        [(3, 3, Geometry::Open), (2, 4, Geometry::Cylinder), (3, 3, Geometry::Cylinder), (3, 3, Geometry::Torus)]
    {
        let model = ising(rows, cols, geometry, true);
        let wolff = Wolff::new(&model).unwrap().with_clusters(150).unwrap();
        assert_law(&last(&model, &wolff, 1), &law(&model), &law(&twin(&model)));
        let uniform = Ising::new(Couplings::uniform(model.lattice(), 0.7).unwrap(), 0.5).unwrap();
        let wolff = Wolff::new(&uniform).unwrap().with_clusters(150).unwrap();
        let warmer = Ising::new(uniform.couplings().clone(), 0.45).unwrap();
        assert_law(&last(&uniform, &wolff, 1), &law(&uniform), &law(&warmer));
    }
}

#[test]
fn heat_bath_of_pair_models_and_compositions() {
    let glass = ising(2, 3, Geometry::Cylinder, false);
    let lattice = Square::new(3, 3, Geometry::Torus).unwrap();
    let potts = PairModel::potts(glass.couplings(), 3, 0.8).unwrap();
    let other = PairModel::potts(twin(&glass).couplings(), 3, 0.8).unwrap();
    assert_law(&last(&potts, &SiteHeatBath::new(&potts).unwrap(), 50), &law(&potts), &law(&other));
    let (hard, denser) =
        (PairModel::hard_squares(lattice, 1.5).unwrap(), PairModel::hard_squares(lattice, 1.8).unwrap());
    assert_law(&last(&hard, &SiteHeatBath::new(&hard).unwrap(), 50), &law(&hard), &law(&denser));

    let model = ising(3, 3, Geometry::Open, true);
    let parts = || -> Vec<Box<dyn Move>> {
        vec![
            Box::new(SpinSweep::metropolis(&model).unwrap().with_sweeps(3).unwrap()),
            Box::new(Wolff::new(&model).unwrap()),
        ]
    };
    let cycle = Cycle::new(parts()).unwrap();
    assert_law(&last(&model, &cycle, 40), &law(&model), &law(&twin(&model)));
    let mixture = Mixture::new(parts().into_iter().map(|part| (0.5, part)).collect()).unwrap();
    assert_law(&last(&model, &mixture, 40), &law(&model), &law(&twin(&model)));
}

#[test]
fn energies_at_the_critical_point() {
    let file: Value = serde_json::from_str(include_str!("../reference/ising.json")).unwrap();
    let beta = (1.0 + 2f64.sqrt()).ln() / 2.0;
    let is_it = |c: &&Value| {
        c["kind"] == "open" && c["L"] == 16 && c["M"] == 16 && (c["beta"].as_f64().unwrap() - beta).abs() < 1e-9
    };
    let case = file["cases"].as_array().unwrap().iter().find(is_it).unwrap();
    let lattice = Square::new(16, 16, Geometry::Open).unwrap();
    let model = Ising::new(Couplings::uniform(lattice, 1.0).unwrap(), beta).unwrap();
    let dynamics: [Box<dyn Move>; 3] = [
        Box::new(SpinSweep::metropolis(&model).unwrap().with_sweeps(20).unwrap()),
        Box::new(SpinSweep::heat_bath(&model).unwrap().with_sweeps(20).unwrap()),
        Box::new(Wolff::new(&model).unwrap().with_clusters(5).unwrap()),
    ];
    let observe = |x: Configs<'_>| {
        let m = model.magnetisation(x)?;
        Ok(ndarray::stack![Axis(1), model.energy(x)? / 256.0, &m * &m])
    };
    for dynamics in &dynamics {
        let mut chains = Chains::initial(&model, 32, 2).unwrap();
        let options = RunOptions { updates: 500, seed: 2, ..RunOptions::default() };
        let run = options.run(&model, dynamics, &mut chains, observe).unwrap();
        for (k, (name, precision)) in [("energy_per_site", 0.004), ("m2", 0.01)].into_iter().enumerate() {
            let (found, exact) = (run.mean(k).unwrap(), case[name].as_f64().unwrap());
            assert!(found.error < precision, "{name}: error {}", found.error);
            assert!((found.mean - exact).abs() < 5.0 * found.error, "{name}: {} ± {}", found.mean, found.error);
        }
    }
}

#[test]
fn threads_change_nothing() {
    let model = ising(5, 6, Geometry::Torus, true);
    let pairs = model.pair_model().unwrap();
    let dynamics: [Box<dyn Move>; 4] = [
        Box::new(SpinSweep::metropolis(&model).unwrap()),
        Box::new(SpinSweep::heat_bath(&model).unwrap()),
        Box::new(Wolff::new(&model).unwrap()),
        Box::new(SiteHeatBath::new(&pairs).unwrap()),
    ];
    for dynamics in &dynamics {
        let result = |threads: usize, chains: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut chains = Chains::initial(&model, chains, 9).unwrap();
                for k in 0..3 {
                    dynamics.update(&mut chains, &model, &Streams::new(9).step(k)).unwrap();
                }
                chains.x().slice(ndarray::s![..7, ..]).to_owned()
            })
        };
        let one = result(1, 7);
        assert_eq!(one, result(3, 7));
        assert_eq!(one, result(2, 40));
        assert!(one.outer_iter().skip(1).any(|row| row != one.row(0)));
    }
}
