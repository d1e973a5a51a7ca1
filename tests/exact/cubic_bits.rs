//! Replicas in bits, and cubic Potts models: energies, overlaps, restarts, and what is refused.

use ndarray::{Array2, arr2, s};
use rand::RngExt;
use tensorjump::lattice::{
    Cubic, CubicBits, CubicCouplings, CubicIsing, CubicMove, CubicPotts, CubicPottsMove, CubicTempering,
};
use tensorjump::mcmc::{Level, Tempering};
use tensorjump::{Error, Streams, Target};

const LADDER: [f64; 5] = [0.2, 0.4, 0.7, 1.0, 1.4];

fn glass() -> CubicCouplings {
    CubicCouplings::plus_minus(Cubic::new([4, 3, 3], [true, false, true]).unwrap(), 1)
}

fn ladder(replicas: usize) -> CubicBits {
    CubicBits::new(glass(), &LADDER, replicas, 9).unwrap().with_exchanges().unwrap().with_clusters(0.6)
}

#[test]
fn energies_and_overlaps_are_those_of_the_configurations() {
    let lattice = Cubic::new([4, 3, 5], [true, false, true]).unwrap();
    let whole = CubicCouplings::plus_minus(lattice, 1);
    let thinned =
        |d: usize| whole.along(d).iter().enumerate().map(move |(j, v)| if j % 4 == d { 0.0 } else { 1.7 * v });
    let lists = [0, 1, 2].map(|d| thinned(d).collect());
    let diluted = CubicCouplings::new(lattice, lists, vec![0.0; 60]).unwrap();
    for couplings in [whole, diluted, CubicCouplings::uniform(lattice, 0.5).unwrap()] {
        let mut bits = CubicBits::new(couplings.clone(), &[0.3, -0.2], 77, 3).unwrap();
        bits.advance(3).unwrap();
        let ising = CubicIsing::new(couplings, 1.0).unwrap();
        for k in 0..2 {
            let x = bits.level(k).unwrap();
            assert_eq!(x.dim(), (77, 60));
            let exact = ising.energy(x.view()).unwrap();
            assert!(bits.energy().row(k).iter().zip(&exact).all(|(a, b)| (a - b).abs() < 1e-11));
            let exact = ising.overlap(x.slice(s![..76;2, ..]), x.slice(s![1..;2, ..])).unwrap();
            assert!(bits.overlap(k).unwrap().iter().zip(&exact).all(|(a, b)| (a - b).abs() < 1e-12));
        }
        let x = Array2::from_shape_fn((77, 60), |(r, j)| ((r * j + r) % 3 == 0) as u8);
        bits.set_level(1, x.view()).unwrap();
        assert_eq!(bits.level(1).unwrap(), x);
    }
}

/// A cluster leaves the sum of the energies of its pair: at one level, with clusters and hardly any sweep.
#[test]
fn clusters_keep_the_energy_of_a_pair() {
    let mut bits = CubicBits::new(glass(), &[0.3], 40, 3).unwrap();
    bits.advance(5).unwrap();
    // The same sweeps, with clusters after them.
    let mut with = bits.clone().with_clusters(0.0);
    bits.advance(1).unwrap();
    with.advance(1).unwrap();
    assert_ne!(bits.level(0).unwrap(), with.level(0).unwrap());
    let sums = |bits: &CubicBits| -> Vec<f64> {
        let energy = bits.energy();
        (0..20).map(|pair| energy[[0, 2 * pair]] + energy[[0, 2 * pair + 1]]).collect()
    };
    assert_eq!(sums(&bits), sums(&with));
    assert_eq!(bits.overlap(0).unwrap(), with.overlap(0).unwrap());
    // What is flipped is connected: one cluster of the opposite sites.
    let (before, after) = (bits.level(0).unwrap(), with.level(0).unwrap());
    let lattice = glass().lattice();
    for pair in 0..20 {
        let (a, b) = (before.row(2 * pair), before.row(2 * pair + 1));
        let flipped: Vec<usize> = (0..36).filter(|&j| a[j] != after[[2 * pair, j]]).collect();
        let mut cluster: Vec<usize> = flipped.iter().take(1).copied().collect();
        let mut next = 0;
        while next < cluster.len() {
            for n in lattice.neighbours(cluster[next]).into_iter().flatten() {
                if a[n] != b[n] && !cluster.contains(&n) {
                    cluster.push(n);
                }
            }
            next += 1;
        }
        cluster.sort_unstable();
        assert_eq!(cluster, flipped);
        assert!((0..36).all(|j| (a[j] != after[[2 * pair, j]]) == (b[j] != after[[2 * pair + 1, j]])));
    }
}

