//! Laws of the data that can be enumerated, with a noise each.

use ndarray::{Array2, Array3, array};
use tensorjump::ExactModel;
use tensorjump::dense::DenseLaw;
use tensorjump::io::StoredLaw;
use tensorjump::lattice::{Couplings, Fredkin, FredkinModel, Geometry, Ising, SnakeMps, Square};
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::noise::{Noise, Rates};
use tensorjump::tn::Mps;

use tensorjump_studies::chain::Chain;
use tensorjump_studies::{Failure, choices};

choices! {
    /// The law of the data.
    pub enum Law {
        /// a Markov chain, three states, four sites
        Chain = "chain",
        /// a hidden Markov chain, three hidden states, two symbols, five sites
        Hidden = "hidden",
        /// an Ising ring of five spins in a weak field, β = 0.6
        Ring = "ring",
        /// Dyck paths of six steps, weighted by area: 5 of 64 configurations
        Fredkin = "fredkin",
        /// an open 2 × 3 Ising strip by its snake, β = 0.44
        Strip = "strip",
        /// the law in the file of --mps
        File = "file",
    }
}

choices! {
    /// The noise.
    pub enum Kind {
        /// masks of one rate
        Masks = "mask",
        /// every site drawn anew from all its states
        Uniform = "uniform",
    }
}

/// A law as a model and as a table, with its noise.
pub struct System {
    pub model: Box<dyn ExactModel>,
    pub table: DenseLaw,
    pub noise: Noise,
    pub masks: bool,
}

impl System {
    pub fn new(law: Law, kind: Kind, file: Option<&std::path::Path>) -> Result<Self, Failure> {
        let model: Box<dyn ExactModel> = match (law, file) {
            (Law::Chain, _) => Box::new(three_states().law(4)?),
            (Law::Hidden, _) => Box::new(hidden(5)?),
            (Law::Ring, _) => Box::new(PositiveMps::ising(0.6, &[1.0; 5], &[0.1; 5], Boundary::Ring)?),
            (Law::Fredkin, _) => Box::new(FredkinModel::new(&Fredkin::new(6, 0.6)?)?),
            (Law::Strip, _) => {
                let couplings = Couplings::uniform(Square::new(2, 3, Geometry::Open)?, 1.0)?;
                Box::new(SnakeMps::new(&Ising::new(couplings, 0.44)?, 64)?)
            }
            (Law::File, Some(path)) => match StoredLaw::read(path)? {
                StoredLaw::Born(law) => Box::new(law),
                StoredLaw::Positive(law) => Box::new(law),
                _ => return Err("--mps: a law of an unknown kind".into()),
            },
            (Law::File, None) => return Err("--law file: needs --mps".into()),
        };
        let rates = match kind {
            Kind::Masks => Rates::mask(model.dims(), 1.0)?,
            Kind::Uniform => Rates::uniform(model.dims(), 1.0)?,
        };
        let table = DenseLaw::of(model.as_ref())?;
        Ok(System { model, table, noise: Noise::from(rates), masks: kind == Kind::Masks })
    }
}

/// A chain of three states that prefers one way around.
pub fn three_states() -> Chain {
    Chain::new(&array![[0.5, 3.0, 0.4], [0.3, 0.6, 2.5], [2.0, 0.5, 0.8]])
}

/// Symbols that a hidden chain of three states emits, the first of which has two kinds of neighbours.
fn hidden(sites: usize) -> tensorjump::Result<PositiveMps> {
    let step = array![[0.80, 0.15, 0.05], [0.05, 0.80, 0.15], [0.15, 0.05, 0.80]];
    let emitted = array![[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]];
    hidden_chain(&step, &emitted, sites)
}

/// `P(x) = Σ_h (1/d) ∏ E(h_j, x_j) T(h_j, h_{j+1})`: `T` doubly stochastic, started from its stationary law.
pub fn hidden_chain(step: &Array2<f64>, emitted: &Array2<f64>, sites: usize) -> tensorjump::Result<PositiveMps> {
    let states = step.nrows();
    let tensor = |j: usize| {
        let (rows, columns) = (if j == 0 { 1 } else { states }, if j + 1 == sites { 1 } else { states });
        Array3::from_shape_fn((rows, emitted.ncols(), columns), |(i, a, k)| {
            let from = |h: usize| emitted[[h, a]] * if j + 1 == sites { 1.0 } else { step[[h, k]] };
            if j == 0 { (0..states).map(from).sum() } else { from(i) }
        })
    };
    PositiveMps::new(&Mps::new((0..sites).map(tensor).collect(), 0.0)?)
}
