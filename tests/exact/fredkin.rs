//! The Fredkin chain against reference values and enumeration.

mod dynamics;
mod model;

use ndarray::Array2;
use serde_json::Value;
use tensorjump::lattice::{Equilibrium, Fredkin, FredkinModel};
use tensorjump::{Error, Streams, Target};

use super::common::all_configs;

fn close(what: &str, got: f64, expected: f64, relative: f64, absolute: f64) {
    let error = (got - expected).abs();
    assert!(error <= relative * expected.abs() + absolute, "{what}: {got:e} instead of {expected:e}, off by {error:e}");
}

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str().and_then(|s| s.parse().ok())).expect("a number")
}

/// The reference correlations are differences of numbers of order one in 60-digit arithmetic.
const REFERENCE_FLOOR: f64 = 1e-57;

#[test]
fn all_reference_cases() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/fredkin.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 42);
    for case in cases {
        let (sites, c) = (case["N"].as_u64().unwrap() as usize, number(&case["c"]));
        let exact = Fredkin::new(sites, c).unwrap().equilibrium().unwrap();
        let name = |what: &str| format!("{what} at N={sites}, c={c}");
        close(&name("log Z"), exact.log_z(), number(&case["logZ"]), 1e-11, 0.0);
        for (key, got) in [
            ("k_mean", exact.k_mean()),
            ("k_var", exact.k_var()),
            ("area_mean", exact.area_mean()),
            ("area_var", exact.area_var()),
            ("entropy", exact.entropy()),
        ] {
            close(&name(key), got, number(&case[key]), 1e-9, 0.0);
        }
        let profiles = [("n", exact.density()), ("h", exact.height_profile())];
        for (key, got) in profiles {
            let expected = case[key].as_array().unwrap();
            assert_eq!(expected.len(), got.len());
            got.iter().zip(expected).for_each(|(&got, e)| close(&name(key), got, number(e), 1e-9, 0.0));
        }
        check_mid_height(&exact, case, sites, &name("mid-height law"));
        for pair in case["corr_0based"].as_array().unwrap() {
            let (i, j) = (pair["i"].as_u64().unwrap() as usize, pair["j"].as_u64().unwrap() as usize);
            let what = name(&format!("correlation of {i} and {j}"));
            close(&what, exact.two_point(i, j).unwrap(), number(&pair["nn"]), 1e-9, 0.0);
            close(&what, exact.connected(j, i).unwrap(), number(&pair["conn"]), 1e-9, REFERENCE_FLOOR);
        }
    }
}

fn check_mid_height(exact: &Equilibrium, case: &Value, sites: usize, what: &str) {
    let law = exact.height_law(sites / 2 - 1).unwrap();
    let expected = case["p_mid_height"].as_object().unwrap();
    assert!(!expected.is_empty());
    for (height, p) in expected {
        let height: i32 = height.parse().unwrap();
        let got = law.iter().find(|(h, _)| *h == height).unwrap().1;
        close(what, got, number(p), 1e-9, 1e-300);
    }
    close(what, law.iter().map(|(_, p)| p).sum(), 1.0, 1e-12, 0.0);
}

