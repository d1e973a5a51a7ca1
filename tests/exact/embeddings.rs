//! Other planar lattices: neighbours, places, and the values of their solved models.
//!
//! Cylinders of circumference `L` are compared through `ln λ = log Z_{M+1} − log Z_M`, `λ` the largest eigenvalue
//! of the transfer matrix: what the free ends add cancels but for `e^{−M Δ}`, `Δ` the gap. At criticality `Δ ≥ π√3/L`
//! a row for functions that are even under the flip of all spins (the energy, of dimension one): `e^{−0.6·60}` at
//! L = 9.

use std::f64::consts::{LN_2, PI};

use tensorjump::lattice::{ContractOptions, Contraction, Couplings, FreeFermions, Geometry, Ising, PairModel, Square};
use tensorjump::{Error, Result, Target};

fn cylinder(rows: usize, cols: usize) -> Square {
    Square::new(rows, cols, Geometry::Cylinder).unwrap()
}

fn log_z(couplings: Couplings, beta: f64) -> f64 {
    Contraction::new(&Ising::new(couplings, beta).unwrap(), &ContractOptions::default()).unwrap().log_z
}

/// `ln λ` of `step` rows, one after the other `rows` far from the ends.
fn eigenvalue(of: fn(Square, f64) -> Result<Couplings>, rows: usize, cols: usize, step: usize, beta: f64) -> f64 {
    let log_z = |rows| log_z(of(cylinder(rows, cols), 1.0).unwrap(), beta);
    log_z(rows + step) - log_z(rows)
}

/// The largest eigenvalue of the triangular lattice with `L` columns: Houtappel's double integral (Physica 16,
/// 425) with the momenta of antiperiodic fermions along the ring and the integral along the axis done,
/// `∫ dq/2π ln(A − B cos q) = ln (A + √(A² − B²))/2`.
fn triangular(cols: usize, k: f64) -> f64 {
    let (c, s) = ((2.0 * k).cosh(), (2.0 * k).sinh());
    let term = |j: usize| {
        let p = 2.0 * PI * (j as f64 + 0.5) / cols as f64;
        let (a, b) = (c.powi(3) + s.powi(3) - s * p.cos(), 2.0 * s * (p / 2.0).cos());
        (0.5 * (a + (a * a - b * b).max(0.0).sqrt())).ln()
    };
    cols as f64 * LN_2 + 0.5 * (0..cols).map(term).sum::<f64>()
}

const TRIANGULAR: f64 = 0.274_653_072_167_027_4; // ln 3 / 4

/// Ferro- and antiferromagnets of both parities of the circumference; at the critical point the energy is −2 per
/// site at every circumference.
#[test]
fn triangular_cylinders_have_the_closed_form() {
    for cols in [4, 5, 6, 9] {
        for k in [TRIANGULAR, 0.15, 0.4, -0.3, -0.8] {
            let (found, exact) = (eigenvalue(Couplings::triangular, 80, cols, 1, k), triangular(cols, k));
            assert!((found - exact).abs() < 1e-10, "L = {cols}, βJ = {k}: {found}, {exact}");
        }
        // Central differences: error δ²/6 times the third derivative, of the order of L² at criticality.
        let delta = 1e-4;
        let up = eigenvalue(Couplings::triangular, 80, cols, 1, TRIANGULAR + delta);
        let down = eigenvalue(Couplings::triangular, 80, cols, 1, TRIANGULAR - delta);
        let energy = -(up - down) / (2.0 * delta * cols as f64);
        assert!((energy + 2.0).abs() < 1e-6, "L = {cols}: {energy}");
    }
    // The other diagonal is the mirror image; both are another lattice.
    let mirrored = |lattice: Square, j: f64| Couplings::uniform(lattice.with_diagonals(false, true), j);
    assert!((eigenvalue(mirrored, 80, 6, 1, 0.3) - triangular(6, 0.3)).abs() < 1e-10);
    assert!((eigenvalue(Couplings::kings, 80, 6, 1, 0.3) - triangular(6, 0.3)).abs() > 1.0);
}

