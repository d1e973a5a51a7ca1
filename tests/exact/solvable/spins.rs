//! Ashkin–Teller, Blume–Capel, Potts and clock models in fields.

use std::f64::consts::TAU;

use rand::RngExt;
use tensorjump::lattice::{Couplings, Geometry, Ising, PairModel, Square};
use tensorjump::{Error, Streams, Target};

use super::{assert_log, log_z, square};
use crate::common::all_configs;
use crate::common::allowed::log_sum;

/// Couplings and fields between −1 and 1, all different.
fn random(lattice: Square) -> Couplings {
    let mut rng = Streams::new(8).domain("spins").stream(0);
    let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect() };
    let (horizontal, vertical) = (draw(lattice.horizontal_bonds()), draw(lattice.vertical_bonds()));
    let field = draw(lattice.sites());
    Couplings::new(lattice, horizontal, vertical, field).unwrap()
}

/// Asserts that log-weights are `bond` and `site` terms added up, and that the contraction sums them.
fn assert_exponent(
    model: &PairModel,
    c: &Couplings,
    bond: impl Fn(f64, usize, usize) -> f64,
    site: impl Fn(f64, usize) -> f64,
) {
    let x = all_configs(model.dims());
    let found = model.log_weight(x.view()).unwrap();
    let (lattice, mut all) = (c.lattice(), Vec::with_capacity(x.nrows()));
    for (x, found) in x.outer_iter().zip(&found) {
        let state = |j: usize| usize::from(x[j]);
        let bonds = lattice.bonds().map(|(b, i, j)| bond(c.bond(b), state(i), state(j)));
        let sites = c.field().iter().enumerate().map(|(j, &h)| site(h, state(j)));
        let exact = bonds.sum::<f64>() + sites.sum::<f64>();
        assert!((found - exact).abs() < 1e-12, "{found} {exact}");
        all.push(exact);
    }
    assert_log(model, log_sum(&all));
}

const SMALL: [(usize, usize, Geometry); 4] =
    [(3, 3, Geometry::Open), (2, 4, Geometry::Cylinder), (3, 3, Geometry::Torus), (3, 3, Geometry::Cylinder)];

#[test]
fn blume_capel_is_its_formula() {
    let (delta, beta) = (0.4, 0.7);
    let spin = |a: usize| a as f64 - 1.0;
    for (rows, cols, geometry) in SMALL.into_iter().chain([(3, 4, Geometry::Open), (3, 4, Geometry::Torus)]) {
        let c = random(square(rows, cols, geometry));
        let model = PairModel::blume_capel(&c, delta, beta).unwrap();
        let site = |h: f64, a: usize| beta * (h * spin(a) - delta * spin(a) * spin(a));
        assert_exponent(&model, &c, |j, a, b| beta * j * spin(a) * spin(b), site);
    }
}

#[test]
fn ashkin_teller_is_its_formula() {
    let (lambda, beta) = (0.4, 0.7);
    let sigma = |a: usize| if a >= 2 { 1.0 } else { -1.0 };
    let tau = |a: usize| if a % 2 == 1 { 1.0 } else { -1.0 };
    for (rows, cols, geometry) in SMALL {
        let c = random(square(rows, cols, geometry));
        let model = PairModel::ashkin_teller(&c, lambda, beta).unwrap();
        let bond = |j: f64, a: usize, b: usize| {
            let (s, t) = (sigma(a) * sigma(b), tau(a) * tau(b));
            beta * j * (s + t + lambda * s * t)
        };
        assert_exponent(&model, &c, bond, |h, a| beta * h * (sigma(a) + tau(a)));
    }
}

#[test]
fn potts_and_clock_in_fields_are_their_formulas() {
    let (q, beta) = (3, 0.7);
    let same = |k: usize| f64::from(u8::from(k == 0));
    let cosine = |k: usize| (TAU * k as f64 / q as f64).cos();
    for (rows, cols, geometry) in SMALL {
        let c = random(square(rows, cols, geometry));
        let potts = PairModel::potts(&c, q, beta).unwrap();
        assert_exponent(&potts, &c, |j, a, b| beta * j * same((q + a - b) % q), |h, a| beta * h * same(a));
        let clock = PairModel::clock(&c, q, beta).unwrap();
        assert_exponent(&clock, &c, |j, a, b| beta * j * cosine((q + a - b) % q), |h, a| beta * h * cosine(a));
    }
}

/// Two Ising models without the coupling of four spins; four states of Potts with it.
#[test]
fn ashkin_teller_at_its_ends() {
    for (rows, cols, geometry) in [(6, 6, Geometry::Open), (5, 6, Geometry::Cylinder), (4, 4, Geometry::Torus)] {
        let c = random(square(rows, cols, geometry));
        let ising = Ising::new(c.clone(), 0.6).unwrap().pair_model().unwrap();
        assert_log(&PairModel::ashkin_teller(&c, 0.0, 0.6).unwrap(), 2.0 * log_z(&ising));
        let free = c.clone().with_field(vec![0.0; rows * cols]).unwrap();
        let shift: f64 = free.horizontal().iter().chain(free.vertical()).map(|j| 0.6 * j).sum();
        let potts = PairModel::potts(&free, 4, 4.0 * 0.6).unwrap();
        assert_log(&PairModel::ashkin_teller(&free, 1.0, 0.6).unwrap(), log_z(&potts) - shift);
    }
}

/// A vacancy costs `e^{βΔ}`: at βΔ = −60 it is below rounding.
#[test]
fn blume_capel_without_vacancies_is_ising() {
    for (rows, cols, geometry) in [(6, 7, Geometry::Open), (4, 4, Geometry::Torus)] {
        let c = random(square(rows, cols, geometry));
        let ising = Ising::new(c.clone(), 0.6).unwrap().pair_model().unwrap();
        let model = PairModel::blume_capel(&c, -100.0, 0.6).unwrap();
        assert_log(&model, log_z(&ising) + 60.0 * (rows * cols) as f64);
    }
}

#[test]
fn mistakes_are_named() {
    let c = random(square(3, 3, Geometry::Open));
    for model in [PairModel::blume_capel(&c, f64::NAN, 1.0), PairModel::blume_capel(&c, 0.0, f64::INFINITY)] {
        assert!(matches!(model, Err(Error::Entry { ref place, .. }) if place.starts_with("sites[0][0]")), "{model:?}");
    }
    let model = PairModel::ashkin_teller(&c, f64::INFINITY, 1.0);
    assert!(matches!(model, Err(Error::Entry { ref place, .. }) if place.starts_with("horizontal[0][0]")), "{model:?}");
}
