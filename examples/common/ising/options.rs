//! The model of the command line.

use std::fs;

use tensorjump::lattice::{Couplings, Geometry, Square};

use crate::common::Failure;
use crate::common::ising::system::System;

/// Sides of the lattice by default.
const SIDE: usize = 32;
/// Sites of the lattice.
const SITES_LIMIT: usize = 1 << 24;

crate::choices! {
    /// Which directions wrap around.
    pub enum Edges {
        /// No direction wraps around
        Open = "open",
        /// The columns wrap around
        Cylinder = "cylinder",
        /// Both wrap around (no snake)
        Torus = "torus",
    }
}

crate::choices! {
    /// What sits on the sites.
    pub enum Kind {
        /// Spins, weight exp β(Σ J s s + Σ h s)
        Ising = "ising",
        /// States 0 … q − 1, weight exp β(Σ J δ(x, x') + Σ h δ(x, 0))
        Potts = "potts",
    }
}

crate::options! {
    /// Options of a model; energies in units of the coupling, β is the inverse temperature
    pub struct SystemOptions [] {
        /// What sits on the sites
        model: Kind,
        /// States of the Potts model (default: 3)
        q: Option<usize>,
        /// Which directions wrap around (default: open, or as the coupling file says)
        geometry: Option<Edges>,
        /// Rows of the lattice (default: 32, or those of the coupling file)
        rows: Option<usize>,
        /// Columns of the lattice (default: 32, or those of the coupling file)
        cols: Option<usize>,
        /// Inverse temperature (default: the critical point of the square lattice, 0.4407 for Ising, log(1 +
        /// √q) for Potts)
        beta: Option<f64>,
        /// Uniform field (default: none, or that of the coupling file)
        field: Option<f64>,
        /// ferro, pmj:SEED, gauss:SEED, or a JSON file, which then tells geometry and size
        couplings: String = String::from("ferro"),
    }
}

impl Edges {
    fn geometry(self) -> Geometry {
        match self {
            Edges::Open => Geometry::Open,
            Edges::Cylinder => Geometry::Cylinder,
            Edges::Torus => Geometry::Torus,
        }
    }
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
    pub fn couplings_from_file(&self) -> bool {
        let c = self.couplings.as_str();
        !(c == "ferro" || c.starts_with("pmj:") || c.starts_with("gauss:"))
    }

    /// The lattice of the command line.
    fn lattice(&self) -> Result<Square, Failure> {
        let [rows, cols] = [self.rows, self.cols].map(|side| side.unwrap_or(SIDE));
        if rows.saturating_mul(cols) > SITES_LIMIT {
            return Err(format!("--rows {rows} --cols {cols}: more than 2^24 sites").into());
        }
        Ok(Square::new(rows, cols, self.geometry.unwrap_or_default().geometry())?)
    }

    /// Refuses sides and edges of the command line that are not those of a coupling file.
    fn check_file(&self, file: Square) -> Result<(), Failure> {
        let path = &self.couplings;
        for (name, asked, found) in [("rows", self.rows, file.rows()), ("cols", self.cols, file.cols())] {
            if let Some(asked) = asked.filter(|&asked| asked != found) {
                return Err(format!("--{name} {asked}: the couplings of {path} have {name} = {found}").into());
            }
        }
        match self.geometry.filter(|edges| edges.geometry() != file.geometry()) {
            Some(edges) => Err(format!("--geometry {}: the couplings of {path} have another", edges.name()).into()),
            None => Ok(()),
        }
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
        let couplings: Couplings =
            serde_json::from_str(&file).map_err(|error| format!("--couplings {text}: {error}"))?;
        self.check_file(couplings.lattice())?;
        Ok(couplings)
    }
}
