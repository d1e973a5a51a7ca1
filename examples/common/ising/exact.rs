//! What is known exactly: small lattices by enumeration, planar ones without field by free fermions.

use ndarray::Array2;
use tensorjump::Result;
use tensorjump::lattice::{FreeFermions, Geometry, Ising};

use crate::common::ising::system::System;

/// Configurations that are enumerated.
const ENUMERATED: f64 = 65536.0;
/// Multiply-adds that an exact value may take: some seconds.
const AFFORDABLE: f64 = 6e10;

/// Exact values per site; `None` for what is not known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exact {
    /// `log Z` in nats.
    pub log_z: Option<f64>,
    /// `−⟨ΣJss⟩/N`.
    pub energy: Option<f64>,
    /// `⟨(Σs/N)²⟩`.
    pub m2: Option<f64>,
    /// `β² Var(energy, field included)/N`.
    pub heat: Option<f64>,
}

/// Multiply-adds of the free fermions with both derivatives.
pub fn fermion_cost(ising: &Ising) -> f64 {
    let (rows, cols) = (ising.lattice().rows() as f64, ising.lattice().cols() as f64);
    let (m, l) =
        if ising.lattice().geometry() == Geometry::Open { (rows.max(cols), rows.min(cols)) } else { (rows, cols) };
    12.0 * m * l.powi(3)
}

/// Whether free fermions solve the model.
pub fn is_free(ising: &Ising) -> bool {
    ising.lattice().geometry() != Geometry::Torus && ising.couplings().field().iter().all(|&h| h == 0.0)
}

impl Exact {
    /// Whatever is known of the model at an affordable cost.
    pub fn new(system: &System) -> Result<Self> {
        if (system.states() as f64).powi(system.lattice().sites() as i32) <= ENUMERATED {
            return enumerate(system);
        }
        let System::Ising(ising) = system else { return Ok(Exact::default()) };
        if !is_free(ising) || fermion_cost(ising) > AFFORDABLE {
            return Ok(Exact::default());
        }
        // Couplings too strong for double precision leave the value unknown.
        Ok(FreeFermions::new(ising).map_or_else(
            |_| Exact::default(),
            |f| Exact { log_z: Some(f.log_z), energy: Some(f.energy_per_site), m2: None, heat: Some(f.specific_heat) },
        ))
    }
}

fn enumerate(system: &System) -> Result<Exact> {
    let (n, q) = (system.lattice().sites(), system.states());
    let x = Array2::from_shape_fn((q.pow(n as u32), n), |(i, j)| (i / q.pow(j as u32) % q) as u8);
    let log_weight = system.model().log_weight(x.view())?;
    let top = log_weight.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let w = log_weight.mapv(|w| (w - top).exp());
    let z = w.sum();
    let mean = |f: &ndarray::Array1<f64>| (&w * f).sum() / z;
    let values = system.observe(x.view())?;
    let [energy, field, m] = [0, 1, 2].map(|k| values.column(k).to_owned());
    let total = &energy + &field;
    let off = &total - mean(&total);
    let sites = n as f64;
    Ok(Exact {
        log_z: Some(top + z.ln()),
        energy: Some(mean(&energy) / sites),
        m2: Some(mean(&(&m * &m))),
        heat: Some(system.beta().powi(2) * mean(&(&off * &off)) / sites),
    })
}
