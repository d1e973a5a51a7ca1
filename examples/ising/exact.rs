//! What is known exactly: small lattices by enumeration, planar ones without field by free fermions.

use ndarray::Array2;
use tensorjump::lattice::square::FreeFermions;
use tensorjump::lattice::{Geometry, Ising};
use tensorjump::{Result, Target};

/// Sites that are enumerated.
const ENUMERATED: usize = 16;
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
    pub fn new(ising: &Ising) -> Result<Self> {
        if ising.lattice().sites() <= ENUMERATED {
            return enumerate(ising);
        }
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

fn enumerate(ising: &Ising) -> Result<Exact> {
    let n = ising.lattice().sites();
    let x = Array2::from_shape_fn((1 << n, n), |(i, j)| (i >> j & 1) as u8);
    let log_weight = ising.log_weight(x.view())?;
    let top = log_weight.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let w = log_weight.mapv(|w| (w - top).exp());
    let z = w.sum();
    let mean = |f: &ndarray::Array1<f64>| (&w * f).sum() / z;
    let (energy, m) = (ising.energy(x.view())?, ising.magnetisation(x.view())?);
    let total = &energy + &ising.field_energy(x.view())?;
    let off = &total - mean(&total);
    let sites = n as f64;
    Ok(Exact {
        log_z: Some(top + z.ln()),
        energy: Some(mean(&energy) / sites),
        m2: Some(mean(&(&m * &m))),
        heat: Some(ising.beta().powi(2) * mean(&(&off * &off)) / sites),
    })
}
