//! Laws whose draws agree with each other and miss a part of the model are refused.

use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, PairModel, Pairwise, Square};
use tensorjump::mcmc::{Estimate, WeightSummary};
use tensorjump::{Error, Model, Streams};

fn square(side: usize, geometry: Geometry) -> Square {
    Square::new(side, side, geometry).unwrap()
}

fn dimers(side: usize) -> PairModel {
    PairModel::dimers(square(side, Geometry::Open), [1.0; 2]).unwrap()
}

/// `log Z` by weights in standard errors above the exact value, and the effective fraction, of 4096 draws of the
/// law that is not checked.
fn off<M: Pairwise>(model: &M, chi: usize, log_z: f64) -> (f64, f64) {
    let draws = BoundaryMps::proposal(model, chi).unwrap().draw(4096, &Streams::new(1)).unwrap();
    let log_w = draws.log_importance_weights(&model.tables().unwrap().into_owned()).unwrap();
    let found = Estimate::log_mean_weight(log_w.view()).unwrap();
    let error = found.error.max(1e-6);
    ((found.mean - log_z) / error, WeightSummary::of(log_w.view()).unwrap().fraction)
}

#[test]
fn laws_that_miss_a_part_of_the_model_are_refused() {
    let tilings = |rows: usize| {
        let cosine = |k: usize| (std::f64::consts::PI * k as f64 / (rows + 1) as f64).cos();
        let pairs = (1..=rows / 2).flat_map(|j| (1..=rows / 2).map(move |k| (j, k)));
        pairs.map(|(j, k)| (4.0 * cosine(j).powi(2) + 4.0 * cosine(k).powi(2)).ln()).sum::<f64>()
    };
    let diamond = |n: usize| (n * (n + 1) / 2) as f64 * 2f64.ln();
    let cases = [
        ("dimers 6, χ = 1", dimers(6), 1, tilings(6)),
        ("dimers 12, χ = 1", dimers(12), 1, tilings(12)),
        ("dimers 20, χ = 4", dimers(20), 4, tilings(20)),
        ("dimers 6, χ = 2", dimers(6), 2, tilings(6)),
        ("diamond 3, χ = 1", PairModel::aztec_diamond(3, [1.0; 2]).unwrap(), 1, diamond(3)),
        ("diamond 6, χ = 1", PairModel::aztec_diamond(6, [1.0; 2]).unwrap().balanced().unwrap(), 1, diamond(6)),
        ("diamond 6, χ = 1", PairModel::aztec_diamond(6, [1.0; 2]).unwrap(), 1, diamond(6)),
        ("walls 6, χ = 1", PairModel::domain_walls(6, [1.0; 3]).unwrap(), 1, 7436f64.ln()),
    ];
    for (name, model, chi, log_z) in cases {
        // Its weights say that all is well, and they are wrong.
        let (sigmas, fraction) = off(&model, chi, log_z);
        assert!(sigmas < -10.0 && fraction > 0.5, "{name}: {sigmas} standard errors, effective fraction {fraction}");
        let made = BoundaryMps::new(&model, chi);
        assert!(matches!(made, Err(Error::NoConvergence { .. })), "{name} is not refused");
    }
}

#[test]
fn frustrated_tori_that_miss_a_part_are_refused() {
    for (side, chi) in [(4, 8), (6, 16)] {
        let couplings = Couplings::triangular(square(side, Geometry::Torus), -1.0).unwrap();
        let ising = Ising::new(couplings, 1.0).unwrap();
        let made = BoundaryMps::new(&ising, chi);
        assert!(matches!(made, Err(Error::NoConvergence { .. })), "{side}, χ = {chi} is not refused");
    }
}

#[test]
fn good_laws_are_not_refused() {
    for side in [8, 12] {
        BoundaryMps::new(&dimers(side), 16).unwrap();
    }
    BoundaryMps::new(&PairModel::aztec_diamond(6, [1.0; 2]).unwrap(), 16).unwrap();
    let beta_c = (1.0 + 2f64.sqrt()).ln() / 2.0;
    for geometry in [Geometry::Open, Geometry::Cylinder, Geometry::Torus] {
        for (side, chi) in [(16, 2), (16, 4), (32, 4), (32, 8)] {
            let ferromagnet = Couplings::uniform(square(side, geometry), 1.0).unwrap();
            BoundaryMps::new(&Ising::new(ferromagnet, beta_c).unwrap(), chi).unwrap();
        }
    }
    // Laws that are a single configuration, nearly: a field alone, a cold magnet in a field.
    for (coupling, field, beta, chi) in [(0.0, 12.0, 1.0, 1), (1.0, 1.0, 3.0, 2)] {
        let lattice = square(64, Geometry::Open);
        let magnet = Couplings::uniform(lattice, coupling).unwrap().with_field(vec![field; 64 * 64]).unwrap();
        BoundaryMps::new(&Ising::new(magnet, beta).unwrap(), chi).unwrap();
    }
    for seed in 0..20 {
        let glass = Couplings::plus_minus(square(16, Geometry::Open), seed);
        BoundaryMps::new(&Ising::new(glass, 1.0).unwrap(), 8).unwrap();
    }
}
