//! Models of spins with more than two states.

use ndarray::Array2;

use crate::error::Result;
use crate::lattice::square::couplings::Couplings;
use crate::lattice::square::ising::spin;
use crate::lattice::square::pair::PairModel;

impl PairModel {
    /// The Ashkin–Teller model: two spins `σ, τ = ±1` a site, weight
    /// `exp β(Σ J_ij [σ_i σ_j + τ_i τ_j + λ σ_i σ_j τ_i τ_j] + Σ h_j [σ_j + τ_j])`, `λ` the `four_spin`
    /// coupling. State `2·[σ = 1] + [τ = 1]`.
    ///
    /// At `λ = 0` two Ising models, at `λ = 1` without field the Potts model of four states (at four times
    /// its β, up to a constant). Ashkin and Teller, Phys. Rev. 64, 178.
    ///
    /// # Errors
    /// [`Error::Entry`](crate::Error::Entry) where a term of the exponent is not finite.
    pub fn ashkin_teller(couplings: &Couplings, four_spin: f64, beta: f64) -> Result<Self> {
        let spins = |a: usize| (spin((a / 2) as u8), spin((a % 2) as u8));
        let site = |h: &f64| (0..4).map(|a| beta * h * (spins(a).0 + spins(a).1)).collect();
        PairModel::of_spins(couplings, site, |j, a, b| {
            let ((s, t), (s2, t2)) = (spins(a), spins(b));
            beta * j * (s * s2 + t * t2 + four_spin * s * s2 * t * t2)
        })
    }

    /// The Blume–Capel model: spins `S = −1, 0, 1` (states 0, 1, 2), weight
    /// `exp β(Σ J_ij S_i S_j − Δ Σ S_j² + Σ h_j S_j)`, `Δ` the `crystal_field`.
    ///
    /// For `Δ → −∞` the Ising model. Blume, Phys. Rev. 141, 517; Capel, Physica 32, 966.
    ///
    /// # Errors
    /// As [`PairModel::ashkin_teller`].
    pub fn blume_capel(couplings: &Couplings, crystal_field: f64, beta: f64) -> Result<Self> {
        let spins = [-1.0, 0.0, 1.0];
        let site = |h: &f64| spins.map(|s: f64| beta * (h * s - crystal_field * s * s)).to_vec();
        PairModel::of_spins(couplings, site, |j, a, b| beta * j * spins[a] * spins[b])
    }

    /// Log-weights of a site from its field, and of a bond from its coupling.
    fn of_spins(
        couplings: &Couplings,
        site: impl Fn(&f64) -> Vec<f64>,
        bond: impl Fn(f64, usize, usize) -> f64,
    ) -> Result<Self> {
        let sites: Vec<Vec<f64>> = couplings.field().iter().map(site).collect();
        let states = sites.first().map_or(0, Vec::len);
        PairModel::of_bonds(couplings.lattice(), sites, |b, _, _| {
            Array2::from_shape_fn((states, states), |(x, y)| bond(couplings.bond(b), x, y))
        })
    }
}
