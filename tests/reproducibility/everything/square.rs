//! What moves on the square lattice: sweeps, clusters, windows; packed or on states, and as moves of chains.

use tensorjump::lattice::{
    Couplings, Geometry, Ising, PairModel, Pairwise, Rectangle, Redrawn, SiteHeatBath, SpinSweep, Spins, Square,
    SwendsenWang, Windows, Wolff, fast_rng,
};
use tensorjump::mcmc::Chains;
use tensorjump::{Stream, Target};

use super::chains::chains;
use super::{Family, Fnv, streams};

fn lattice(rows: usize, cols: usize, geometry: Geometry) -> Square {
    Square::new(rows, cols, geometry).unwrap()
}

fn stream() -> Stream {
    streams().stream(4)
}

fn uniform(lattice: Square) -> Ising {
    Ising::new(Couplings::uniform(lattice, 1.0).unwrap(), 0.4).unwrap()
}

fn glass(lattice: Square) -> Ising {
    Ising::new(Couplings::plus_minus(lattice, 1), 0.7).unwrap()
}

fn varied(lattice: Square) -> Ising {
    let field = (0..lattice.sites()).map(|j| 0.3 - 0.2 * (j % 4) as f64).collect();
    Ising::new(Couplings::gaussian(lattice, 1).with_field(field).unwrap(), 0.7).unwrap()
}

/// Positive couplings, each its own.
fn ferromagnet(lattice: Square) -> Ising {
    let glass = Couplings::gaussian(lattice, 2);
    let positive = |values: &[f64]| values.iter().map(|j| j.abs()).collect();
    let (horizontal, vertical) = (positive(glass.horizontal()), positive(glass.vertical()));
    let couplings = Couplings::new(lattice, horizontal, vertical, vec![0.0; lattice.sites()]).unwrap();
    Ising::new(couplings, 0.5).unwrap()
}

/// A start of the model.
fn start(target: &dyn Target) -> Vec<u8> {
    Chains::initial(target, 1, 3).unwrap().x().row(0).to_vec()
}

/// Packed sweeps, one at a time and several at once, and the move.
fn sweeps(name: &'static str, rule: fn(&Ising) -> tensorjump::Result<SpinSweep>) {
    let models = [
        ("words", uniform(lattice(10, 16, Geometry::Torus))),
        ("words, open", uniform(lattice(9, 15, Geometry::Open))),
        ("words, glass", glass(lattice(7, 12, Geometry::Cylinder))),
        ("bytes", varied(lattice(6, 18, Geometry::Torus))),
        ("bytes, open", varied(lattice(5, 17, Geometry::Open))),
        ("bytes, row after row", uniform(lattice(5, 7, Geometry::Torus))),
    ];
    let mut family = Family::of(name);
    for (name, model) in &models {
        let sweep = rule(model).unwrap();
        assert_eq!(sweep.is_checkerboard(), !name.ends_with("row"));
        family = family
            .case(&format!("{name}, packed"), |hash| {
                let (mut x, mut rng) = (start(model), fast_rng(&mut stream()));
                let mut spins = Spins::new(model.lattice(), &x).unwrap();
                for _ in 0..3 {
                    hash.count(sweep.sweep(&mut spins, &mut rng).unwrap() as u64);
                    hash.count(sweep.sweeps(&mut spins, 2, &mut rng).unwrap() as u64);
                    spins.write(&mut x).unwrap();
                    hash.bytes(x.iter().copied());
                }
            })
            .case(&format!("{name}, move"), |hash| {
                chains(hash, model, &sweep.clone().with_sweeps(2).unwrap());
            });
    }
    family.check();
}

/// Draws of checkerboard sweeps may change, when what costs nothing is mended.
#[test]
fn metropolis_sweeps() {
    sweeps("metropolis", SpinSweep::metropolis);
}

#[test]
fn heat_bath_sweeps() {
    sweeps("heat bath", SpinSweep::heat_bath);
}