/// Wannier's entropy (Phys. Rev. 79, 357; Phys. Rev. B 7, 5017) of the antiferromagnet's ground states: at `−βJ =
/// 20` excitations have `e^{−80}`. The bonds along the first and the last row belong to one triangle instead of two:
/// at half their strength all ground states of the infinite cylinder stay ground states. `S(L) = S + π√3/12/L² +
/// O(L⁻⁴)`: a massless boson; the next term is removed with two circumferences.
#[test]
fn triangular_antiferromagnet_keeps_its_entropy() {
    let residual = 0.323_065_966_9;
    let ground = |rows: usize, cols: usize| {
        let c = Couplings::triangular(cylinder(rows, cols), -1.0).unwrap();
        let mut along = c.horizontal().to_vec();
        along[..cols].fill(-0.5);
        along[(rows - 1) * cols..].fill(-0.5);
        let down = c.vertical().to_vec();
        let plain = Couplings::new(cylinder(rows, cols), along, down, vec![0.0; rows * cols]).unwrap();
        log_z(plain.with_diagonals(c.diagonal().to_vec(), vec![]).unwrap(), 20.0)
    };
    // Gaps of winding numbers are smaller than that of the energy: e^{−400 · 2π (√3/2)/4/9} = e^{−60}.
    let entropy = |cols: usize| (ground(401, cols) - ground(400, cols)) / cols as f64 - 20.0;
    let [three, six, nine] = [3, 6, 9].map(entropy);
    for (cols, found) in [(3, three), (6, six), (9, nine)] {
        let term = |j: usize| (PI * (j as f64 + 0.5) / cols as f64).cos().powi(2).max(0.25).ln();
        let exact = LN_2 + (0..cols).map(term).sum::<f64>() / (2.0 * cols as f64);
        assert!((found - exact).abs() < 1e-10, "L = {cols}: {found}, {exact}");
    }
    let boson = PI * 3f64.sqrt() / 12.0;
    assert!(((nine - residual) * 81.0 - boson).abs() < 0.02, "{nine}");
    // S(L) = S + a/L² + b/L⁴ through L = 6, 9.
    let (a, b) = (six - boson / 36.0, nine - boson / 81.0);
    let limit = (b * 6561.0 - a * 1296.0) / (6561.0 - 1296.0);
    assert!((limit - residual).abs() < 3e-5, "{limit}");
}

/// Star and triangle: a spin between three is a triangle, `2 cosh L = R e^{−K}`, `e^{4K} = 2 cosh 2L − 1`.
fn star_triangle(l: f64) -> (f64, f64) {
    let k = (2.0 * (2.0 * l).cosh() - 1.0).ln() / 4.0;
    (k, (2.0 * l.cosh()).ln() + k)
}

/// The honeycomb lattice summed over every second site is the triangular one; the kagome lattice is the honeycomb
/// lattice of the centres of its triangles, a spin on each bond.
#[test]
fn honeycomb_and_kagome_are_triangular_lattices() {
    let honeycomb_critical: f64 = 0.658_478_948_462_408_4; // ln(2 + √3)/2
    let kagome_critical: f64 = 0.466_566_010_314_717_9; // ln(3 + 2√3)/4
    assert!((star_triangle(honeycomb_critical).0 - TRIANGULAR).abs() < 1e-14);
    for cells in [3, 4, 5] {
        for l in [0.4, honeycomb_critical, 0.9] {
            let (k, log_r) = star_triangle(l);
            let found = eigenvalue(Couplings::honeycomb, 80, 2 * cells, 1, l);
            let exact = cells as f64 * log_r + triangular(cells, k);
            assert!((found - exact).abs() < 1e-9, "{cells} cells, βJ = {l}: {found}, {exact}");
        }
    }
    for cells in [2, 3, 4] {
        for l in [0.4, 0.657, 0.9] {
            let (k, log_r) = star_triangle(l);
            // A spin between two centres: 2 cosh 2L = D e^{K'}, 2 = D e^{−K'}.
            let (between, log_d) = (0.5 * (2.0 * l).cosh().ln(), LN_2 + 0.5 * (2.0 * l).cosh().ln());
            // A row of free spins for every second row.
            let found = eigenvalue(Couplings::kagome, 60, 2 * cells, 2, k) - cells as f64 * LN_2;
            let honeycomb = if cells > 2 {
                eigenvalue(Couplings::honeycomb, 80, 2 * cells, 1, between)
            } else {
                let (k, log_r) = star_triangle(between);
                2.0 * log_r + triangular(2, k)
            };
            let exact = cells as f64 * (3.0 * log_d - 2.0 * log_r) + honeycomb;
            assert!((found - exact).abs() < 1e-9, "{cells} cells, βJ = {k}: {found}, {exact}");
        }
    }
    // The critical points go over into each other.
    let l = 0.5 * (2.0 + 3f64.sqrt()).acosh();
    assert!((star_triangle(l).0 - kagome_critical).abs() < 1e-12);
    assert!((0.5 * (2.0 * l).cosh().ln() - honeycomb_critical).abs() < 1e-12);
}

/// Bricks are a square lattice with bonds of strength zero: free fermions sum them.
#[test]
fn honeycomb_by_free_fermions() {
    let ising = Ising::new(Couplings::honeycomb(cylinder(20, 20), 1.0).unwrap(), 0.6584789485).unwrap();
    let exact = FreeFermions::log_z_of(&ising).unwrap();
    let found = Contraction::new(&ising, &ContractOptions { tolerance: 1e-8, ..Default::default() }).unwrap();
    assert!((found.log_z - exact).abs() < 1e-7, "{found:?}, {exact}");
}

/// Independent sets of the triangular lattice, hard hexagons of fugacity one: entropy per site within 5e-7 of the
/// infinite lattice's (Baxter, J. Phys. A 13, L61) at nine columns, where finite-size terms fall as `e^{−L/ξ}`.
#[test]
fn hard_hexagons() {
    let log_z = |rows: usize| {
        let model = PairModel::hard_squares(cylinder(rows, 9).with_diagonals(true, false), 1.0).unwrap();
        Contraction::new(&model, &ContractOptions::default()).unwrap().log_z
    };
    let growth = ((log_z(61) - log_z(60)) / 9.0).exp();
    assert!((growth - 1.395485972).abs() < 1e-6, "{growth}");
}

