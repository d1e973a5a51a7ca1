//! Vertex models: ice, alternating-sign matrices, eight vertices.

use std::f64::consts::PI;

use tensorjump::lattice::{Geometry, PairModel};
use tensorjump::{Error, Target};

use super::{assert_log, log_z, log_z_from_below, square};
use crate::common::allowed::{allowed, log_sum};

/// Sum over the arrows of all edges, those across a free border included. The weight of a vertex is that of
/// its arrows (left right, right right, upper down, lower down): all four as they are or all reversed.
fn by_arrows(rows: usize, cols: usize, geometry: Geometry, [a, b, c, d]: [f64; 4]) -> f64 {
    let (ring, torus) = (geometry != Geometry::Open, geometry == Geometry::Torus);
    let (across, down) = (cols + usize::from(!ring), rows + usize::from(!torus));
    let (horizontal, vertical) = (rows * across, down * cols);
    let mut sum = 0.0;
    for arrows in 0..1u64 << (horizontal + vertical) {
        let bit = |i: usize| arrows >> i & 1 == 1;
        let mut weight = 1.0;
        for (r, s) in (0..rows).flat_map(|r| (0..cols).map(move |s| (r, s))) {
            let (left, right) = (bit(r * across + s), bit(r * across + (s + 1) % across));
            let (up, low) = (bit(horizontal + r * cols + s), bit(horizontal + (r + 1) % down * cols + s));
            weight *= match (left == right, up == low) {
                (true, true) => {
                    if left == up {
                        b
                    } else {
                        a
                    }
                }
                (false, false) => {
                    if left == up {
                        d
                    } else {
                        c
                    }
                }
                _ => 0.0,
            };
            if weight == 0.0 {
                break;
            }
        }
        sum += weight;
    }
    sum
}

#[test]
fn weights_are_those_of_the_arrows() {
    let weights = [1.3, 0.7, 0.9, 0.4];
    let [a, b, c, _] = weights;
    for (rows, cols, geometry) in
        [(2, 2, Geometry::Open), (2, 3, Geometry::Open), (2, 3, Geometry::Cylinder), (3, 3, Geometry::Torus)]
    {
        let lattice = square(rows, cols, geometry);
        let eight = PairModel::eight_vertex(lattice, weights).unwrap();
        assert_log(&eight, by_arrows(rows, cols, geometry, weights).ln());
        let six = PairModel::six_vertex(lattice, [a, b, c]).unwrap();
        let exact = by_arrows(rows, cols, geometry, [a, b, c, 0.0]).ln();
        assert_log(&six, exact);
        assert!((log_sum(&allowed(&six).1) - exact).abs() < 1e-12);
        assert_eq!(six.dims()[0], 6);
        let twin = by_arrows(rows, cols, geometry, [b, c, a, 0.0]).ln();
        assert!((exact - twin).abs() > 1e-3, "the weights can be told apart");
    }
}

/// Configurations of square ice on a torus: Eulerian orientations, counted by the trace of a power of the
/// transfer matrix in integers: `T(u, v)` is 2 for equal rows of arrows, 1 where the differences alternate.
fn ice_on_a_torus(n: usize) -> f64 {
    let t = |u: usize, v: usize| -> u128 {
        let signs: Vec<bool> = (0..n).filter(|&k| (u ^ v) >> k & 1 == 1).map(|k| u >> k & 1 == 1).collect();
        let alternate = (0..signs.len()).all(|k| signs[k] != signs[(k + 1) % signs.len()]);
        if signs.is_empty() { 2 } else { u128::from(alternate) }
    };
    let size = 1 << n;
    let mut power: Vec<Vec<u128>> = (0..size).map(|u| (0..size).map(|v| u128::from(u == v)).collect()).collect();
    for _ in 0..n {
        let row = |p: &Vec<u128>| (0..size).map(|v| (0..size).map(|u| p[u] * t(u, v)).sum()).collect();
        power = power.iter().map(row).collect();
    }
    (0..size).map(|u| power[u][u]).sum::<u128>() as f64
}

#[test]
fn ice_on_tori_is_counted() {
    let ice = |n| PairModel::six_vertex(square(n, n, Geometry::Torus), [1.0; 3]).unwrap();
    for (n, known) in [(3, 148.0), (4, 2970.0), (5, 143_224.0), (6, 16_448_400.0)] {
        assert_eq!(ice_on_a_torus(n), known);
        assert!((log_z_from_below(&ice(n), 64) - f64::ln(known)).abs() < 1e-10);
    }
    // From above a row's own arrows enter as well, and more terms are needed.
    assert_log(&ice(4), 2970f64.ln());
}

