//! Born laws: `P(x) = ψ(x)² / Z` with a real matrix-product `ψ`.
//!
//! In right-canonical form the conditional of a plain draw is `|v A_j[a]|²/|v|²`: one uniform is drawn first
//! and the symbol that it would choose under the marginal law is tried first, so that a draw costs
//! `(1 + P(fail)) χ²` multiply-adds a site (two states). Site weights scale the tensors by `√w` and need the
//! density matrices `ρ_j = Σ_a w_j(a) A_j[a] ρ_{j+1} A_j[a]ᵀ` of every row: `2dχ³` a site. The
//! log-probability is `2 log|ψ(x)| + Σ log w_j(x_j)` less the log-evidence. Sampling: arXiv 1201.3974; Born
//! machines: arXiv 1709.01662.
//!
//! Where weights and law disagree, the conditional weights `w(a) v A[a] ρ A[a]ᵀ v` add up to a small share of
//! `Σ w(a) |v|² tr ρ`, and rounding takes 10⁻¹⁶ of that. Rows in which a share falls below 10⁻⁴ are computed
//! with factors, `ρ_j = R_j R_jᵀ`, at a QR decomposition a site: rounding then takes 10⁻³², and shares down
//! to 10⁻²⁴ keep four digits. What is smaller cannot be told from zero and counts as evidence zero, a typed
//! error.
//!
//! An *open last bond* is summed over: `P(x) = Σ_k ψ_k(x)² / Z`. It carries complex states (`|ψ|²` is the sum
//! over real and imaginary part, `A → [[Re, −Im], [Im, Re]]`), mixed states by their purifications, and the
//! first sites of a longer chain. The amplitude then has more sites than the law, `k` being the states of the
//! sites behind it. In right-canonical form these add up to `ρ_{N+1} = 1`: a draw is over after the sites of
//! the law, and the conditional of a plain draw is `|v A_j[a]|²/|v|²` as before, at the same cost.
//!
//! **Limit.** The canonical form rounds each tensor to 10⁻¹⁶ of its norm. Plain scores of configurations that
//! need amplitudes below some 10⁻⁸ of others at the same site lose digits, and far below that all of them.

mod answers;
mod cavities;
mod law;
mod packed;
mod plain;
mod rows;
mod sums;

pub use law::BornMps;