#[test]
fn site_heat_bath() {
    let torus = lattice(5, 6, Geometry::Torus);
    let models = [
        ("ising", varied(torus).pair_model().unwrap()),
        ("potts", PairModel::potts(&Couplings::gaussian(torus, 3), 3, 0.8).unwrap()),
        ("clock", PairModel::clock(&Couplings::gaussian(torus, 3), 5, 0.8).unwrap()),
        ("hard squares", PairModel::hard_squares(torus, 1.5).unwrap()),
        ("colourings", PairModel::colourings(lattice(4, 4, Geometry::Open), 4).unwrap()),
    ];
    let mut family = Family::of("site heat bath");
    for (name, model) in &models {
        let sweep = SiteHeatBath::new(model).unwrap();
        family = family
            .case(&format!("{name}, driver"), |hash| {
                let (mut x, mut rng) = (start(model), fast_rng(&mut stream()));
                for _ in 0..5 {
                    sweep.sweep(&mut x, &mut rng).unwrap();
                    hash.bytes(x.iter().copied());
                }
            })
            .case(&format!("{name}, move"), |hash| chains(hash, model, &sweep));
    }
    family.check();
}

#[test]
fn wolff() {
    let models = [
        ("open", uniform(lattice(6, 7, Geometry::Open))),
        ("torus", uniform(lattice(6, 7, Geometry::Torus))),
        ("varied, open", ferromagnet(lattice(6, 7, Geometry::Open))),
        ("varied, cylinder", ferromagnet(lattice(6, 7, Geometry::Cylinder))),
    ];
    let mut family = Family::of("wolff");
    for (name, model) in &models {
        let clusters = Wolff::new(model).unwrap();
        family = family
            .case(&format!("{name}, packed"), |hash| {
                let (mut x, mut rng) = (start(model), fast_rng(&mut stream()));
                let mut spins = Spins::new(model.lattice(), &x).unwrap();
                for _ in 0..20 {
                    hash.count(clusters.cluster(&mut spins, &mut rng).unwrap() as u64);
                    spins.write(&mut x).unwrap();
                    hash.bytes(x.iter().copied());
                }
            })
            .case(&format!("{name}, move"), |hash| {
                chains(hash, model, &clusters.clone().with_clusters(3).unwrap());
            });
    }
    family.check();
}

/// Sweeps on states, and the move.
fn clusters(family: Family, name: &str, target: &dyn Target, clusters: &SwendsenWang) -> Family {
    family
        .case(&format!("{name}, driver"), |hash| {
            let (mut x, mut rng) = (start(target), fast_rng(&mut stream()));
            for _ in 0..6 {
                hash.count(clusters.sweep(&mut x, &mut rng).unwrap() as u64);
                hash.bytes(x.iter().copied());
            }
        })
        .case(&format!("{name}, move"), |hash| chains(hash, target, &clusters.clone().with_sweeps(2).unwrap()))
}

#[test]
fn swendsen_wang() {
    let torus = lattice(5, 6, Geometry::Torus);
    let field: Vec<f64> = (0..30).map(|j| 0.3 - 0.2 * f64::from(j % 4)).collect();
    let isings = [
        ("ising", uniform(torus)),
        ("ising, varied", ferromagnet(lattice(5, 6, Geometry::Open))),
        (
            "ising, field",
            Ising::new(Couplings::uniform(torus, 1.0).unwrap().with_field(field.clone()).unwrap(), 0.4).unwrap(),
        ),
    ];
    let couplings = Couplings::uniform(torus, 1.0).unwrap();
    let pairs = [
        ("potts", PairModel::potts(&couplings, 3, 0.9).unwrap()),
        ("potts, field", PairModel::potts(&couplings.with_field(field).unwrap(), 3, 0.9).unwrap()),
        ("pair", uniform(torus).pair_model().unwrap()),
    ];
    let mut family = Family::of("swendsen-wang");
    for (name, model) in &isings {
        family = clusters(family, name, model, &SwendsenWang::new(model).unwrap());
    }
    for (name, model) in &pairs {
        family = clusters(family, name, model, &SwendsenWang::new(model).unwrap());
    }
    family.check();
}

