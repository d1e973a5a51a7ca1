//! Free fermions against the exact reference values, and against sums over rows written out here.

use tensorjump::Error;
use tensorjump::lattice::{Couplings, FreeFermions, Geometry, Ising, Square};

use crate::common::reference::cases;

/// Relative difference, in units of at least one.
fn off(found: f64, exact: f64) -> f64 {
    (found - exact).abs() / exact.abs().max(1.0)
}

/// Every open and cylinder case of both files. The files are good to 1e-9 absolute in log Z, their bond sums
/// above 4 × 4 to 1e-6.
#[test]
fn reference_values() {
    let cases = cases(usize::MAX);
    assert_eq!(cases.len(), 78 + 60);
    for case in cases {
        let found = FreeFermions::new(&case.ising).unwrap();
        let log_z = FreeFermions::log_z_of(&case.ising).unwrap();
        let log_z = off(log_z, case.log_z).max(off(found.log_z, case.log_z));
        assert!(log_z < 1e-12, "{}: log Z off by {log_z:e}", case.name);
        // From L = 24 (for ±J from 16) the energies of the files are finite differences, worst at β_c.
        let differences = case.ising.lattice().cols() > if case.glass { 12 } else { 16 };
        let energy = (found.energy_per_site - case.energy_per_site).abs();
        assert!(energy < if differences { 2e-8 } else { 1e-12 }, "{}: energy off by {energy:e}", case.name);
        if let Some(exact) = case.specific_heat {
            let heat = (found.specific_heat - exact).abs();
            assert!(heat < 1e-11, "{}: specific heat off by {heat:e}", case.name);
        }
    }
}

/// Log Z, energy and specific heat by the transfer matrix, positive terms only: `Σ` over the configurations
/// of a row.
fn by_rows(ising: &Ising) -> [f64; 3] {
    let (l, c, beta) = (ising.lattice(), ising.couplings(), ising.beta());
    let n = l.cols();
    let spin = |x: usize, i: usize| if x >> i & 1 == 1 { 1.0 } else { -1.0 };
    // Weight, first and second moment of the bond sum, for each configuration of the present row.
    let mut state = vec![[1.0, 0.0, 0.0]; 1 << n];
    let mut log_scale = 0.0;
    let add = |[w, e, e2]: [f64; 3], b: f64| [w, e + b * w, e2 + b * (2.0 * e + b * w)].map(|v| v * (beta * b).exp());
    for r in 0..l.rows() {
        if r > 0 {
            for i in 0..n {
                let j = c.vertical()[(r - 1) * n + i];
                state = (0..1usize << n)
                    .map(|x| {
                        let (same, other) = (add(state[x], j), add(state[x ^ 1 << i], -j));
                        std::array::from_fn(|k| same[k] + other[k])
                    })
                    .collect();
            }
        }
        for (x, state) in state.iter_mut().enumerate() {
            let along = (0..l.horizontal_cols())
                .map(|i| c.horizontal()[r * l.horizontal_cols() + i] * spin(x, i) * spin(x, (i + 1) % n))
                .sum::<f64>();
            *state = add(*state, along);
        }
        let top = state.iter().map(|s| s[0]).fold(0.0, f64::max);
        state.iter_mut().for_each(|s| *s = s.map(|v| v / top));
        log_scale += top.ln();
    }
    let sum = |k: usize| state.iter().map(|s| s[k]).sum::<f64>();
    let (z, mean) = (sum(0), sum(1) / sum(0));
    let sites = l.sites() as f64;
    [log_scale + z.ln(), -mean / sites, beta * beta * (sum(2) / z - mean * mean) / sites]
}