/// Sums over the enumerated Dyck paths, for parameters that the file does not have.
#[test]
fn averages_against_enumeration() {
    for (sites, c) in [(2, 0.3), (4, 0.8), (8, 1e-9), (12, 0.05), (12, 0.97)] {
        let chain = Fredkin::new(sites, c).unwrap();
        let exact = chain.equilibrium().unwrap();
        let x = chain.enumerate_sector(0, 0).unwrap();
        let weight = chain.log_weight(x.view()).unwrap().mapv(f64::exp);
        let p = &weight / weight.sum();
        close("log Z", exact.log_z(), weight.sum().ln(), 1e-12, 1e-16);
        let area = chain.area(x.view()).unwrap().mapv(|a| a as f64);
        let mean = (&p * &area).sum();
        close("area", exact.area_mean(), mean, 1e-12, 0.0);
        close("variance", exact.area_var(), (&p * &area.mapv(|a| (a - mean).powi(2))).sum(), 1e-12, 1e-15);
        let n = x.mapv(f64::from);
        for j in 0..sites {
            let (full, connected) = exact.correlations(j).unwrap();
            let mean_j = (&p * &n.column(j)).sum();
            close("density", exact.density()[j], mean_j, 1e-12, 0.0);
            for i in 0..j {
                let nn = (&p * &n.column(i) * n.column(j)).sum();
                let conn = nn - (&p * &n.column(i)).sum() * mean_j;
                close("two-point", full[i], nn, 1e-12, 1e-16);
                close("connected", connected[i], conn, 0.0, 1e-14);
                assert_eq!((full[i], connected[i]), (exact.two_point(i, j).unwrap(), exact.connected(j, i).unwrap()));
            }
        }
    }
}

/// At c = 1/2: Z is a Catalan number and the total area of all Dyck paths is `4^n − C(2n+1, n)`, n = N/2.
#[test]
fn long_chains_at_one_half() {
    for sites in [2000, 4000] {
        let n = sites / 2;
        let log_catalan: f64 = (2..=n).map(|i| ((n + i) as f64 / i as f64).ln()).sum();
        let exact = Fredkin::new(sites, 0.5).unwrap().equilibrium().unwrap();
        close("log Z", exact.log_z(), log_catalan, 1e-12, 0.0);
        close("entropy", exact.entropy(), log_catalan, 1e-12, 0.0);
        let area = (sites as f64 * 2f64.ln() - log_catalan).exp() - (sites + 1) as f64;
        close("area", exact.area_mean(), area, 1e-9, 0.0);
        close("profile", exact.height_profile().sum(), area, 1e-9, 0.0);
    }
}

/// Extreme parameters stay finite and consistent: `S = log Z − ⟨k⟩ ln q`, the profile sums to the area, total
/// mass is one.
#[test]
fn extreme_parameters() {
    for c in [5e-324, 1e-12, 0.49, 0.999, 1.0 - f64::EPSILON] {
        let chain = Fredkin::new(1000, c).unwrap();
        let exact = chain.equilibrium().unwrap();
        assert!(exact.entropy() >= 0.0 && exact.k_var() >= 0.0);
        let terms = exact.log_z().abs() + (exact.k_mean() * chain.log_q()).abs();
        close(
            "entropy",
            exact.entropy(),
            exact.log_z() - exact.k_mean() * chain.log_q(),
            0.0,
            1e-12 * terms + f64::MIN_POSITIVE,
        );
        close("area", exact.height_profile().sum(), exact.area_mean(), 1e-11, 0.0);
        close("mass", exact.height_law(499).unwrap().iter().map(|(_, p)| p).sum(), 1.0, 1e-11, 0.0);
    }
    // Tent and floor: the largest and the smallest area.
    let area = |c| Fredkin::new(100, c).unwrap().equilibrium().unwrap().area_mean();
    close("tent", area(1.0 - 1e-14), 2500.0, 1e-10, 0.0);
    close("floor", area(1e-14), 50.0, 1e-10, 0.0);
}

/// Deletes pairs `10` one by one, as the definition says.
fn reduced_word(x: &[u8]) -> (usize, usize) {
    let mut word = x.to_vec();
    while let Some(i) = word.windows(2).position(|w| w == [1, 0]) {
        word.drain(i..i + 2);
    }
    let zeros = word.iter().take_while(|&&n| n == 0).count();
    assert!(word[zeros..].iter().all(|&n| n == 1));
    (zeros, word.len() - zeros)
}