/// Clock models of three states are Potts models; where they are refused, that is the golden value.
#[test]
fn swendsen_wang_of_three_clock_states() {
    let couplings = Couplings::uniform(lattice(5, 6, Geometry::Torus), 1.0).unwrap();
    let clock = PairModel::clock(&couplings, 3, 0.6).unwrap();
    let family = Family::of("swendsen-wang: clock");
    match SwendsenWang::new(&clock) {
        Ok(sweeps) => clusters(family, "three states", &clock, &sweeps).check(),
        Err(_) => family.case("three states", |hash| hash.text("refused")).check(),
    }
}

/// One rectangle after another, some across an edge.
fn redraws(hash: &mut Fnv, target: &dyn Target, windows: &Windows<&dyn Pairwise>) {
    let mut x = start(target);
    for k in 0..12 {
        let rectangle = Rectangle { row: k % 5, col: (2 * k) % 6, rows: 1 + k % 3, cols: 1 + k % 4 };
        let redrawn = windows.redraw(rectangle, &mut x, &streams().step(k as u64)).unwrap();
        hash.count(match redrawn {
            Redrawn::Accepted => 0,
            Redrawn::Rejected => 1,
            Redrawn::Unsupported => 2,
        });
        hash.bytes(x.iter().copied());
    }
}

#[test]
fn windows() {
    let torus = lattice(5, 6, Geometry::Torus);
    let (ising, even) = (varied(torus), glass(torus));
    let potts = PairModel::potts(&Couplings::gaussian(torus, 3), 3, 0.8).unwrap();
    let hard = PairModel::hard_squares(lattice(5, 6, Geometry::Cylinder), 1.5).unwrap();
    let pair = even.pair_model().unwrap();
    fn of(model: &dyn Pairwise) -> Windows<&dyn Pairwise> {
        Windows::new(model, 3, 4, 2).unwrap()
    }
    let forms: [(&str, &dyn Target, Windows<&dyn Pairwise>); 7] = [
        ("ising", &ising, of(&ising)),
        ("potts", &potts, of(&potts)),
        ("hard squares", &hard, of(&hard)),
        ("count", &ising, of(&ising).with_count(3).unwrap()),
        ("flip", &even, of(&even).with_flip().unwrap()),
        ("pair, count, flip", &pair, of(&pair).with_count(3).unwrap().with_flip().unwrap()),
        ("all columns", &ising, Windows::new(&ising as &dyn Pairwise, 2, 6, 4).unwrap()),
    ];
    let mut family = Family::of("windows")
        .case("redraw, ising", |hash| redraws(hash, &ising, &forms[0].2))
        .case("redraw, potts", |hash| redraws(hash, &potts, &forms[1].2));
    for (name, target, windows) in &forms {
        family = family
            .case(&format!("{name}, sweep"), |hash| {
                let mut x = start(*target);
                for k in 0..3 {
                    let (made, accepted) = windows.sweep(&mut x, &streams().step(k)).unwrap();
                    hash.count(made as u64);
                    hash.count(accepted as u64);
                    hash.bytes(x.iter().copied());
                }
            })
            .case(&format!("{name}, update"), |hash| {
                let (mut x, mut stream) = (start(*target), stream());
                for _ in 0..4 {
                    let (made, accepted) = windows.update_one(&mut x, &mut stream).unwrap();
                    hash.count(made as u64);
                    hash.count(accepted as u64);
                    hash.bytes(x.iter().copied());
                }
            })
            .case(&format!("{name}, move"), |hash| chains(hash, *target, windows));
    }
    family.check();
}
