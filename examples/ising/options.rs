//! The command line, checked before anything runs.

use std::fs;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use tensorjump::lattice::square::Wolff;
use tensorjump::lattice::{Couplings, Geometry, Ising, Square};

use crate::common::{Failure, options};
use crate::measure::{CHAINS, Method, Plan};

/// Default bond dimension of the boundary MPS.
pub const BOUNDARY_CHI: usize = 8;
/// Default bond dimension of the snake MPS.
const SNAKE_CHI: usize = 64;
/// Longest line that a snake MPS can follow.
const SNAKE_WIDTH: usize = 12;
/// Circumference and length of the cylinder on which the snake MPS is compared where the lattice is too wide for it.
const SNAKE_CYLINDER: usize = 8;
/// Recorded configurations: three numbers each.
const SAMPLES_LIMIT: usize = 1 << 26;
/// Recorded configurations of each chain without which a series has no autocorrelation.
const SAMPLES_PER_CHAIN: usize = 2;
/// Sites of the lattice.
const SITES_LIMIT: usize = 1 << 24;

/// Which directions wrap around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Edges {
    /// None
    Open,
    /// The columns
    Cylinder,
    /// Both (no tensor network)
    Torus,
}

/// Options; energies in units of the coupling, β is the inverse temperature.
#[derive(Debug, Parser)]
#[command(
    about = "Ising models on square lattices: tensor-network draws against Metropolis, heat bath, Wolff and exact values"
)]
#[command(allow_negative_numbers = true)]
pub struct Options {
    /// Which directions wrap around
    #[arg(long, value_enum, default_value = "open")]
    geometry: Edges,
    /// Rows of the lattice
    #[arg(long, default_value_t = 32)]
    rows: usize,
    /// Columns of the lattice
    #[arg(long, default_value_t = 32)]
    cols: usize,
    /// Inverse temperature (default: the critical point of the square lattice, 0.4407)
    #[arg(long)]
    beta: Option<f64>,
    /// Uniform field (default: none, or that of the coupling file)
    #[arg(long)]
    field: Option<f64>,
    /// ferro, pmj:SEED, gauss:SEED, or a JSON file (which then tells geometry and size)
    #[arg(long, default_value = "ferro")]
    couplings: String,
    /// Only this method
    #[arg(long, value_enum)]
    pub method: Option<Method>,
    /// Bond dimension of the tensor network (default: 8 for boundary, 64 for snake)
    #[arg(long)]
    pub chi: Option<usize>,
    /// Two successive values of log Z by contraction agree to this
    #[arg(long, default_value_t = 1e-6)]
    log_z_tol: f64,
    /// Noise time of connected moves, in inverse flip rates (default: independent draws)
    #[arg(long)]
    noise_time: Option<f64>,
    /// Recorded configurations of each method (chains: rounded up to a multiple of 8)
    #[arg(long, default_value_t = 16_384)]
    pub samples: usize,
    /// Seed of all draws
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Threads (default: one a core); results do not depend on them
    #[arg(long)]
    pub threads: Option<usize>,
    /// Folder for the pictures
    #[arg(long, default_value = "out/ising")]
    pub out: PathBuf,
    /// Print one JSON object instead of the tables
    #[arg(long)]
    pub json: bool,
    /// Compare speeds on one thread at L = 16, 32, 64, 128, and nothing else
    #[arg(long)]
    pub speed: bool,
}

/// The critical point `log(1 + √2)/2`.
pub fn beta_c() -> f64 {
    0.5 * 2f64.sqrt().ln_1p()
}

impl Options {
    /// The model.
    pub fn ising(&self) -> Result<Ising, Failure> {
        self.model_on(None)
    }