#[test]
fn sectors_heights_and_areas() {
    let sites = 8;
    let chain = Fredkin::new(sites, 0.4).unwrap();
    let x = all_configs(&[2; 8]);
    let sectors = chain.sectors(x.view()).unwrap();
    let heights = chain.heights(x.view()).unwrap();
    let area = chain.area(x.view()).unwrap();
    let mut total = 0;
    for (i, row) in x.outer_iter().enumerate() {
        assert_eq!(sectors[i], reduced_word(row.as_slice().unwrap()));
        let direct: Vec<i32> =
            (1..=sites).map(|j| row.iter().take(j).map(|&n| if n == 1 { 1 } else { -1 }).sum()).collect();
        assert_eq!(heights.row(i).to_vec(), direct);
        assert_eq!(area[i], i64::from(direct.iter().sum::<i32>()));
    }
    for m in (0..=sites).step_by(2) {
        for a in 0..=m {
            let states = chain.enumerate_sector(a, m - a).unwrap();
            let expected: Vec<_> = (0..x.nrows()).filter(|&i| sectors[i] == (a, m - a)).collect();
            assert_eq!(states, x.select(ndarray::Axis(0), &expected));
            total += states.nrows();
        }
    }
    assert_eq!(total, 256);
    assert_eq!(Fredkin::new(20, 0.5).unwrap().enumerate_sector(0, 0).unwrap().nrows(), 16_796);
}

#[test]
fn bad_input_is_a_typed_error() {
    for sites in [0, 1, 7] {
        let error = Fredkin::new(sites, 0.5).unwrap_err();
        assert!(matches!(error, Error::Parameter { name: "sites", ref value, .. } if *value == sites.into()));
    }
    for c in [0.0, 1.0, -0.1, 1.5, f64::NAN, f64::INFINITY] {
        assert!(matches!(Fredkin::new(4, c), Err(Error::Parameter { name: "c", ref value, .. }) if *value == c.into()));
    }
    let chain = Fredkin::new(6, 0.3).unwrap();
    let short = Array2::<u8>::zeros((1, 5));
    assert_eq!(chain.log_weight(short.view()), Err(Error::SiteCount { expected: 6, got: 5 }));
    let mut wrong = Array2::<u8>::zeros((2, 6));
    wrong[[1, 3]] = 2;
    let out_of_range = Error::StateOutOfRange { row: 1, site: 3, state: 2, dim: 2 };
    assert_eq!(chain.heights(wrong.view()), Err(out_of_range.clone()));
    assert_eq!(chain.area(wrong.view()), Err(out_of_range.clone()));
    assert_eq!(chain.sectors(wrong.view()), Err(out_of_range));
    assert!(matches!(chain.enumerate_sector(1, 0), Err(Error::Parameter { name: "sector", .. })));
    assert!(matches!(chain.enumerate_sector(4, 4), Err(Error::Parameter { name: "sector", .. })));
    let long = Fredkin::new(60, 0.3).unwrap();
    assert!(matches!(long.enumerate_sector(0, 0), Err(Error::TooLarge { .. })));
    assert!(matches!(Fredkin::new(1 << 20, 0.3).unwrap().equilibrium(), Err(Error::TooLarge { .. })));
    assert!(matches!(chain.equilibrium().unwrap().two_point(2, 6), Err(Error::Parameter { name: "site", .. })));
    assert!(matches!(FredkinModel::truncated(&chain, 0), Err(Error::Parameter { name: "chi", .. })));
    let mut rng = Streams::new(1).stream(0);
    let mut x = [1, 0, 1, 0, 1];
    assert_eq!(chain.metropolis(&mut x, 1, &mut rng), Err(Error::SiteCount { expected: 6, got: 5 }));
    let mut x = [1, 0, 1, 0, 3, 0];
    assert!(matches!(chain.evolve(&mut x, 1.0, &mut rng), Err(Error::StateOutOfRange { site: 4, state: 3, .. })));
    let mut x = [1, 0, 1, 0, 1, 0];
    for time in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(chain.evolve(&mut x, time, &mut rng), Err(Error::Parameter { name: "time", .. })));
    }
    assert_eq!(x, [1, 0, 1, 0, 1, 0]);
}