/// Coordination numbers, and bonds of length one where sites are drawn.
#[test]
fn neighbours_and_places() {
    type Made = fn(Square, f64) -> Result<Couplings>;
    let cases: [(&str, Made, &[usize]); 6] = [
        ("triangular", Couplings::triangular, &[6]),
        ("king's", Couplings::kings, &[8]),
        ("Union Jack", Couplings::union_jack, &[4, 8]),
        ("honeycomb", Couplings::honeycomb, &[3]),
        ("kagome", Couplings::kagome, &[0, 4]),
        ("J1-J2", |lattice, j| Couplings::j1_j2(lattice, j, 0.5), &[8]),
    ];
    for (name, made, numbers) in cases {
        let couplings = made(Square::new(4, 6, Geometry::Torus).unwrap(), 1.0).unwrap();
        let lattice = couplings.lattice();
        let coupled = |j: usize| lattice.neighbours(j).into_iter().flatten().filter(|n| couplings.bond(n.bond) != 0.0);
        let mut found: Vec<usize> = (0..24).map(|j| coupled(j).count()).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, numbers, "{name}");
        let open = made(Square::new(5, 6, Geometry::Open).unwrap(), 1.0).unwrap();
        let place = |j: usize| match name {
            "honeycomb" => open.lattice().honeycomb_position(j),
            _ => open.lattice().triangular_position(j),
        };
        if ["honeycomb", "triangular", "kagome"].contains(&name) {
            for (bond, i, j) in open.lattice().bonds() {
                let ([x, y], [u, v]) = (place(i), place(j));
                let length = (x - u).hypot(y - v);
                assert!(open.bond(bond) == 0.0 || (length - 1.0).abs() < 1e-12, "{name}, {bond:?}: {length}");
            }
        }
    }
    for (rows, cols, name) in [(5, 4, "rows"), (4, 5, "cols")] {
        let odd = Square::new(rows, cols, Geometry::Torus).unwrap();
        for made in [Couplings::union_jack as Made, Couplings::honeycomb, Couplings::kagome] {
            assert!(matches!(made(odd, 1.0), Err(Error::Parameter { name: found, .. }) if found == name));
        }
        assert!(Couplings::triangular(odd, 1.0).is_ok());
    }
}

/// Contractions too wide for a sum site by site: the mirror image, the transposed lattice, and one side against
/// both.
#[test]
fn wide_contractions_do_not_depend_on_the_direction() {
    for geometry in [Geometry::Open, Geometry::Torus] {
        let (rows, cols) = if geometry == Geometry::Open { (13, 12) } else { (7, 8) };
        let lattice = Square::new(rows, cols, geometry).unwrap();
        let glass = Couplings::gaussian(lattice.with_diagonals(true, true), 4);
        let (down, across) = (lattice.vertical_rows(), lattice.horizontal_cols());
        let transposed = |values: &[f64], rows: usize, cols: usize| -> Vec<f64> {
            (0..rows * cols).map(|k| values[k % rows * cols + k / rows]).collect()
        };
        let turned = Couplings::new(
            Square::new(cols, rows, geometry).unwrap(),
            transposed(glass.vertical(), down, cols),
            transposed(glass.horizontal(), rows, across),
            vec![0.0; rows * cols],
        )
        .unwrap();
        let (falling, rising) =
            (transposed(glass.diagonal(), down, across), transposed(glass.antidiagonal(), down, across));
        let turned = turned.with_diagonals(falling.clone(), rising.clone()).unwrap();
        let swapped = turned.clone().with_diagonals(rising, falling).unwrap();
        let options = ContractOptions { tolerance: 1e-6, first_bond: 16, max_bond: 64 };
        let log_z = |c: &Couplings| Contraction::new(&Ising::new(c.clone(), 0.3).unwrap(), &options).unwrap();
        let (a, b, wrong) = (log_z(&glass), log_z(&turned), log_z(&swapped));
        assert!(a.converged && b.converged && (a.log_z - b.log_z).abs() < 1e-6, "{geometry:?}: {a:?}, {b:?}");
        assert!((a.log_z - wrong.log_z).abs() > 0.01, "{geometry:?}: the diagonals do not matter");
    }
    let model = Ising::new(Couplings::kings(Square::new(3, 3, Geometry::Torus).unwrap(), 0.2).unwrap(), 1.0).unwrap();
    // Nine spins that all meet: Σ_k C(9, k) e^{0.2 ((9 − 2k)² − 9)/2}.
    let choose = [1.0, 9.0, 36.0, 84.0, 126.0, 126.0, 84.0, 36.0, 9.0, 1.0];
    let z: f64 = (0..10).map(|k| choose[k] * (0.1 * ((9.0 - 2.0 * k as f64).powi(2) - 9.0)).exp()).sum();
    let found = Contraction::new(&model, &ContractOptions::default()).unwrap().log_z;
    assert!((found - z.ln()).abs() < 1e-12 && model.dims().len() == 9);
}
