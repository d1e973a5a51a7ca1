//! The command line, checked before anything runs.

use std::fs;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use tensorjump::lattice::square::Wolff;
use tensorjump::lattice::{Couplings, Geometry, Square};

use crate::common::{Failure, options};
use crate::measure::{CHAINS, Method, Plan};
use crate::system::System;

/// Default bond dimension of the boundary MPS.
pub const BOUNDARY_CHI: usize = 8;
/// Default bond dimension of the snake MPS.
const SNAKE_CHI: usize = 64;
/// Default bond dimension of windows.
pub const WINDOW_CHI: usize = 4;
/// Default bond dimension in the fields of the noise.
pub const CONNECTED_CHI: usize = 2;
/// States of a line that a snake MPS can follow: those of twelve spins.
const SNAKE_STATES: f64 = 4096.0;
/// Circumference and length of the cylinder on which the snake MPS is compared where the lattice is too wide for it.
const SNAKE_CYLINDER: usize = 8;
/// Recorded configurations: three numbers each.
const SAMPLES_LIMIT: usize = 1 << 26;
/// Recorded configurations by default, and where each takes a contraction.
const SAMPLES: usize = 16_384;
const SLOW_SAMPLES: usize = 1024;
/// Longest side of a window by default.
const WINDOW: usize = 32;
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
    /// Both (windows and chains)
    Torus,
}

/// What sits on the sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Spins, weight exp β(Σ J s s + Σ h s)
    Ising,
    /// States 0 … q − 1, weight exp β(Σ J δ(x, x') + Σ h δ(x, 0))
    Potts,
}

/// Options; energies in units of the coupling, β is the inverse temperature.
#[derive(Debug, Parser)]
#[command(
    about = "Ising models on square lattices: tensor-network draws against Metropolis, heat bath, Wolff and exact values"
)]
#[command(allow_negative_numbers = true)]
pub struct Options {
    /// Ising or Potts
    #[arg(long, value_enum, default_value = "ising")]
    model: Kind,
    /// States of the Potts model (default: 3)
    #[arg(long)]
    q: Option<usize>,
    /// Which directions wrap around
    #[arg(long, value_enum, default_value = "open")]
    geometry: Edges,
    /// Rows of the lattice
    #[arg(long, default_value_t = 32)]
    rows: usize,
    /// Columns of the lattice
    #[arg(long, default_value_t = 32)]
    cols: usize,
    /// Inverse temperature (default: the critical point of the square lattice, 0.4407 for Ising, log(1 + √q) for Potts)
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
    /// Bond dimension of the tensor network (default: 8 for boundary, 4 for window, 64 for snake, tuned or 2 for connected)
    #[arg(long)]
    pub chi: Option<usize>,
    /// Two successive values of log Z by contraction agree to this
    #[arg(long, default_value_t = 1e-6)]
    log_z_tol: f64,
    /// Noise time of connected moves, in inverse rates to each other state (default: tuned for connected; independent draws for boundary, snake)
    #[arg(long)]
    noise_time: Option<f64>,
    /// Rows and columns of a window, within the lattice (default: all of an open lattice, all but one around a torus, at most 32)
    #[arg(long)]
    window: Option<usize>,
    /// Recorded configurations of each method, chains: rounded up to a multiple of 8 (default: 16384; window and connected: 1024)
    #[arg(long)]
    samples: Option<usize>,
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
    /// Acceptance, time and squared jump of connected moves at T = 0.2, 0.5, 1 and χ = 2 (or --chi), one thread, and nothing else
    #[arg(long, conflicts_with_all = ["tori", "speed", "method", "json"])]
    pub moves: bool,
    /// Windows and Wolff on every torus of tests/reference/ising.json with L ≤ 32, against the exact energies, and nothing else
    #[arg(long, conflicts_with_all = ["speed", "method", "json"])]
    pub tori: bool,
}

/// The critical point `log(1 + √2)/2` of the Ising model.
pub fn beta_c() -> f64 {
    0.5 * 2f64.sqrt().ln_1p()
}

