//! Cubic lattices: energies, overlaps, restarts, and what is refused.

use ndarray::{Array2, Axis};
use tensorjump::io::{Checkpoint, Interval};
use tensorjump::lattice::{
    Cubic, CubicClusters, CubicCouplings, CubicIsing, CubicLanes, CubicMove, CubicPotts, CubicPottsMove, CubicTempering,
};
use tensorjump::mcmc::{Chains, Level, Move, Tempering};
use tensorjump::{Error, Stream, Streams, Target};

use crate::common::all_configs;

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn stream(name: &str) -> Stream {
    Streams::new(4).domain(name).stream(0)
}

/// Gaussian couplings and fields on a lattice of mixed edges.
fn glass() -> CubicIsing {
    let lattice = Cubic::new([3, 4, 5], [true, false, true]).unwrap();
    let field = (0..60).map(|j| 0.1 * f64::from(j % 7) - 0.3).collect();
    CubicIsing::new(CubicCouplings::gaussian(lattice, 2).with_field(field).unwrap(), 0.8).unwrap()
}

fn random(ising: &CubicIsing, rows: usize) -> Array2<u8> {
    let mut rng = stream("start");
    let rows: Vec<_> = (0..rows).map(|_| ising.initial(&mut rng).unwrap()).collect();
    ndarray::stack(Axis(0), &rows.iter().map(|x| x.view()).collect::<Vec<_>>()).unwrap()
}

/// `Σ J s s` by coordinates, without tables.
fn by_hand(ising: &CubicIsing, x: &[u8]) -> f64 {
    let (lattice, n) = (ising.lattice(), ising.lattice().shape());
    let s = |at: [usize; 3]| 2.0 * f64::from(x[lattice.site(at)]) - 1.0;
    let mut sum = 0.0;
    for a in 0..n[0] {
        for b in 0..n[1] {
            for c in 0..n[2] {
                for d in 0..3 {
                    let mut to = [a, b, c];
                    to[d] += 1;
                    if to[d] == n[d] {
                        if !lattice.periodic()[d] {
                            continue;
                        }
                        to[d] = 0;
                    }
                    sum += ising.couplings().along(d)[lattice.site([a, b, c])] * s([a, b, c]) * s(to);
                }
            }
        }
    }
    sum
}

#[test]
fn energies_are_sums_over_bonds_and_sites() {
    let ising = glass();
    let x = random(&ising, 16);
    let (energy, in_field) = (ising.energy(x.view()).unwrap(), ising.field_energy(x.view()).unwrap());
    let weight = ising.log_weight(x.view()).unwrap();
    let lanes = CubicLanes::new(std::slice::from_ref(&ising), x.view()).unwrap();
    assert_eq!(lanes.x(), x);
    for (i, row) in x.outer_iter().enumerate() {
        let row = row.to_vec();
        let bonds = by_hand(&ising, &row);
        let field: f64 = ising.couplings().field().iter().zip(&row).map(|(h, &a)| h * (2.0 * f64::from(a) - 1.0)).sum();
        assert!((energy[i] + bonds).abs() < 1e-12 && (in_field[i] + field).abs() < 1e-12);
        assert!((weight[i] - 0.8 * (bonds + field)).abs() < 1e-12);
        assert!((lanes.energy()[i] + bonds + field).abs() < 1e-11);
        for j in 0..row.len() {
            let mut flipped = row.clone();
            flipped[j] ^= 1;
            let change = by_hand(&ising, &flipped) - bonds;
            let s = 2.0 * f64::from(row[j]) - 1.0;
            let expected = -0.5 * s * change + ising.couplings().field()[j];
            assert!((ising.local_field(&row, j) - 0.8 * expected).abs() < 1e-12);
        }
    }
    assert_eq!(ising.lattice().bonds().count(), 60 + 45 + 60);
}

