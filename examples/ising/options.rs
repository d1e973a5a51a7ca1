//! The command line, checked before anything runs.

use crate::common::checkpoint::CheckpointOptions;
use crate::common::ising::measure::{
    BOUNDARY_CHI, CONNECTED_CHI, Method, Plan, SNAKE_CHI, TORUS_CHI, WINDOW_CHI, check_samples,
};
use crate::common::ising::options::SystemOptions;
use crate::common::ising::system::System;
use crate::common::{Failure, options};
use tensorjump::lattice::{Geometry, Square, SwendsenWang, Wolff};

/// States of a line that a snake MPS can follow: those of twelve spins.
const SNAKE_STATES: f64 = 4096.0;
/// Circumference and length of the cylinder on which the snake MPS is compared where the lattice is too wide
/// for it.
const SNAKE_CYLINDER: usize = 8;
/// Recorded configurations by default, and where each takes a contraction.
const SAMPLES: usize = 16_384;
const SLOW_SAMPLES: usize = 1024;
/// Longest side of a window by default.
const WINDOW: usize = 32;

crate::options! {
    /// Ising models on square lattices: tensor-network draws against Metropolis, heat bath, Wolff and exact
    /// values
    pub struct Options [seed, threads, json, out "out/ising"] {
        /// The model
        model: SystemOptions,
        /// Only this method
        method: Option<Method>,
        /// Bond dimension of the tensor network (default: 8 for boundary, 16 on a torus, 4 for window, 64 for snake, tuned
        /// or 2 for connected)
        chi: Option<usize>,
        /// Two successive values of log Z by contraction agree to this
        log_z_tol: f64 = 1e-6,
        /// Noise time of connected moves, in inverse rates to each other state (default: tuned for connected;
        /// independent draws for boundary, snake)
        noise_time: Option<f64>,
        /// Rows and columns of a window, within the lattice (default: all of an open lattice, all but one
        /// around a torus, at most 32)
        window: Option<usize>,
        /// Recorded configurations of each method, chains: rounded up to a multiple of 8 (default: 16384;
        /// window and connected: 1024)
        samples: Option<usize>,
        /// Of the chains of one method
        state: CheckpointOptions,
    }
}

impl Options {
    /// Refuses what was given but does not apply to the one method.
    pub fn check(&mut self, method: Method) -> Result<(), Failure> {
        let why = format!("does not apply to --method {}", method.name());
        let mut not = Vec::new();
        if !method.is_network() {
            not.push("noise-time");
        }
        if !method.is_network() && method != Method::Window {
            not.push("chi");
        }
        if method != Method::Boundary {
            not.push("log-z-tol");
        }
        if method != Method::Window {
            not.push("window");
        }
        options::refuse(self, &not, &why)?;
        if self.state.checkpoint.is_some() && method.is_network() && self.noise_time.is_none() {
            // Draws need none, and tuning goes by the clock: it may choose other moves next time.
            return options::refuse(self, &["checkpoint"], "needs chains, of a network those of --noise-time");
        }
        Ok(())
    }

    /// The one method to measure, if it is one.
    pub fn single(&self) -> Option<Method> {
        self.method.or(self.json.then_some(Method::Boundary))
    }

    /// How to measure with a method on a model.
    pub fn plan(&self, method: Method, system: &System) -> Result<Plan, Failure> {
        let name = method.name();
        let samples = check_samples(self.samples.unwrap_or(if method.is_slow() { SLOW_SAMPLES } else { SAMPLES }))?;
        if let Some(t) = self.noise_time
            && !(t.is_finite() && t > 0.0)
        {
            return Err(format!("--noise-time {t}: must be positive and finite").into());
        }
        if let Some(chi) = self.chi {
            options::positive("chi", chi)?;
        }
        if !(self.log_z_tol > 0.0 && self.log_z_tol.is_finite()) {
            return Err(format!("--log-z-tol {}: must be positive and finite", self.log_z_tol).into());
        }
        let torus = system.lattice().geometry() == Geometry::Torus;
        if method == Method::Snake && torus {
            return Err(format!("torus: no snake for the whole of it; not for --method {name}").into());
        }
        if lacks_diagonals(method, system) {
            return Err(format!("couplings along diagonals: --method {name} has none").into());
        }
        match (method, system) {
            (Method::Wolff, System::Ising(ising)) => drop(Wolff::new(ising)?),
            (Method::Wolff, System::Potts(_)) => {
                return Err(format!("--model potts: sw has clusters for it, not --method {name}").into());
            }
            (Method::Sw, _) => drop(SwendsenWang::new(system.model())?),
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
            _ if torus => TORUS_CHI,
            _ => BOUNDARY_CHI,
        });
        let window = self.window(system);
        if method == Method::Window {
            system.windows(window, chi)?;
        } else if let Some(side) = self.window {
            return Err(format!("--method window needed with --window {side}").into());
        }
        let (seed, log_z_tol, checkpoint) = (self.seed, self.log_z_tol, self.state.checkpoint()?);
        let noise_time = self.noise_time;
        Ok(Plan { samples, seed, chi, given_chi: self.chi, log_z_tol, noise_time, window, checkpoint })
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
        if let Some(path) = &self.state.checkpoint {
            return Err(format!("--method needed with --checkpoint {}", path.display()).into());
        }
        let mut runs = Vec::new();
        for method in Method::ALL {
            let model = match method {
                _ if lacks_diagonals(method, system) => None,
                Method::Snake => self.snake_model(system)?,
                Method::Wolff => match system {
                    System::Ising(ising) if Wolff::new(ising).is_ok() => Some(system.clone()),
                    _ => None,
                },
                Method::Sw if SwendsenWang::new(system.model()).is_err() => None,
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

    /// The model itself where a snake can follow its lines, else one of the same kind on a small cylinder;
    /// none for files.
    fn snake_model(&self, system: &System) -> Result<Option<System>, Failure> {
        if fits_snake(system) && system.lattice().geometry() != Geometry::Torus {
            return Ok(Some(system.clone()));
        }
        if self.model.couplings_from_file() {
            return Ok(None);
        }
        let small = Square::new(SNAKE_CYLINDER, SNAKE_CYLINDER, Geometry::Cylinder)?;
        Ok(Some(self.model.model_on(Some(small))?).filter(fits_snake))
    }
}

/// Whether the lattice has diagonal bonds and the method none.
fn lacks_diagonals(method: Method, system: &System) -> bool {
    let checkerboard = method == Method::Metropolis || method == Method::Heatbath && matches!(system, System::Ising(_));
    system.lattice().diagonals() != (false, false) && (method == Method::Snake || checkerboard)
}

/// Whether a snake MPS can follow its lines.
fn fits_snake(system: &System) -> bool {
    (system.states() as f64).powi(snake_width(system.lattice()) as i32) <= SNAKE_STATES
}

/// Sites of the lines that a snake follows.
fn snake_width(l: Square) -> usize {
    if l.geometry() == Geometry::Open { l.rows().min(l.cols()) } else { l.cols() }
}
