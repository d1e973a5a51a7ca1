//! The model of the command line: Ising, or Potts with any number of states.

use ndarray::{Array1, Array2, ArrayView1};
use tensorjump::lattice::{Couplings, Geometry, Ising, PairModel, Pairwise, Square, Windows};
use tensorjump::{Configs, Result};

/// `32 × 32 open`.
pub fn name_of(lattice: Square) -> String {
    let geometry = match lattice.geometry() {
        Geometry::Open => "open",
        Geometry::Cylinder => "cylinder",
        Geometry::Torus => "torus",
    };
    format!("{} × {} {geometry}", lattice.rows(), lattice.cols())
}

/// Energy, energy in the field, magnetisation.
pub const OBSERVABLES: usize = 3;

/// A model on the square lattice.
#[derive(Debug, Clone)]
pub enum System {
    Ising(Ising),
    Potts(Potts),
}

/// `exp β(Σ J δ(x_i, x_j) + Σ h δ(x_j, 0))`.
#[derive(Debug, Clone)]
pub struct Potts {
    couplings: Couplings,
    states: usize,
    beta: f64,
    pub pairs: PairModel,
}

impl System {
    /// Ising without a number of states, else Potts.
    pub fn new(couplings: Couplings, beta: f64, states: Option<usize>) -> Result<Self> {
        let Some(states) = states else { return Ok(System::Ising(Ising::new(couplings, beta)?)) };
        let pairs = PairModel::potts(&couplings, states, beta)?;
        Ok(System::Potts(Potts { couplings, states, beta, pairs }))
    }

    pub fn couplings(&self) -> &Couplings {
        match self {
            System::Ising(ising) => ising.couplings(),
            System::Potts(potts) => &potts.couplings,
        }
    }

    pub fn lattice(&self) -> Square {
        self.couplings().lattice()
    }

    pub fn beta(&self) -> f64 {
        match self {
            System::Ising(ising) => ising.beta(),
            System::Potts(potts) => potts.beta,
        }
    }

    pub fn states(&self) -> usize {
        match self {
            System::Ising(_) => 2,
            System::Potts(potts) => potts.states,
        }
    }

    /// `Ising model`, `Potts model, q = 3`.
    pub fn name(&self) -> String {
        match self {
            System::Ising(_) => "Ising model".into(),
            System::Potts(potts) => format!("Potts model, q = {}", potts.states),
        }
    }

    /// The same at another temperature.
    pub fn at(&self, beta: f64) -> Result<System> {
        let states = matches!(self, System::Potts(_)).then(|| self.states());
        System::new(self.couplings().clone(), beta, states)
    }

    /// The model itself.
    pub fn model(&self) -> &dyn Pairwise {
        match self {
            System::Ising(ising) => ising,
            System::Potts(potts) => &potts.pairs,
        }
    }

    pub fn in_field(&self) -> bool {
        self.couplings().field().iter().any(|&h| h != 0.0)
    }

    /// Windows, one anywhere in each update where all but a row and a column fit in, else a sweep of them;
    /// with the flip of all spins where the model has it.
    pub fn windows(&self, [rows, cols]: [usize; 2], chi: usize) -> Result<Windows<&dyn Pairwise>> {
        let windows = Windows::new(self.model(), rows, cols, chi)?;
        let l = self.lattice();
        let windows = if rows + 1 >= l.rows() && cols + 1 >= l.cols() { windows.with_count(1)? } else { windows };
        Ok(windows.clone().with_flip().unwrap_or(windows))
    }

    /// The observables of configurations, shape `(samples, 3)`: totals, and the magnetisation per site, for
    /// Potts models `(q n/N − 1)/(q − 1)`, `n` sites in the commonest state.
    pub fn observe(&self, x: Configs<'_>) -> Result<Array2<f64>> {
        let columns = match self {
            System::Ising(ising) => [ising.energy(x)?, ising.field_energy(x)?, ising.magnetisation(x)?],
            System::Potts(potts) => {
                let of = |f: &dyn Fn(ArrayView1<'_, u8>) -> f64| x.outer_iter().map(f).collect::<Array1<f64>>();
                [of(&|x| potts.energy(x)), of(&|x| potts.field_energy(x)), of(&|x| potts.order(x))]
            }
        };
        Ok(Array2::from_shape_fn((x.nrows(), OBSERVABLES), |(i, k)| columns[k][i]))
    }
}

impl Potts {
    fn energy(&self, x: ArrayView1<'_, u8>) -> f64 {
        let lattice = self.couplings.lattice();
        let alike = lattice.bonds().filter(|&(_, i, j)| x[i] == x[j]);
        -alike.map(|(bond, ..)| self.couplings.bond(bond)).sum::<f64>()
    }

    fn field_energy(&self, x: ArrayView1<'_, u8>) -> f64 {
        -x.iter().zip(self.couplings.field()).filter(|(a, _)| **a == 0).map(|(_, h)| h).sum::<f64>()
    }

    fn order(&self, x: ArrayView1<'_, u8>) -> f64 {
        let mut counts = vec![0usize; self.states];
        x.iter().for_each(|&a| counts[usize::from(a)] += 1);
        let (q, most) = (self.states as f64, counts.into_iter().max().unwrap_or(0) as f64);
        if q == 1.0 { 1.0 } else { (q * most / x.len() as f64 - 1.0) / (q - 1.0) }
    }
}