impl Options {
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
    fn model_on(&self, lattice: Option<Square>) -> Result<System, Failure> {
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

    /// Number of recorded configurations.
    pub fn samples(&self, default: usize) -> Result<usize, Failure> {
        let samples = self.samples.unwrap_or(default);
        if samples < SAMPLES_PER_CHAIN * CHAINS {
            return Err(format!("--samples {samples}: at least {} needed", SAMPLES_PER_CHAIN * CHAINS).into());
        }
        if samples > SAMPLES_LIMIT {
            return Err(format!("--samples {samples}: at most 2^26 are allowed").into());
        }
        Ok(samples)
    }

    /// How to measure with a method on a model.
    pub fn plan(&self, method: Method, system: &System) -> Result<Plan, Failure> {
        let name = method.name();
        let samples = self.samples(if method.is_slow() { SLOW_SAMPLES } else { SAMPLES })?;
        if let Some(t) = self.noise_time {
            if !(t.is_finite() && t > 0.0) {
                return Err(format!("--noise-time {t}: must be positive and finite").into());
            }
            if !method.is_network() {
                return Err(format!("--noise-time {t}: only for boundary, snake and connected, not for {name}").into());
            }
        }
        if let Some(chi) = self.chi {
            options::positive("chi", chi)?;
            if !method.is_network() && method != Method::Window && self.method.is_some() {
                return Err(
                    format!("--chi {chi}: only for boundary, snake, window and connected, not for {name}").into()
                );
            }
        }
        if !(self.log_z_tol > 0.0 && self.log_z_tol.is_finite()) {
            return Err(format!("--log-z-tol {}: must be positive and finite", self.log_z_tol).into());
        }
        if method.is_network() && system.lattice().geometry() == Geometry::Torus {
            return Err(format!(
                "torus: only windows and chains, no tensor network for the whole of it; not for --method {name}"
            )
            .into());
        }
        match (method, system) {
            (Method::Wolff, System::Ising(ising)) => drop(Wolff::new(ising)?),
            (Method::Wolff, System::Potts(_)) => {
                return Err(format!("--model potts: sw has clusters for it, not --method {name}").into());
            }
            (Method::Sw, _) => drop(system.clusters()?),
            _ => {}
        }
        if method == Method::Snake && !fits_snake(system) {
            let width = snake_width(system.lattice());
            return Err(format!("lines of {width} sites: too many states (4096 at most) for --method {name}").into());
        }
        let chi = self.chi.unwrap_or(match method {
            Method::Snake => SNAKE_CHI,
            Method::Connected => CONNECTED_CHI,
            Method::Window => WINDOW_CHI,
            _ => BOUNDARY_CHI,
        });
        let window = self.window(system);
        if method == Method::Window {
            system.windows(window, chi)?;
        } else if let Some(side) = self.window {
            return Err(format!("--method window needed with --window {side}").into());
        }
        let (seed, log_z_tol) = (self.seed, self.log_z_tol);
        Ok(Plan { samples, seed, chi, given_chi: self.chi, log_z_tol, noise_time: self.noise_time, window })
    }

    /// Rows and columns of a window.
    fn window(&self, system: &System) -> [usize; 2] {
        let l = system.lattice();
        let side = |n: usize, wraps: bool| self.window.unwrap_or((if wraps { n - 1 } else { n }).min(WINDOW));
        [side(l.rows(), l.wraps_rows()), side(l.cols(), l.wraps_cols())]
    }

    /// The methods that apply to a model, each with the model it is measured on.
    pub fn comparison(&self, system: &System) -> Result<Vec<(Method, System, Plan)>, Failure> {
        if let Some(t) = self.noise_time {
            return Err(format!("--method needed with --noise-time {t}").into());
        }
        let mut runs = Vec::new();
        for method in Method::ALL {
            let model = match method {
                Method::Snake => self.snake_model(system)?,
                Method::Wolff => match system {
                    System::Ising(ising) if Wolff::new(ising).is_ok() => Some(system.clone()),
                    _ => None,
                },
                Method::Sw if system.clusters().is_err() => None,
                Method::Boundary if system.lattice().geometry() == Geometry::Torus => None,
                _ => Some(system.clone()),
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
    fn snake_model(&self, system: &System) -> Result<Option<System>, Failure> {
        if fits_snake(system) && system.lattice().geometry() != Geometry::Torus {
            return Ok(Some(system.clone()));
        }
        let named =
            self.couplings == "ferro" || self.couplings.starts_with("pmj:") || self.couplings.starts_with("gauss:");
        if !named {
            return Ok(None);
        }
        let small = Square::new(SNAKE_CYLINDER, SNAKE_CYLINDER, Geometry::Cylinder)?;
        Ok(Some(self.model_on(Some(small))?).filter(fits_snake))
    }
}

/// Whether a snake MPS can follow its lines.
fn fits_snake(system: &System) -> bool {
    (system.states() as f64).powi(snake_width(system.lattice()) as i32) <= SNAKE_STATES
}

/// Sites of the lines that a snake follows.
fn snake_width(l: Square) -> usize {
    if l.geometry() == Geometry::Open { l.rows().min(l.cols()) } else { l.cols() }
}