/// Colours of the faces are heights of the ice on the vertices between them, modulo three.
#[test]
fn three_colourings_are_ice() {
    let colourings = |rows, cols| PairModel::colourings(square(rows, cols, Geometry::Open), 3).unwrap();
    let ice = |rows, cols| PairModel::six_vertex(square(rows, cols, Geometry::Open), [1.0; 3]).unwrap();
    for (n, known) in [(2, 18.0), (3, 246.0), (4, 7812.0), (5, 580_986.0), (6, 101_596_896f64)] {
        assert_log(&colourings(n, n), known.ln());
        assert_log(&ice(n - 1, n - 1), (known / 3.0).ln());
    }
    assert_log(&colourings(9, 12), log_z(&ice(8, 11)) + 3f64.ln());
}

/// Lieb's `W = (4/3)^{3/2}` from rings of L vertices. With the largest eigenvalue `Λ_L` of a ring
/// `ln Λ_L/L = ln W + πc/(6L²) + O(L⁻⁴)`, c = 1 (Blöte, Cardy, Nightingale, Phys. Rev. Lett. 56, 742; Affleck,
/// ibid. 746). The ratio of two cylinders of M and M + 1 rows is `Λ_L` up to `(Λ'/Λ)^M`, `Λ'` the largest
/// eigenvalue of one more arrow, `ln Λ/Λ' ≈ π/(3L)`: below 1e-9 for M = 20 L.
#[test]
fn rings_of_ice_approach_liebs_constant() {
    let w = 1.5 * (4f64 / 3.0).ln();
    let ice = |rows, cols| PairModel::six_vertex(square(rows, cols, Geometry::Cylinder), [1.0; 3]).unwrap();
    let mut before = f64::INFINITY;
    for ring in [4, 6, 8, 10] {
        let rows = 20 * ring;
        let per_site =
            (log_z_from_below(&ice(rows + 1, ring), 64) - log_z_from_below(&ice(rows, ring), 64)) / ring as f64;
        let l2 = (ring * ring) as f64;
        let rest = (l2 * (per_site - w) - PI / 6.0).abs();
        assert!(rest < 1.5 / l2 && rest < before, "ring of {ring}: {rest}");
        before = rest;
    }
}

#[test]
fn domain_walls_make_alternating_sign_matrices() {
    let mut count = 1u128;
    let known = [
        1,
        2,
        7,
        42,
        429,
        7436,
        218_348,
        10_850_216,
        911_835_460,
        129_534_272_700,
        31_095_744_852_375,
        12_611_311_859_677_500u128,
    ];
    for (n, known) in (1..).zip(known) {
        // A(n)/A(n−1) = (3n−2)! (n−1)!/((2n−1)! (2n−2)!).
        if n > 1 {
            let product = |from: u128, to: u128| (from..=to).product::<u128>();
            count = count * product(2 * n, 3 * n - 2) / product(n, 2 * n - 2);
        }
        assert_eq!(count, known);
        assert_log(&PairModel::domain_walls(n as usize, [1.0; 3]).unwrap(), (known as f64).ln());
    }
    // n + 2k vertices c for k entries −1; every −1 counted twice: 2^{n(n−1)/2}.
    let twice = PairModel::domain_walls(9, [1.0, 1.0, 2f64.sqrt()]).unwrap();
    assert_log(&twice, 40.5 * 2f64.ln());
}

/// The determinant of Izergin and Korepin without inhomogeneity is a Hankel determinant; of order two it is
/// `c²(a² + b²)`, and entries read as described are alternating-sign matrices.
#[test]
fn alternating_signs_alternate() {
    let [a, b, c] = [1.3f64, 0.7, 0.9];
    assert_log(&PairModel::domain_walls(2, [a, b, c]).unwrap(), (c * c * (a * a + b * b)).ln());
    let model = PairModel::domain_walls(4, [1.0; 3]).unwrap();
    let (x, _) = allowed(&model);
    assert_eq!(x.nrows(), 42);
    let entry = |s: u8| i32::from(s == 4) - i32::from(s == 5);
    for x in x.outer_iter() {
        for line in 0..4 {
            for step in [[4 * line, 1], [line, 4]] {
                let sums = (0..4).scan(0, |sum, k| {
                    *sum += entry(x[step[0] + step[1] * k]);
                    Some(*sum)
                });
                let sums: Vec<i32> = sums.collect();
                assert!(sums.iter().all(|s| [0, 1].contains(s)) && sums[3] == 1, "{x}");
            }
        }
    }
}

