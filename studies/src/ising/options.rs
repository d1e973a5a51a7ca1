//! The model of the command line.

use std::fs;

use clap::{Args, ValueEnum};
use tensorjump::lattice::{Couplings, Geometry, Square};

use crate::Failure;
use crate::ising::system::System;

/// Sites of the lattice.
const SITES_LIMIT: usize = 1 << 24;

/// Which directions wrap around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Edges {
    /// None
    Open,
    /// The columns
    Cylinder,
    /// Both (windows and chains)
    Torus,
}

/// What sits on the sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Spins, weight exp β(Σ J s s + Σ h s)
    Ising,
    /// States 0 … q − 1, weight exp β(Σ J δ(x, x') + Σ h δ(x, 0))
    Potts,
}

/// Options of a model; energies in units of the coupling, β is the inverse temperature.
#[derive(Debug, Args)]
pub struct SystemOptions {
    /// Ising or Potts
    #[arg(long, value_enum, default_value = "ising")]
    pub model: Kind,
    /// States of the Potts model (default: 3)
    #[arg(long)]
    pub q: Option<usize>,
    /// Which directions wrap around
    #[arg(long, value_enum, default_value = "open")]
    pub geometry: Edges,
    /// Rows of the lattice
    #[arg(long, default_value_t = 32)]
    pub rows: usize,
    /// Columns of the lattice
    #[arg(long, default_value_t = 32)]
    pub cols: usize,
    /// Inverse temperature (default: the critical point of the square lattice, 0.4407 for Ising, log(1 + √q) for Potts)
    #[arg(long)]
    pub beta: Option<f64>,
    /// Uniform field (default: none, or that of the coupling file)
    #[arg(long)]
    pub field: Option<f64>,
    /// ferro, pmj:SEED, gauss:SEED, or a JSON file (which then tells geometry and size)
    #[arg(long, default_value = "ferro")]
    pub couplings: String,
}

/// The critical point `log(1 + √2)/2` of the Ising model.
pub fn beta_c() -> f64 {
    0.5 * 2f64.sqrt().ln_1p()
}

impl SystemOptions {
    /// The model.
    pub fn system(&self) -> Result<System, Failure> {
        match (self.model, self.q) {
            (Kind::Ising, Some(q)) => Err(format!("--model potts needed with --q {q}").into()),
            (Kind::Potts, Some(q)) if !(2..=256).contains(&q) => {
                Err(format!("--q {q}: 2 to 256 states are allowed").into())
            }
            _ => self.model_on(None),
        }
    }

    /// States of the Potts model, if it is one.
    fn states(&self) -> Option<usize> {
        (self.model == Kind::Potts).then(|| self.q.unwrap_or(3))
    }

    /// The model, or one of the same kind on another lattice.
    pub fn model_on(&self, lattice: Option<Square>) -> Result<System, Failure> {
        let couplings = self.couplings(lattice)?;
        let couplings = match self.field {
            Some(h) if !h.is_finite() => return Err(format!("--field {h}: must be finite").into()),
            Some(h) => {
                let field = vec![h; couplings.lattice().sites()];
                couplings.with_field(field)?
            }
            None => couplings,
        };
        let critical = self.states().map_or_else(beta_c, |q| (q as f64).sqrt().ln_1p());
        let beta = self.beta.unwrap_or(critical);
        if !beta.is_finite() {
            return Err(format!("--beta {beta}: must be finite").into());
        }
        Ok(System::new(couplings, beta, self.states())?)
    }

    /// Whether the couplings come from a file.
    pub fn from_file(&self) -> bool {
        let c = self.couplings.as_str();
        !(c == "ferro" || c.starts_with("pmj:") || c.starts_with("gauss:"))
    }

    /// The lattice of the command line.
    fn lattice(&self) -> Result<Square, Failure> {
        if self.rows.saturating_mul(self.cols) > SITES_LIMIT {
            return Err(format!("--rows {} --cols {}: more than 2^24 sites", self.rows, self.cols).into());
        }
        let geometry = match self.geometry {
            Edges::Open => Geometry::Open,
            Edges::Cylinder => Geometry::Cylinder,
            Edges::Torus => Geometry::Torus,
        };
        Ok(Square::new(self.rows, self.cols, geometry)?)
    }

    fn couplings(&self, lattice: Option<Square>) -> Result<Couplings, Failure> {
        let text = self.couplings.as_str();
        let lattice = || lattice.map_or_else(|| self.lattice(), Ok);
        let seed = |seed: &str| {
            seed.parse::<u64>().map_err(|error| Failure::from(format!("--couplings {text}: the seed: {error}")))
        };
        if text == "ferro" {
            return Ok(Couplings::uniform(lattice()?, 1.0)?);
        }
        if let Some(s) = text.strip_prefix("pmj:") {
            return Ok(Couplings::plus_minus(lattice()?, seed(s)?));
        }
        if let Some(s) = text.strip_prefix("gauss:") {
            return Ok(Couplings::gaussian(lattice()?, seed(s)?));
        }
        let file = fs::read_to_string(text).map_err(|error| format!("--couplings {text}: {error}"))?;
        Ok(serde_json::from_str(&file).map_err(|error| format!("--couplings {text}: {error}"))?)
    }
}