/// Couplings of any strength and sign, some of them zero, in both orientations; β of either sign and zero.
#[test]
fn any_couplings_against_the_transfer_matrix() {
    for (rows, cols, geometry) in [
        (5, 7, Geometry::Open),
        (9, 4, Geometry::Open),
        (1, 6, Geometry::Open),
        (6, 1, Geometry::Open),
        (1, 1, Geometry::Open),
        (6, 3, Geometry::Cylinder),
        (4, 8, Geometry::Cylinder),
        (1, 5, Geometry::Cylinder),
    ] {
        let lattice = Square::new(rows, cols, geometry).unwrap();
        let gauss = Couplings::gaussian(lattice, 3);
        let sparse = |v: &[f64]| v.iter().map(|&j| if j.abs() < 0.4 { 0.0 } else { j }).collect::<Vec<_>>();
        let sparse =
            Couplings::new(lattice, sparse(gauss.horizontal()), sparse(gauss.vertical()), vec![0.0; rows * cols]);
        let ferro = Couplings::uniform(lattice, 1.0);
        for couplings in [gauss, sparse.unwrap(), Couplings::plus_minus(lattice, 5), ferro.unwrap()] {
            for beta in [-0.7, 0.0, 0.3, 1.0, 2.0] {
                let ising = Ising::new(couplings.clone(), beta).unwrap();
                let [log_z, energy, heat] = by_rows(&ising);
                let found = FreeFermions::new(&ising).unwrap();
                let place = format!("{rows}x{cols} {geometry:?} beta {beta}");
                // Frustrated bonds of βJ = 4 lose 10⁻¹⁶ e^{8} a gate.
                assert!(off(found.log_z, log_z) < 1e-11, "{place}: {} {log_z}", found.log_z);
                assert!(off(found.energy_per_site, energy) < 1e-10, "{place}: {} {energy}", found.energy_per_site);
                assert!(off(found.specific_heat, heat) < 1e-9, "{place}: {} {heat}", found.specific_heat);
                assert_eq!(FreeFermions::log_z_of(&ising).unwrap(), found.log_z);
            }
        }
    }
}

/// Large lattices: the ferromagnet at β_c and deep in the ordered phase, ±J at β = 2, by relations that need
/// no reference.
#[test]
fn large_lattices_are_stable() {
    let beta_c = (1.0 + 2f64.sqrt()).ln() / 2.0;
    let lattice = Square::new(128, 128, Geometry::Open).unwrap();
    let ferro = |beta| Ising::new(Couplings::uniform(lattice, 1.0).unwrap(), beta).unwrap();
    // Kramers and Wannier, open lattice: high and low temperature differ by surface terms of order 1/L only.
    let critical = FreeFermions::log_z_of(&ferro(beta_c)).unwrap() / lattice.sites() as f64;
    assert!((critical - 0.929_695_398).abs() < 4.0 / 128.0, "{critical}");
    // At β = 3: two ground states and, by the bonds that they break, single flips, the corner pairs (3
    // bonds), and with 4 bonds four larger shapes at each corner and pairs along each edge; what remains is
    // of order e^{−8β}.
    let beta = 3.0f64;
    let broken = |bonds: f64, count: f64| count * (-2.0 * beta * bonds).exp();
    let flips = broken(2.0, 4.0) + broken(3.0, 4.0 * 126.0 + 8.0) + broken(4.0, 126.0 * 126.0 + 16.0 + 500.0);
    let exact = 2f64.ln() + beta * f64::from(2 * 128 * 127) + flips;
    assert!((FreeFermions::log_z_of(&ferro(beta)).unwrap() - exact).abs() < 1e-9);

    // ±J: the same instance with rows and columns exchanged evolves in the other direction, through other
    // states.
    for seed in 1..3 {
        let n = 64;
        let lattice = Square::new(n, n, Geometry::Open).unwrap();
        let couplings = Couplings::plus_minus(lattice, seed);
        let horizontal = (0..n * (n - 1)).map(|i| couplings.vertical()[i % (n - 1) * n + i / (n - 1)]).collect();
        let vertical = (0..n * (n - 1)).map(|i| couplings.horizontal()[i % n * (n - 1) + i / n]).collect();
        let turned = Couplings::new(lattice, horizontal, vertical, vec![0.0; n * n]).unwrap();
        let log_z = |c: &Couplings, beta| FreeFermions::log_z_of(&Ising::new(c.clone(), beta).unwrap());
        for beta in [0.5, 1.0, 2.0, 4.0] {
            let (a, b) = (log_z(&couplings, beta).unwrap(), log_z(&turned, beta).unwrap());
            assert!(off(a, b) < 1e-12, "{a} {b}");
        }
        // e^{32} times the rounding: refused, not returned.
        assert!(matches!(log_z(&couplings, 8.0), Err(Error::NoConvergence { .. })));
    }
}

#[test]
fn fields_and_tori_are_refused() {
    let torus = Square::new(3, 3, Geometry::Torus).unwrap();
    let error = FreeFermions::log_z_of(&Ising::new(Couplings::uniform(torus, 1.0).unwrap(), 0.4).unwrap()).unwrap_err();
    assert!(matches!(error, Error::Parameter { name: "geometry", .. }), "{error}");
    let open = Square::new(3, 3, Geometry::Open).unwrap();
    let mut field = vec![0.0; 9];
    field[5] = 0.1;
    let couplings = Couplings::uniform(open, 1.0).unwrap().with_field(field).unwrap();
    let error = FreeFermions::log_z_of(&Ising::new(couplings, 0.4).unwrap()).unwrap_err();
    assert!(matches!(&error, Error::Entry { place, .. } if place == "field[1][2]"), "{error}");
}
