//! The systems of the published tables, and at which χ they are drawn here.

use ndarray::{Array1, Array2, Axis};
use tensorjump::Target;
use tensorjump::lattice::{Couplings, FreeFermions, Geometry, Ising, PairModel, Square};
use tensorjump::{Configs, Result};

use super::kaufman;

/// One system at one χ.
pub struct System {
    /// As in the file of published figures.
    pub name: String,
    pub lattice: Square,
    pub q: usize,
    pub beta: f64,
    pub chi: usize,
    pub model: PairModel,
    /// Exact `(log Z, energy)`, in nats and in units of the coupling.
    pub exact: Option<(f64, f64)>,
    /// Share of the draws asked for: large systems take long.
    pub share: f64,
}

/// `(side, β, χ, share of the draws)`: ferromagnets on tori.
const TORI: [(usize, f64, usize, f64); 14] = [
    (10, 0.4407, 16, 1.0),
    (16, 0.28, 16, 1.0),
    (16, 0.44, 32, 1.0),
    (16, 0.4407, 16, 1.0),
    (16, 0.4407, 32, 1.0),
    (16, 0.6, 16, 1.0),
    (16, 1.2, 16, 1.0),
    (24, 0.28, 16, 1.0),
    (24, 0.4407, 32, 1.0),
    (24, 0.6, 16, 1.0),
    (24, 1.2, 16, 1.0),
    (32, 0.44, 32, 1.0),
    (64, 0.44, 48, 1.0),
    (128, 0.44, 48, 0.2),
];

/// `(q, β, χ)`: Potts models on 16 × 16 tori.
const POTTS: [(usize, f64, usize); 6] =
    [(3, 0.5, 16), (3, 1.005, 48), (3, 1.2, 27), (4, 0.9, 24), (4, 1.0986, 36), (4, 1.3, 24)];

impl System {
    /// All of them up to a side, smallest first.
    pub fn all(longest: usize) -> Result<Vec<System>> {
        let mut all = Vec::new();
        for (side, beta, chi, share) in TORI.into_iter().filter(|t| t.0 <= longest) {
            let couplings = Couplings::uniform(Square::new(side, side, Geometry::Torus)?, 1.0)?;
            let exact = Some(kaufman::torus(side, side, beta));
            let name = format!("ising torus {side} {beta}");
            all.push(System::ising(name, &Ising::new(couplings, beta)?, chi, exact, share)?);
        }
        for (q, beta, chi) in POTTS.into_iter().filter(|_| longest >= 16) {
            let lattice = Square::new(16, 16, Geometry::Torus)?;
            let model = PairModel::potts(&Couplings::uniform(lattice, 1.0)?, q, beta)?;
            let name = format!("potts{q} torus 16 {beta}");
            all.push(System { name, lattice, q, beta, chi, model, exact: None, share: 1.0 });
        }
        if longest >= 32 {
            let ising = Ising::new(Couplings::uniform(Square::new(32, 32, Geometry::Open)?, 1.0)?, 0.44)?;
            let free = FreeFermions::new(&ising)?;
            let exact = Some((free.log_z, free.energy_per_site * 1024.0));
            all.push(System::ising("ising open 32 0.44".into(), &ising, 8, exact, 1.0)?);
        }
        if longest >= 1024 {
            let couplings = Couplings::plus_minus(Square::new(1024, 1024, Geometry::Open)?, 1);
            all.push(System::ising("glass open 1024 1".into(), &Ising::new(couplings, 1.0)?, 8, None, 0.01)?);
        }
        all.sort_by_key(|system| system.lattice.sites());
        Ok(all)
    }

    fn ising(name: String, ising: &Ising, chi: usize, exact: Option<(f64, f64)>, share: f64) -> Result<System> {
        let (lattice, beta) = (ising.lattice(), ising.beta());
        Ok(System { name, lattice, q: 2, beta, chi, model: ising.pair_model()?, exact, share })
    }

    pub fn sites(&self) -> f64 {
        self.lattice.sites() as f64
    }

    /// Energies `−log w/β`, shape `(n,)`.
    pub fn energy(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        Ok(self.model.log_weight(x)? / -self.beta)
    }

    /// Share of sites in state `q − 1`, shape `(n,)`: that of up spins.
    pub fn up(&self, x: Configs<'_>) -> Array1<f64> {
        let last = (self.q - 1) as u8;
        x.outer_iter().map(|x| x.iter().filter(|&&a| a == last).count() as f64 / x.len() as f64).collect()
    }

    /// `|m| = (q·largest share − 1)/(q − 1)`, of spins `|Σs|/N`; shape `(n,)`.
    pub fn order(&self, x: Configs<'_>) -> Array1<f64> {
        let q = self.q as f64;
        let one = |x: ndarray::ArrayView1<'_, u8>| {
            let mut count = vec![0usize; self.q];
            x.iter().for_each(|&a| count[usize::from(a)] += 1);
            let most = count.into_iter().max().unwrap_or(0) as f64 / x.len() as f64;
            (q * most - 1.0) / (q - 1.0)
        };
        x.outer_iter().map(one).collect()
    }

    /// Longest distance of the pairs measured: half a row, at most 64.
    pub fn reach(&self) -> usize {
        (self.lattice.cols() / 2).min(64)
    }

    /// `(q⟨δ(x_i, x_{i+k})⟩ − 1)/(q − 1)` along rows, of spins `⟨s_i s_{i+k}⟩`, averaged over sites, for
    /// `k = 1 … reach`; shape `(n, reach)`. On open lattices over the pairs that exist.
    pub fn pairs(&self, x: Configs<'_>) -> Array2<f64> {
        let (cols, wraps) = (self.lattice.cols(), self.lattice.wraps_cols());
        let q = self.q as f64;
        let mut all = Array2::zeros((x.nrows(), self.reach()));
        for (x, mut all) in x.axis_iter(Axis(0)).zip(all.axis_iter_mut(Axis(0))) {
            let x = x.to_vec();
            for (k, value) in (1..).zip(all.iter_mut()) {
                let (mut same, mut count) = (0usize, 0usize);
                for row in x.chunks_exact(cols) {
                    same += row.iter().zip(&row[k..]).filter(|(a, b)| a == b).count();
                    count += cols - k;
                    if wraps {
                        same += row[cols - k..].iter().zip(row).filter(|(a, b)| a == b).count();
                        count += k;
                    }
                }
                *value = (q * same as f64 / count as f64 - 1.0) / (q - 1.0);
            }
        }
        all
    }
}