#[test]
fn overlaps_of_a_configuration_with_itself_are_one() {
    let ising = glass();
    let x = random(&ising, 3);
    assert!(ising.overlap(x.view(), x.view()).unwrap().iter().all(|&q| q == 1.0));
    assert!(ising.link_overlap(x.view(), x.view()).unwrap().iter().all(|&q| q == 1.0));
    let flipped = x.mapv(|a| 1 ^ a);
    assert!(ising.overlap(x.view(), flipped.view()).unwrap().iter().all(|&q| q == -1.0));
    assert!(ising.link_overlap(x.view(), flipped.view()).unwrap().iter().all(|&q| q == 1.0));
    let mut one = x.clone();
    one[[0, 30]] ^= 1; // five or six bonds
    let q = ising.link_overlap(x.view(), one.view()).unwrap()[0];
    let neighbours = ising.lattice().neighbours(30).iter().flatten().count() as f64;
    assert!((q - (1.0 - 2.0 * neighbours / 165.0)).abs() < 1e-12);
}

/// For Gaussian couplings the derivative of log Z by a coupling is β⟨ss⟩: the identity behind the test of
/// equilibrium, by enumeration.
#[test]
fn the_energy_and_the_link_overlap_meet_for_gaussian_couplings() {
    let lattice = Cubic::new([2, 2, 2], [false; 3]).unwrap();
    let beta = 0.9;
    let (mut energy, mut link, samples) = (0.0, 0.0, 2000);
    for seed in 0..samples {
        let ising = CubicIsing::new(CubicCouplings::gaussian(lattice, seed), beta).unwrap();
        let x = all_configs(ising.dims());
        let w = ising.log_weight(x.view()).unwrap().mapv(f64::exp);
        let z = w.sum();
        energy += ising.energy(x.view()).unwrap().dot(&w) / z / 12.0;
        for (_, i, j) in lattice.bonds() {
            let ss = x.outer_iter().zip(&w).map(|(x, w)| if x[i] == x[j] { *w } else { -w }).sum::<f64>() / z;
            link += ss * ss / 12.0;
        }
    }
    let (energy, link) = (energy / samples as f64, link / samples as f64);
    // Each of 2000 instances scatters by some 0.2: 0.03 is six standard errors.
    assert!((-energy - beta * (1.0 - link)).abs() < 0.03, "{energy} {link}");
}

#[test]
fn draws_do_not_depend_on_threads_or_company() {
    let ising = glass();
    let x = random(&ising, 40);
    for by in [CubicMove::heat_bath(), CubicMove::rods(2, 2).unwrap()] {
        let by = by.of(&ising, 2).unwrap();
        let run = |rows: usize| {
            let mut chains = Chains::new(&ising, x.slice(ndarray::s![..rows, ..]).to_owned()).unwrap();
            (0..3).for_each(|k| drop(by.update(&mut chains, &ising, &Streams::new(1).step(k)).unwrap()));
            chains.x().to_owned()
        };
        let (all, one) = with_threads(3, || (run(40), run(17)));
        assert_eq!(all, with_threads(1, || run(40)));
        assert_eq!(all.slice(ndarray::s![..17, ..]), one);
    }
}

fn tempering() -> CubicTempering {
    let couplings = CubicCouplings::gaussian(Cubic::new([4, 3, 3], [true, false, true]).unwrap(), 1);
    let tempering = CubicTempering::new(couplings, &[0.2, 0.4, 0.7, 1.0, 1.4], 4, 9).unwrap();
    tempering.with_moves(CubicMove::rods(2, 1).unwrap(), 1).unwrap().with_clusters(0.6)
}