/// With `ab = cd` the arrows are the walls between spins of two Ising models on the two colours of the faces:
/// `a = e^{K+L}, b = e^{−K−L}, c = e^{L−K}, d = e^{K−L}`, K along one diagonal, L along the other.
#[test]
fn eight_vertices_without_four_spin_coupling_are_two_ising_models() {
    let (k, l) = (0.31f64, -0.22f64);
    let weights = [(k + l).exp(), (-k - l).exp(), (l - k).exp(), (k - l).exp()];
    let (rows, cols) = (4, 4);
    let model = PairModel::eight_vertex(square(rows, cols, Geometry::Open), weights).unwrap();
    let faces = |colour: usize| -> f64 {
        let sites: Vec<(usize, usize)> =
            (0..=rows).flat_map(|r| (0..=cols).map(move |c| (r, c))).filter(|(r, c)| (r + c) % 2 == colour).collect();
        let place = |at: (usize, usize)| sites.iter().position(|&s| s == at);
        let bonds: Vec<(usize, usize, f64)> = (0..rows)
            .flat_map(|r| (0..cols).map(move |c| (r, c)))
            .map(|(r, c)| if (r + c) % 2 == colour { ((r, c), (r + 1, c + 1), k) } else { ((r, c + 1), (r + 1, c), l) })
            .map(|(i, j, coupling)| (place(i).unwrap(), place(j).unwrap(), coupling))
            .collect();
        let weigh = |x: usize| -> f64 {
            let spin = |i: usize| 2.0 * (x >> i & 1) as f64 - 1.0;
            bonds.iter().map(|&(i, j, coupling)| coupling * spin(i) * spin(j)).sum()
        };
        log_sum(&(0..1 << sites.len()).map(weigh).collect::<Vec<f64>>())
    };
    assert_log(&model, faces(0) + faces(1) - 2f64.ln());
}

/// Free fermions, `a² + b² = c² + d²`: Fan and Wu's integral for the free energy of a vertex, by sums over
/// 400 × 400 momenta (exponentially accurate for a function that is analytic around the circle). From open
/// squares by `ln Z(m+1, n+1) − ln Z(m+1, n) − ln Z(m, n+1) + ln Z(m, n)`: terms of edges and corners cancel,
/// and what is left decays with twice the side over the correlation length, here below one.
#[test]
fn free_fermions_of_eight_vertices() {
    let [a, b, c] = [1.0f64, 0.3, 0.9];
    let d = (a * a + b * b - c * c).sqrt();
    let steps = 400;
    let angle = |k: usize| 2.0 * PI * (k as f64 + 0.5) / steps as f64;
    let term = |t: f64, f: f64| {
        (2.0 * (a * a + b * b) + 2.0 * (b * b - d * d) * (t - f).cos() + 2.0 * (b * b - c * c) * (t + f).cos()).ln()
    };
    let pairs = (0..steps).flat_map(|i| (0..steps).map(move |j| (i, j)));
    let exact = 0.5 * pairs.map(|(i, j)| term(angle(i), angle(j))).sum::<f64>() / (steps * steps) as f64;
    let open = |rows, cols| log_z(&PairModel::eight_vertex(square(rows, cols, Geometry::Open), [a, b, c, d]).unwrap());
    let found = open(13, 13) - 2.0 * open(13, 12) + open(12, 12);
    assert!((found - exact).abs() < 1e-8, "{found} instead of {exact}");
}

#[test]
fn mistakes_are_named() {
    let open = square(3, 3, Geometry::Open);
    let message = |result: Result<PairModel, Error>| result.unwrap_err().to_string();
    assert!(message(PairModel::six_vertex(open, [1.0, -2.0, 1.0])).contains("weight b = -2"));
    assert!(message(PairModel::eight_vertex(open, [1.0, 1.0, 1.0, f64::NAN])).contains("weight d = NaN"));
    assert!(message(PairModel::six_vertex(open, [1.0, 1.0, f64::INFINITY])).contains("weight c"));
    assert!(matches!(PairModel::six_vertex(open, [0.0; 3]), Err(Error::NoConfiguration { .. })));
    assert!(message(PairModel::domain_walls(0, [1.0; 3])).contains("order = 0"));
    // Every row needs a vertex of weight c.
    assert!(matches!(PairModel::domain_walls(3, [1.0, 1.0, 0.0]), Err(Error::NoConfiguration { .. })));
}