    /// The model, or one of the same kind on another lattice.
    fn model_on(&self, lattice: Option<Square>) -> Result<Ising, Failure> {
        let couplings = self.couplings(lattice)?;
        let couplings = match self.field {
            Some(h) if !h.is_finite() => return Err(format!("--field {h}: must be finite").into()),
            Some(h) => {
                let field = vec![h; couplings.lattice().sites()];
                couplings.with_field(field)?
            }
            None => couplings,
        };
        Ok(Ising::new(couplings, self.beta.unwrap_or_else(beta_c))?)
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

    /// The one method to measure, if it is one.
    pub fn single(&self) -> Option<Method> {
        self.method.or(self.json.then_some(Method::Boundary))
    }

    /// How to measure with a method on a model.
    pub fn plan(&self, method: Method, ising: &Ising) -> Result<Plan, Failure> {
        let (samples, name) = (self.samples, method.name());
        if samples < SAMPLES_PER_CHAIN * CHAINS {
            return Err(format!("--samples {samples}: at least {} needed", SAMPLES_PER_CHAIN * CHAINS).into());
        }
        if samples > SAMPLES_LIMIT {
            return Err(format!("--samples {samples}: at most 2^26 are allowed").into());
        }
        if let Some(t) = self.noise_time {
            if !(t.is_finite() && t > 0.0) {
                return Err(format!("--noise-time {t}: must be positive and finite").into());
            }
            if !method.is_network() {
                return Err(format!("--noise-time {t}: only for boundary and snake, not for {name}").into());
            }
        }
        if let Some(chi) = self.chi {
            options::positive("chi", chi)?;
            if !method.is_network() && self.method.is_some() {
                return Err(format!("--chi {chi}: only for boundary and snake, not for {name}").into());
            }
        }
        if !(self.log_z_tol > 0.0 && self.log_z_tol.is_finite()) {
            return Err(format!("--log-z-tol {}: must be positive and finite", self.log_z_tol).into());
        }
        if method.is_network() && ising.lattice().geometry() == Geometry::Torus {
            return Err(format!("torus: no tensor network here, only chains; not for --method {name}").into());
        }
        if method == Method::Wolff {
            Wolff::new(ising)?;
        }
        let width = snake_width(ising.lattice());
        if method == Method::Snake && width > SNAKE_WIDTH {
            return Err(format!("lines of {width} sites: at most {SNAKE_WIDTH} for --method {name}").into());
        }
        let default = if method == Method::Snake { SNAKE_CHI } else { BOUNDARY_CHI };
        let chi = self.chi.unwrap_or(default);
        Ok(Plan { samples, seed: self.seed, chi, log_z_tol: self.log_z_tol, noise_time: self.noise_time })
    }

    /// The methods that apply to a model, each with the model it is measured on.
    pub fn comparison(&self, ising: &Ising) -> Result<Vec<(Method, Ising, Plan)>, Failure> {
        if let Some(t) = self.noise_time {
            return Err(format!("--method needed with --noise-time {t}").into());
        }
        let mut runs = Vec::new();
        for method in Method::ALL {
            let model = match method {
                Method::Snake => self.snake_model(ising)?,
                Method::Wolff if Wolff::new(ising).is_err() => None,
                Method::Boundary if ising.lattice().geometry() == Geometry::Torus => None,
                _ => Some(ising.clone()),
            };
            if let Some(model) = model {
                let mut plan = self.plan(method, &model)?;
                if method == Method::Snake {
                    plan.chi = SNAKE_CHI; // the option is that of the boundary MPS
                }
                runs.push((method, model, plan));
            }
        }
        Ok(runs)
    }

    /// The model itself where a snake can follow its lines, else one of the same kind on a small cylinder; none for files.
    fn snake_model(&self, ising: &Ising) -> Result<Option<Ising>, Failure> {
        let l = ising.lattice();
        if snake_width(l) <= SNAKE_WIDTH && l.geometry() != Geometry::Torus {
            return Ok(Some(ising.clone()));
        }
        let named =
            self.couplings == "ferro" || self.couplings.starts_with("pmj:") || self.couplings.starts_with("gauss:");
        if !named {
            return Ok(None);
        }
        let small = Square::new(SNAKE_CYLINDER, SNAKE_CYLINDER, Geometry::Cylinder)?;
        Ok(Some(self.model_on(Some(small))?))
    }
}

/// Sites of the lines that a snake follows.
fn snake_width(l: Square) -> usize {
    if l.geometry() == Geometry::Open { l.rows().min(l.cols()) } else { l.cols() }
}