#[test]
fn tempering_goes_on_bit_for_bit() {
    let folder = std::env::temp_dir().join(format!("tensorjump-cubic-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("replicas.safetensors");
    let mut whole = tempering();
    whole.advance(60).unwrap();

    let mut first = tempering();
    first.advance(25).unwrap();
    let mut second = tempering();
    second.resume(first.snapshot()).unwrap();
    second.advance(10).unwrap();
    second.write(&path).unwrap();
    let checkpoint = Checkpoint { path: path.clone(), every: Interval::Steps(7) };
    let mut third = tempering();
    let go_on = |_: &CubicTempering| Ok(std::ops::ControlFlow::Continue(()));
    third.run(50, Some(&checkpoint), go_on).unwrap();
    let mut fourth = tempering();
    fourth.read(&path).unwrap();
    fourth.advance(10).unwrap();
    assert_eq!(fourth.snapshot(), whole.snapshot());
    assert_eq!(fourth.energy(), whole.energy());
    assert!(whole.round_trips() > 0);

    // The same file for tempering of any targets.
    let levels = whole.ladder().iter().map(|&beta| {
        let target = whole.ising().at(beta).unwrap();
        Level { parameter: beta, dynamics: CubicMove::heat_bath().of(&target, 1).unwrap(), target }
    });
    let any = Tempering::new(levels.collect()).unwrap();
    whole.write(&path).unwrap();
    let mut expected = whole.snapshot();
    assert_eq!(expected.dynamics.take().unwrap(), "Rods(2, 1), sweeps 1, clusters from beta 0.6");
    assert_eq!(any.read(&path).unwrap().snapshot(), expected);

    type Setting = fn(CubicTempering) -> CubicTempering;
    let others: [(&str, Setting); 3] = [
        ("moves", |t| t.with_moves(CubicMove::rods(2, 2).unwrap(), 1).unwrap()),
        ("sweeps", |t| t.with_moves(CubicMove::rods(2, 1).unwrap(), 2).unwrap()),
        ("clusters", |t| t.with_clusters(0.7)),
    ];
    for (name, with) in others {
        let error = with(tempering()).read(&path).unwrap_err();
        assert!(matches!(&error, Error::Parameter { name: "moves of the snapshot", .. }), "{name}: {error}");
        let mut told = whole.snapshot();
        told.dynamics = None;
        with(tempering()).resume(told).unwrap();
    }

    let other = CubicCouplings::gaussian(whole.ising().lattice(), 2);
    let mut other = CubicTempering::new(other, whole.ladder(), 4, 9)
        .unwrap()
        .with_moves(CubicMove::rods(2, 1).unwrap(), 1)
        .unwrap()
        .with_clusters(0.6);
    let error = other.resume(whole.snapshot()).unwrap_err();
    assert!(matches!(&error, Error::Entry { place, .. } if place == "log_weight[0]"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn tempering_does_not_depend_on_threads() {
    let run = || {
        let mut tempering = tempering();
        tempering.advance(20).unwrap();
        tempering.snapshot()
    };
    assert_eq!(with_threads(1, run), with_threads(3, run));
}

#[test]
fn wrong_input_is_refused_by_name() {
    assert!(matches!(Cubic::new([3, 0, 3], [false; 3]), Err(Error::Parameter { name: "ny", .. })));
    assert!(matches!(Cubic::new([2, 3, 3], [true; 3]), Err(Error::Parameter { name: "nx", .. })));
    let lattice = Cubic::new([4, 3, 3], [true, true, false]).unwrap();
    let lists = || [0, 1, 2].map(|_| vec![1.0; 36]);
    let error = CubicCouplings::new(lattice, lists(), vec![0.0; 36]).unwrap_err();
    assert!(matches!(&error, Error::Entry { place, .. } if place == "z[0][0][2]"), "{error}");
    let error = CubicCouplings::new(lattice, lists(), vec![0.0; 35]).unwrap_err();
    assert!(matches!(&error, Error::Entries { place, expected: 36, got: 35 } if place == "field"), "{error}");

    let ising = CubicIsing::new(CubicCouplings::gaussian(lattice, 1), 1.0).unwrap();
    assert!(matches!(ising.at(f64::NAN), Err(Error::Parameter { name: "beta", .. })));
    let x = random(&ising, 2);
    let mut lanes = CubicLanes::new(std::slice::from_ref(&ising), x.view()).unwrap();
    let mut rng = stream("refused");
    let cube = Cubic::new([4, 3, 3], [true; 3]).unwrap();
    let other = CubicIsing::new(CubicCouplings::gaussian(cube, 1), 1.0).unwrap();
    let error = CubicLanes::new(&[ising.clone(), other], x.view()).unwrap_err();
    assert!(matches!(error, Error::Parameter { name: "lattice of a replica", .. }), "{error}");
    assert!(matches!(CubicLanes::new(&[], x.view()), Err(Error::SampleCount { .. })));
    let many = random(&ising, 17);
    let error = CubicLanes::new(std::slice::from_ref(&ising), many.view()).unwrap_err();
    assert!(matches!(error, Error::Parameter { name: "replicas", .. }), "{error}");

    for (start, shape, name) in [
        ([4, 0, 0], [1, 1, 1], "start of the window"),
        ([0, 0, 0], [1, 0, 1], "shape of the window"),
        ([0, 0, 1], [1, 1, 3], "shape of the window"), // leaves the open side
        ([0, 0, 0], [5, 1, 1], "shape of the window"),
    ] {
        let error = lanes.redraw(start, shape, &mut rng).unwrap_err();
        assert!(matches!(error, Error::Parameter { name: got, .. } if got == name), "{error}");
    }
    // A ring has no end.
    let ring = CubicIsing::new(CubicCouplings::gaussian(Cubic::new([3, 3, 3], [true; 3]).unwrap(), 1), 1.0).unwrap();
    let mut rings = CubicLanes::new(std::slice::from_ref(&ring), random(&ring, 1).view()).unwrap();
    let error = rings.redraw([0; 3], [3, 3, 3], &mut rng).unwrap_err();
    assert!(error.to_string().contains("wraps onto itself"), "{error}");
    let large = CubicIsing::new(CubicCouplings::gaussian(Cubic::new([5, 4, 4], [false; 3]).unwrap(), 1), 1.0).unwrap();
    let mut wide = CubicLanes::new(std::slice::from_ref(&large), random(&large, 1).view()).unwrap();
    let error = wide.redraw([0; 3], [5, 4, 4], &mut rng).unwrap_err();
    assert!(matches!(error, Error::TooLarge { size: 65_536, limit: 4096, .. }), "{error}");
    assert!(matches!(CubicMove::rods(13, 1), Err(Error::TooLarge { size: 8192, limit: 4096, .. })));
    assert!(matches!(CubicMove::rods(0, 1), Err(Error::Parameter { .. })));

    let error = CubicClusters::wolff(&ising).unwrap_err();
    assert!(matches!(&error, Error::Entry { place, .. } if place.starts_with("x[")), "{error}");
    let field = CubicCouplings::uniform(lattice, 1.0).unwrap().with_field(vec![0.1; 36]).unwrap();
    let error = CubicClusters::swendsen_wang(&CubicIsing::new(field, 1.0).unwrap()).unwrap_err();
    assert!(matches!(&error, Error::Entry { place, .. } if place == "field[0][0][0]"), "{error}");
    assert!(CubicTempering::new(CubicCouplings::gaussian(lattice, 1), &[1.0], 2, 1).is_err());
    assert!(CubicTempering::new(CubicCouplings::gaussian(lattice, 1), &[1.0, 2.0], 0, 1).is_err());
}

/// Couplings smaller than single precision are nothing to a sweep and something to an energy.
#[test]
fn couplings_below_single_precision_keep_their_energies() {
    let lattice = Cubic::new([3, 3, 3], [true; 3]).unwrap();
    let ising = CubicIsing::new(CubicCouplings::uniform(lattice, 1e-40).unwrap(), 1.0).unwrap();
    let x = Array2::ones((16, 27));
    let mut lanes = CubicLanes::new(std::slice::from_ref(&ising), x.view()).unwrap();
    assert!(lanes.energy().iter().all(|e| (e / -81e-40 - 1.0).abs() < 1e-12));
    for by in [CubicMove::heat_bath(), CubicMove::metropolis(), CubicMove::rods(2, 2).unwrap()] {
        let report = lanes.advance(by, 50, &mut stream("tiny")).unwrap();
        assert!(report.accepted > 0);
        let up: f64 = lanes.x().iter().map(|&a| f64::from(a)).sum();
        assert!((up / 432.0 - 0.5).abs() < 0.15, "{by:?}: {up} of 432 spins up"); // six standard deviations
    }
}

/// `log Z` and the bond energy of the periodic 4³ Ising model with couplings one: the trace of the fourth
/// power of the transfer matrix `T = D^½ W D^½` of a layer of 16 spins, `D` its own bonds, `W` those to the
/// next layer, applied site by site. Layers that a symmetry maps to each other have the same share.
fn by_transfer_matrix(beta: f64) -> (f64, f64) {
    const LAYERS: usize = 1 << 16;
    let neighbour = |j: usize, (x, y): (usize, usize)| (j / 4 + x) % 4 * 4 + (j % 4 + y) % 4;
    let bonds = |a: usize| {
        let of_site =
            |j: usize| [(0, 1), (1, 0)].map(|to| if (a >> j ^ a >> neighbour(j, to)) & 1 == 0 { 1 } else { -1 });
        (0..16).flat_map(of_site).sum::<i32>()
    };
    let energies: Vec<f64> = (0..LAYERS).map(|a| f64::from(bonds(a))).collect();
    // Shifts, a reflection, the exchange of the axes.
    let moved = |a: usize, to: fn(usize) -> usize| (0..16).fold(0, |b, j| b | (a >> j & 1) << to(j));
    let maps: [fn(usize) -> usize; 3] = [|j| (j + 4) % 16, |j| j / 4 * 4 + 3 - j % 4, |j| j % 4 * 4 + j / 4];
    let (mut seen, mut z, mut energy) = (vec![false; LAYERS], 0.0, 0.0);
    let scale = 4.0 * 48.0 * beta; // of the ground state
    for a in 0..LAYERS {
        if seen[a] {
            continue;
        }
        let (mut orbit, mut next) = (vec![a], 0);
        seen[a] = true;
        while next < orbit.len() {
            let b = orbit[next];
            next += 1;
            for c in maps.iter().map(|&to| moved(b, to)).chain([b ^ (LAYERS - 1)]) {
                if !std::mem::replace(&mut seen[c], true) {
                    orbit.push(c);
                }
            }
        }
        // T² of the layer: the first W of a single layer is a product.
        let of_layer = |b: usize| (beta * (16.0 - 2.0 * f64::from((a ^ b).count_ones()) + energies[b] - 48.0)).exp();
        let mut v: Vec<f64> = (0..LAYERS).map(of_layer).collect();
        for j in 0..16 {
            let (equal, different) = (1.0, (-2.0 * beta).exp());
            for b in (0..LAYERS).filter(|b| b >> j & 1 == 0) {
                let (down, up) = (v[b], v[b | 1 << j]);
                v[b] = equal * down + different * up;
                v[b | 1 << j] = different * down + equal * up;
            }
        }
        let half = |b: usize| (beta * (energies[b] - 32.0)).exp();
        let share: f64 = (0..LAYERS).map(|b| v[b] * v[b] * half(b)).sum::<f64>() * half(a) * orbit.len() as f64;
        z += share;
        energy += share * energies[a] / 32.0;
    }
    (z.ln() + scale, energy / z)
}

#[test]
fn the_numbers_that_moves_are_held_against_are_those_of_the_transfer_matrix() {
    for (beta, log_z, bond) in
        [(0.1, 45.3464570193, 0.1055396), (0.22165463, 50.4277428493, 0.4310760), (0.3, 60.5097350728, 0.8383578)]
    {
        let found = by_transfer_matrix(beta);
        assert!((found.0 - log_z).abs() < 1e-9, "log Z at {beta}: {}", found.0);
        assert!((found.1 - bond).abs() < 6e-8, "bond energy at {beta}: {}", found.1);
    }
    // The derivative of log Z over 192 bonds, to the fourth order of the step.
    let log_z = |beta: f64| by_transfer_matrix(beta).0;
    let slope = 8.0 * (log_z(0.301) - log_z(0.299)) - (log_z(0.302) - log_z(0.298));
    assert!((slope / 0.012 / 192.0 - 0.8383578).abs() < 6e-8, "{slope}");
}

#[test]
fn rods_of_weights_that_underflow_are_refused() {
    let pair = Cubic::new([2, 1, 1], [false; 3]).unwrap();
    // (0, 0), (0, 1) and (1, 1) have equal weights; the vector of the second site would underflow.
    let couplings = CubicCouplings::uniform(pair, 800.0).unwrap().with_field(vec![800.0, -800.0]).unwrap();
    let potts = CubicPotts::new(couplings.clone(), 2, 1.0).unwrap();
    let error = CubicPottsMove::rods(&potts, 1, 1).unwrap_err();
    assert!(matches!(error, Error::Parameter { .. }) && error.to_string().contains("3200"), "{error}");
    assert!(CubicPottsMove::rods(&potts.at(0.18).unwrap(), 1, 1).is_ok());
}