#[test]
fn a_ladder_in_bits_goes_on_bit_for_bit() {
    let folder = std::env::temp_dir().join(format!("tensorjump-bits-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("replicas.safetensors");
    let mut whole = ladder(70);
    whole.advance(60).unwrap();
    let mut first = ladder(70);
    first.advance(25).unwrap();
    let mut second = ladder(70);
    second.resume(first.snapshot()).unwrap();
    second.advance(10).unwrap();
    second.write(&path).unwrap();
    let mut third = ladder(70);
    third.read(&path).unwrap();
    third.advance(25).unwrap();
    assert_eq!(third.snapshot(), whole.snapshot());
    assert_eq!((third.energy(), third.updates()), (whole.energy(), 60));
    assert!(whole.round_trips() > 0 && whole.swap_rates().iter().all(|r| *r > 0.1));
    assert!(whole.report().accepted > 0);

    // The same file for tempering of any targets, and in lanes.
    whole.write(&path).unwrap();
    let levels = LADDER.iter().map(|&beta| {
        let target = whole.ising().at(beta).unwrap();
        Level { parameter: beta, dynamics: CubicMove::heat_bath().of(&target, 1).unwrap(), target }
    });
    let mut told = whole.snapshot();
    assert_eq!(told.dynamics.take().unwrap(), "bits, sweeps 1, clusters from beta 0.6");
    assert_eq!(Tempering::new(levels.collect()).unwrap().read(&path).unwrap().snapshot(), told);
    let mut lanes = CubicTempering::new(glass(), &LADDER, 70, 9).unwrap();
    let error = lanes.read(&path).unwrap_err();
    assert!(error.to_string().contains("moves of the snapshot"), "{error}");
    lanes.resume(told).unwrap();
    assert_eq!((lanes.energy(), lanes.round_trips()), (whole.energy(), whole.round_trips()));

    let other = CubicCouplings::plus_minus(glass().lattice(), 2);
    let mut other = CubicBits::new(other, &LADDER, 70, 9).unwrap().with_exchanges().unwrap().with_clusters(0.6);
    let error = other.resume(whole.snapshot()).unwrap_err();
    assert!(matches!(&error, Error::Entry { place, .. } if place == "log_weight[0]"), "{error}");
    let error = ladder(64).resume(whole.snapshot()).unwrap_err();
    assert!(matches!(&error, Error::Entries { place, expected: 64, got: 70 } if place == "walkers"), "{error}");
    // Without exchanges there are no walkers.
    let mut alone = CubicBits::new(glass(), &[0.4, 0.6], 8, 1).unwrap();
    alone.advance(4).unwrap();
    let mut again = CubicBits::new(glass(), &[0.4, 0.6], 8, 5).unwrap();
    again.resume(alone.snapshot()).unwrap();
    alone.advance(3).unwrap();
    again.advance(3).unwrap();
    assert_eq!(alone.snapshot(), again.snapshot());
    assert!(alone.write(&path).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn draws_in_bits_do_not_depend_on_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut bits = ladder(130);
            bits.advance(20).unwrap();
            bits.snapshot()
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn what_does_not_fit_into_bits_is_refused_by_name() {
    let lattice = glass().lattice();
    let error = CubicBits::new(CubicCouplings::gaussian(lattice, 1), &[1.0], 64, 1).unwrap_err();
    assert!(matches!(&error, Error::Entry { place, .. } if place.starts_with("x[0]")), "{error}");
    let field = glass().with_field(vec![0.1; 36]).unwrap();
    let error = CubicBits::new(field, &[1.0], 64, 1).unwrap_err();
    assert!(matches!(&error, Error::Entry { place, .. } if place == "field[0][0][0]"), "{error}");
    for (betas, replicas, name) in [
        (vec![], 1, "number of beta"),
        (vec![1.0], 0, "replicas"),
        (vec![1.0], 513, "replicas"),
        (vec![f64::NAN], 1, "beta"),
    ] {
        let error = CubicBits::new(glass(), &betas, replicas, 1).unwrap_err();
        assert!(matches!(error, Error::Parameter { name: got, .. } if got == name), "{error}");
    }
    let mut bits = CubicBits::new(glass(), &[1.0, 1.0], 8, 1).unwrap();
    assert!(bits.clone().with_exchanges().is_err());
    assert!(bits.clone().with_sweeps(0).is_err());
    assert!(bits.level(2).is_err() && bits.overlap(2).is_err());
    assert!(matches!(
        bits.set_level(0, Array2::zeros((7, 36)).view()),
        Err(Error::SampleCount { expected: 8, got: 7 })
    ));
    assert!(bits.set_level(0, Array2::from_elem((8, 36), 2).view()).is_err());
    assert!(bits.set_level(0, Array2::zeros((8, 35)).view()).is_err());
}

#[test]
fn potts_energies_are_sums_over_bonds() {
    let lattice = Cubic::new([3, 2, 4], [true, false, true]).unwrap();
    let field: Vec<f64> = (0..24).map(|j| 0.1 * f64::from(j) - 1.0).collect();
    let couplings = CubicCouplings::gaussian(lattice, 2).with_field(field.clone()).unwrap();
    let table = arr2(&[[1.0, -0.4, 0.2], [0.3, 0.0, 0.9], [-0.7, 0.5, -0.2]]);
    let mut rng = Streams::new(3).stream(0);
    let x = Array2::from_shape_fn((9, 24), |_| rng.random_range(0..3u8));
    let potts = CubicPotts::new(couplings.clone(), 3, 0.7).unwrap();
    let any = potts.clone().with_pairs(table.view()).unwrap();
    let (energy, of_any) = (potts.energy(x.view()).unwrap(), any.energy(x.view()).unwrap());
    for (r, row) in x.outer_iter().enumerate() {
        let own: f64 = row.iter().zip(&field).filter(|(a, _)| **a == 0).map(|(_, h)| h).sum();
        let (mut delta, mut pairs) = (own, own);
        for (d, i, j) in lattice.bonds() {
            let coupling = couplings.along(d)[i];
            delta += if row[i] == row[j] { coupling } else { 0.0 };
            pairs += coupling * table[[row[i].into(), row[j].into()]];
        }
        assert!((energy[r] + delta).abs() < 1e-12 && (of_any[r] + pairs).abs() < 1e-12);
        assert!((any.log_weight(x.view()).unwrap()[r] - 0.7 * pairs).abs() < 1e-12);
        let most = (0..3).map(|a| row.iter().filter(|b| **b == a).count()).max().unwrap() as f64;
        assert!((potts.magnetisation(x.view()).unwrap()[r] - (3.0 * most / 24.0 - 1.0) / 2.0).abs() < 1e-12);
    }
    // Two states: δ = (1 + s s')/2.
    let couplings = CubicCouplings::gaussian(lattice, 2);
    let x = x.mapv(|a| a % 2);
    let ising = CubicIsing::new(couplings.clone(), 0.35).unwrap().log_weight(x.view()).unwrap();
    let two = CubicPotts::new(couplings, 2, 0.7).unwrap().log_weight(x.view()).unwrap();
    assert!((0..9).all(|r| (two[r] - two[0] - ising[r] + ising[0]).abs() < 1e-12));
}

#[test]
fn potts_models_are_refused_by_name() {
    let couplings = CubicCouplings::gaussian(Cubic::new([3, 3, 3], [true; 3]).unwrap(), 1);
    let potts = CubicPotts::new(couplings.clone(), 3, 1.0).unwrap();
    assert!(matches!(CubicPotts::new(couplings.clone(), 1, 1.0), Err(Error::Parameter { name: "states", .. })));
    assert!(matches!(CubicPotts::new(couplings.clone(), 256, 1.0), Err(Error::Parameter { name: "states", .. })));
    assert!(matches!(potts.at(f64::INFINITY), Err(Error::Parameter { name: "beta", .. })));
    assert!(matches!(potts.at(1e308), Err(Error::Entry { .. })));
    assert!(potts.clone().with_pairs(Array2::zeros((3, 2)).view()).is_err());
    let nan = Array2::from_elem((3, 3), f64::NAN);
    let error = potts.clone().with_pairs(nan.view()).unwrap_err();
    assert!(matches!(&error, Error::Entry { place, .. } if place == "pairs[0][0]"), "{error}");
    let error = CubicPottsMove::rods(&potts, 3, 3).unwrap_err();
    assert!(matches!(error, Error::TooLarge { size: 19_683, limit: 4096, .. }), "{error}");
    assert!(matches!(CubicPottsMove::rods(&potts, 0, 1), Err(Error::Parameter { .. })));
    let error = CubicPottsMove::swendsen_wang(&potts).unwrap_err();
    assert!(matches!(&error, Error::Entry { place, .. } if place.starts_with("x[")), "{error}");
    let clock = potts.clone().with_pairs(Array2::ones((3, 3)).view()).unwrap();
    assert!(matches!(CubicPottsMove::swendsen_wang(&clock), Err(Error::Parameter { name: "pairs", .. })));
    let field = couplings.with_field(vec![0.1; 27]).unwrap();
    let error = CubicPottsMove::swendsen_wang(&CubicPotts::new(field, 3, 1.0).unwrap()).unwrap_err();
    assert!(matches!(&error, Error::Entry { place, .. } if place == "field[0][0][0]"), "{error}");
    assert!(CubicPottsMove::heat_bath(&potts).step(&mut [0; 26], &mut Streams::new(1).stream(0)).is_err());
}
