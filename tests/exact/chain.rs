//! Chains and rings against enumeration and closed forms.

use ndarray::{Array2, Array3, ArrayView1, array};
use rand::RngExt;
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::{Error, ExactModel, Model, SiteWeights, Streams, Target};

use super::common::all_configs;
use super::laws::stream;

/// `log Σ exp`, largest first.
fn log_sum(logs: &[f64]) -> f64 {
    let max = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + logs.iter().map(|v| (v - max).exp()).sum::<f64>().ln()
}

/// Compares `log Z` and every log-probability with the given log-weights.
fn check(model: &PositiveMps, log_weight: impl Fn(ArrayView1<'_, u8>) -> f64) {
    let x = all_configs(model.dims());
    let logs: Vec<f64> = x.outer_iter().map(log_weight).collect();
    let log_z = log_sum(&logs);
    // A few dozen roundings at the size of the logarithms.
    let tolerance = 1e-14 * (1.0 + log_z.abs());
    assert!((model.log_z() - log_z).abs() < tolerance, "log Z {} against {log_z}", model.log_z());
    for (got, log) in model.log_prob(x.view()).unwrap().iter().zip(&logs) {
        let exact = log - log_z;
        assert!((got.exp() - exact.exp()).abs() < 1e-12);
        // Conditionals below 1e-308 are zero.
        assert!(*got == exact || (got - exact).abs() < 1e-12 * (1.0 + log.abs()) || exact < -700.0, "{got}, {exact}");
    }
}

fn numbers(n: usize, name: &str) -> Vec<f64> {
    let mut rng = stream(name);
    (0..n).map(|_| 2.0 * rng.random::<f64>() - 0.7).collect()
}

/// Spins by the documented convention: state 1 is up.
fn spin(x: u8) -> f64 {
    [-1.0, 1.0][usize::from(x)]
}

#[test]
fn ising_against_enumeration() {
    for boundary in [Boundary::Open, Boundary::Ring] {
        for n in 1..=8 {
            let bonds = if boundary == Boundary::Ring { n } else { n - 1 };
            let (j, h) = (numbers(bonds, "couplings"), numbers(n, "fields"));
            for beta in [0.0, 0.4, -1.3, 5.0, 1000.0] {
                let model = PositiveMps::ising(beta, &j, &h, boundary).unwrap();
                check(&model, |x| {
                    let pairs: f64 = j.iter().enumerate().map(|(i, j)| j * spin(x[i]) * spin(x[(i + 1) % n])).sum();
                    let fields: f64 = h.iter().zip(x).map(|(h, &x)| h * spin(x)).sum();
                    beta * (pairs + fields)
                });
                let bond = if n < 3 {
                    2
                } else if boundary == Boundary::Ring {
                    4
                } else {
                    2
                };
                assert!(model.as_mps().max_bond() <= bond);
            }
        }
    }
}

/// Wrong twin: a ring that is not closed.
#[test]
#[should_panic(expected = "log Z")]
fn an_open_ring_is_noticed() {
    let (j, h) = (numbers(4, "couplings"), numbers(5, "fields"));
    let pairs = |x: ArrayView1<'_, u8>| -> f64 { (0..4).map(|i| j[i] * spin(x[i]) * spin(x[i + 1])).sum() };
    let ring: Vec<f64> = j.iter().copied().chain([0.3]).collect();
    check(&PositiveMps::ising(1.0, &ring, &h, Boundary::Ring).unwrap(), |x| {
        pairs(x) + h.iter().zip(x).map(|(h, &x)| h * spin(x)).sum::<f64>()
    });
}

#[test]
fn potts_against_enumeration() {
    for (q, n, boundary) in
        [(3, 5, Boundary::Open), (3, 5, Boundary::Ring), (4, 4, Boundary::Ring), (2, 2, Boundary::Ring)]
    {
        let bonds = if boundary == Boundary::Ring { n } else { n - 1 };
        let j = numbers(bonds, "potts couplings");
        let h = Array2::from_shape_vec((n, q), numbers(n * q, "potts fields")).unwrap();
        let beta = 1.3;
        let model = PositiveMps::potts(q, beta, &j, h.view(), boundary).unwrap();
        check(&model, |x| {
            let equal = |i: usize| f64::from(u8::from(x[i] == x[(i + 1) % n]));
            let pairs: f64 = j.iter().enumerate().map(|(i, j)| j * equal(i)).sum();
            beta * (pairs + (0..n).map(|i| h[[i, x[i].into()]]).sum::<f64>())
        });
    }
}

/// Dimensions that differ from site to site, asymmetric pair tables, forbidden states and pairs; the first
/// site has a dimension of its own, so that a transposed closing table would not fit.
#[test]
fn general_chains_with_hard_constraints() {
    let dims = [3, 2, 4, 2];
    let mut rng = stream("general chain");
    for boundary in [Boundary::Open, Boundary::Ring] {
        let bonds = if boundary == Boundary::Ring { 4 } else { 3 };
        let mut entry = || if rng.random::<f64>() < 0.2 { f64::NEG_INFINITY } else { 3.0 * rng.random::<f64>() };
        let mut u: Vec<Vec<f64>> = dims.iter().map(|&d| (0..d).map(|_| entry()).collect()).collect();
        let mut v: Vec<Array2<f64>> =
            (0..bonds).map(|j| Array2::from_shape_simple_fn((dims[j], dims[(j + 1) % 4]), &mut entry)).collect();
        (u[2][1], v[1][[0, 2]]) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let model = PositiveMps::chain(&u, &v, boundary).unwrap();
        let mut forbidden = 0;
        for x in all_configs(&dims).outer_iter() {
            let weight: f64 = (0..4).map(|j| u[j][usize::from(x[j])]).sum::<f64>()
                + v.iter().enumerate().map(|(j, v)| v[[x[j].into(), x[(j + 1) % 4].into()]]).sum::<f64>();
            forbidden += usize::from(weight == f64::NEG_INFINITY);
        }
        assert!((24..48).contains(&forbidden), "{forbidden} of 48 forbidden");
        check(&model, |x| {
            (0..4).map(|j| u[j][usize::from(x[j])]).sum::<f64>()
                + v.iter().enumerate().map(|(j, v)| v[[x[j].into(), x[(j + 1) % 4].into()]]).sum::<f64>()
        });
    }
}

/// `Z = (2 cosh βJ)^N + (2 sinh βJ)^N`, `⟨s_i s_j⟩ = (t^r + t^{N−r})/(1 + t^N)`, `t = tanh βJ`, on a ring
/// without field.
#[test]
fn rings_in_closed_form() {
    let n = 30usize;
    for k in [0.3, -0.8, 2.0, 50.0] {
        let ring = PositiveMps::ising(2.0, &vec![k / 2.0; n], &vec![0.0; n], Boundary::Ring).unwrap();
        let t: f64 = f64::tanh(k);
        // log 2 cosh k = |k| + log(1 + e^{−2|k|}).
        let log_cosh = k.abs() + (-2.0 * k.abs()).exp().ln_1p();
        let log_z = n as f64 * log_cosh + t.powi(n as i32).ln_1p();
        assert!((ring.log_z() - log_z).abs() < 1e-14 * log_z, "{} against {log_z}", ring.log_z());
        for (i, j) in [(0, 1), (3, 10), (0, 29), (5, 20)] {
            // P(x_i = x_j) from the evidence of both up and both down.
            let both = Array3::from_shape_fn((2, n, 2), |(row, site, a)| {
                f64::from(u8::from((site != i && site != j) || a == row))
            });
            let evidence = ring.log_evidence(&SiteWeights::PerRow(both.view())).unwrap();
            let r = (j - i) as i32;
            let exact = (t.powi(r) + t.powi(n as i32 - r)) / (1.0 + t.powi(n as i32));
            let got = 2.0 * evidence.mapv(f64::exp).sum() - 1.0;
            assert!((got - exact).abs() < 1e-13, "⟨s_{i} s_{j}⟩ = {got} against {exact}");
        }
    }
}

/// Opposite fields at the ends of a strongly coupled chain: one domain wall, whose weight `e^{−2βJ}`
/// underflows, and must not.
#[test]
fn frustrated_chains_at_any_temperature() {
    let (j, h) = ([1.0, 0.9, 1.2, 1.1], [-50.0, 0.0, 0.1, 0.0, 50.0]);
    let model = PositiveMps::ising(1e4, &j, &h, Boundary::Open).unwrap();
    // The wall sits on the weakest bond: energy −(50 + 50 + 0.1 + 1.0 + 1.2 + 1.1 − 0.9).
    assert!((model.log_z() - 1e4 * 102.5).abs() < 1e-9);
    let ground = model.draw(7, &Streams::new(1)).unwrap();
    assert!(ground.x.outer_iter().all(|x| x == ArrayView1::from(&[0, 0, 1, 1, 1])));
    assert!(ground.log_prob.iter().all(|p| p.abs() < 1e-12));
}

#[test]
fn long_chains_are_exact() {
    let n = 100_000usize;
    for k in [0.37, 40.0] {
        for (boundary, bonds) in [(Boundary::Open, n - 1), (Boundary::Ring, n)] {
            let model = PositiveMps::ising(1.0, &vec![k; bonds], &vec![0.0; n], boundary).unwrap();
            let log_cosh = k + (-2.0 * k).exp().ln_1p();
            // Open: 2 (2 cosh k)^{N−1}. Ring: (2 cosh k)^N (1 + tanh^N k).
            let end = if boundary == Boundary::Ring { k.tanh().powi(n as i32).ln_1p() } else { 2f64.ln() };
            let log_z = bonds as f64 * log_cosh + end;
            assert!((model.log_z() / log_z - 1.0).abs() < 1e-14, "{} against {log_z}", model.log_z());
            let draws = model.draw(2, &Streams::new(3)).unwrap();
            assert_eq!(draws.log_prob, model.log_prob(draws.x.view()).unwrap());
            for (x, log) in draws.x.outer_iter().zip(&draws.log_prob) {
                let bond = |i: usize| spin(x[i]) * spin(x[(i + 1) % n]);
                let exact = k * (0..bonds).map(bond).sum::<f64>() - log_z;
                assert!((log - exact).abs() < 1e-13 * log_z, "{log} against {exact}");
            }
        }
    }
}

#[test]
fn bad_chains_are_typed_errors() {
    let ising = |beta, j: &[f64], h: &[f64], boundary| PositiveMps::ising(beta, j, h, boundary).err().unwrap();
    let (open, ring) = (Boundary::Open, Boundary::Ring);
    let couplings =
        |expected: usize, got: usize| Error::Shape { field: "couplings", expected: vec![expected], got: vec![got] };
    assert_eq!(ising(1.0, &[1.0; 3], &[0.0; 3], open), couplings(2, 3));
    assert_eq!(ising(1.0, &[1.0; 2], &[0.0; 3], ring), couplings(3, 2));
    assert_eq!(ising(1.0, &[], &[], open), Error::SiteCount { expected: 1, got: 0 });
    assert!(matches!(ising(f64::NAN, &[1.0], &[0.0; 2], open), Error::NotFinite { field: "beta", .. }));
    assert!(matches!(
        ising(1.0, &[1.0, f64::NAN], &[0.0; 3], open),
        Error::NotFinite { field: "couplings", site: 1, .. }
    ));
    let infinite = Error::NotFinite { field: "fields", site: 1, value: f64::NEG_INFINITY };
    assert_eq!(ising(1.0, &[1.0], &[0.0, f64::NEG_INFINITY], open), infinite);
    // Finite, but not when multiplied.
    let overflow = Error::NotFinite { field: "couplings", site: 0, value: f64::NEG_INFINITY };
    assert_eq!(ising(1e300, &[-1e300], &[0.0; 2], open), overflow);

    let potts = |q, h: &Array2<f64>| PositiveMps::potts(q, 1.0, &[1.0], h.view(), open).err().unwrap();
    assert!(matches!(potts(1, &Array2::zeros((2, 1))), Error::Parameter { name: "q", .. }));
    assert!(matches!(potts(257, &Array2::zeros((2, 257))), Error::Parameter { name: "q", .. }));
    assert!(matches!(potts(3, &Array2::zeros((2, 2))), Error::Shape { field: "fields", .. }));
    assert!(matches!(
        potts(2, &array![[0.0, 0.0], [0.0, f64::NAN]]),
        Error::NotFinite { field: "fields", site: 1, .. }
    ));

    let chain = |u: &[Vec<f64>], v: &[Array2<f64>], boundary| PositiveMps::chain(u, v, boundary).err().unwrap();
    let (u, never) = (vec![vec![0.0; 2], vec![0.0; 3]], f64::NEG_INFINITY);
    let shape = Error::Shape { field: "pair log-weights", expected: vec![2, 3], got: vec![3, 2] };
    assert_eq!(chain(&u, &[Array2::zeros((3, 2))], open), shape);
    assert_eq!(chain(&u, &[Array2::from_elem((2, 3), never)], open), Error::ZeroWeight { what: "chain" });
    assert_eq!(chain(&[vec![never; 2]], &[], open), Error::ZeroWeight { what: "chain" });
    // Allowed on the chain, frustrated on the ring: 0 follows 1 follows 0 …, three sites.
    let differ = array![[never, 0.0], [0.0, never]];
    let u = vec![vec![0.0; 2]; 3];
    assert!((PositiveMps::chain(&u, &vec![differ.clone(); 2], open).unwrap().log_z() - 2f64.ln()).abs() < 1e-15);
    assert_eq!(chain(&u, &vec![differ; 3], ring), Error::ZeroWeight { what: "chain" });
    assert!(matches!(
        chain(&[vec![0.0, f64::INFINITY]], &[], open),
        Error::NotFinite { field: "site log-weights", site: 0, .. }
    ));
    assert!(matches!(chain(&[vec![]], &[], open), Error::Parameter { name: "local dimension", .. }));
    let wide = vec![vec![0.0; 256]; 3];
    let pairs = vec![Array2::zeros((256, 256)); 3];
    assert!(matches!(chain(&wide, &pairs, ring), Error::TooLarge { .. }));
    // Sums that overflow though each weight is finite.
    let huge = Array2::from_elem((2, 2), 1.5e308);
    assert!(matches!(chain(&vec![vec![1.5e308; 2]; 2], &[huge], open), Error::NotFinite { .. }));
}
