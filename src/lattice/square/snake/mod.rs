//! The snake MPS: `P_χ(x) = ψ_χ(x)²`, `ψ_χ` the truncated matrix product of `ψ = √π` along a snake (arXiv
//! 2407.11133).
//!
//! Let `|r_τ⟩` be the normalised state of the sites ahead at fixed frontier `τ` (see [`Square::snake`]); for
//! different `τ` they are orthogonal. So, with the sites behind in an orthonormal basis `α`, the state at a
//! cut is a matrix with one column for each `τ`,
//!
//! ```text
//! ψ = Σ_{α,τ} B[α,τ] |α⟩ |r_τ⟩,     B_0[τ] = √(D_0(τ)/Z),
//! C[(α,x),τ'] = B[α,(x,rest)] √(w(x,τ') D_{k+1}(τ')/D_k(x,rest)),
//! ```
//!
//! and the SVD `C = U S Vᵗ` cut to χ values is one step of the successive SVD truncation of the exact state
//! in canonical form, the tensor of the site being `U` and the next `B` being `S Vᵗ`. No matrix is larger
//! than `dχ × d^L`, `L` the length of a line (the circumference). Discarded weights add up:
//! `‖ψ − ψ_χ‖² = Σ_k w_k` before `ψ_χ` is normalised.
//!
//! Cost: `O(N d² χ² d^L)` by QR of `Cᵗ` and an SVD of its triangular factor, memory
//! `O((dχ + rows) d^L + N d χ²)`.

mod transfer;

use ndarray::{Array1, Array2, Array3, Zip, s};

use crate::error::{Error, Result};
use crate::lattice::square::geometry::{Geometry, Square};
use crate::lattice::square::pair::PairModel;
use crate::lattice::square::pairwise::Pairwise;
use crate::linalg::{matmul, qr, svd};
use crate::log_space::log_sum_exp;
use crate::model::{BornMps, Configs, ExactModel, Model, Permuted, Samples, SiteWeights, Target};
use crate::rng::{Stream, Streams};
use crate::tn::{Kept, Mps, Truncation, cut};
use transfer::{Step, Transfer};

/// Most states of a frontier: circumference 12 for two states a site.
const FRONTIER_LIMIT: usize = 1 << 12;
/// Most numbers of a table: 1 GiB.
const TABLE_LIMIT: usize = 1 << 27;

/// A Born matrix-product law for a model on a cylinder or an open lattice, its sites in the order of the
/// lattice.
///
/// As a proposal for the model it approximates: [`Disconnected`](crate::mcmc::Disconnected),
/// [`Connected`](crate::mcmc::Connected).
///
/// **Smallest probability.** That of a [`BornMps`]: conditionals are drawn to within 2⁻⁵³ ≈ 1.1e-16.
///
/// ```
/// use tensorjump::lattice::{Couplings, Geometry, Ising, SnakeMps, Square};
/// use tensorjump::mcmc::Estimate;
/// use tensorjump::{Model, SiteWeights, Streams};
///
/// let ising = Ising::new(Couplings::uniform(Square::new(6, 4, Geometry::Cylinder)?, 1.0)?, 0.44)?;
/// let snake = SnakeMps::new(&ising, 12)?;
/// let draws = snake.draw(1000, &Streams::new(1))?;
/// let acceptance = Estimate::stationary_acceptance(draws.log_importance_weights(&ising)?.view())?;
/// assert!(acceptance.mean > 0.95);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SnakeMps {
    model: Permuted<BornMps>,
    lattice: Square,
    chi: usize,
    log_z: f64,
    discarded: Vec<f64>,
}

impl SnakeMps {
    /// The law of an Ising model or of any pair weights, with bonds up to `chi`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `chi = 0`, a torus or diagonal bonds; [`Error::TooLarge`] for more than 2¹²
    /// states of a line (circumference 12 with two states, or the shorter side of an open lattice) or tables
    /// beyond 1 GiB; [`Error::ZeroWeight`] where no configuration is allowed; [`Error::NotFinite`] for
    /// weights whose logarithms overflow; [`Error::NoConvergence`] of an SVD.
    pub fn new<M: Pairwise + ?Sized>(model: &M, chi: usize) -> Result<Self> {
        let model: &PairModel = &*model.tables()?;
        if chi == 0 {
            return Err(Error::parameter("chi", chi, "at least 1"));
        }
        if model.lattice().geometry() == Geometry::Torus {
            return Err(Error::parameter("geometry", "torus", "a cylinder or open, for a snake MPS"));
        }
        model.lattice().check_nearest("none for a snake MPS (BoundaryMps has them)")?;
        let transfer = Transfer::new(model);
        check_size(&transfer, model.dims(), chi)?;
        let starts = transfer.line_starts();
        let log_z = log_sum_exp(&starts[0]);
        if log_z == f64::NEG_INFINITY {
            return Err(Error::ZeroWeight { what: "the model of a snake MPS" });
        }
        if !log_z.is_finite() {
            return Err(Error::NotFinite { field: "log Z", site: 0, value: log_z });
        }
        let mut sweep = Sweep::new(&starts[0], log_z, chi);
        for (line, last) in starts[1..].iter().enumerate() {
            for (i, next) in transfer.line(line, last)[1..].iter().enumerate() {
                sweep.step(&transfer.step(line * transfer.width + i), next)?;
            }
        }
        sweep.discarded.pop(); // behind the last site there is no bond
        let born = BornMps::new(&Mps::new(sweep.tensors, 0.0)?)?;
        let (discarded, lattice) = (sweep.discarded, model.lattice());
        Ok(SnakeMps { model: Permuted::new(born, transfer.order)?, lattice, chi, log_z, discarded })
    }

    /// The lattice.
    pub fn lattice(&self) -> Square {
        self.lattice
    }

    /// The largest bond dimension allowed.
    pub fn max_bond(&self) -> usize {
        self.chi
    }

    /// Bond dimensions along the snake, `N − 1` entries.
    pub fn bonds(&self) -> Vec<usize> {
        self.born().amplitude().bonds()
    }

    /// `log Z` of the model in nats, by the transfer: exact to rounding.
    pub fn log_z(&self) -> f64 {
        self.log_z
    }

    /// Total discarded weight `‖√π − ψ_χ‖²` before normalisation: one minus the squared overlap of `√π` with
    /// the law's amplitude.
    pub fn truncation_error(&self) -> f64 {
        self.discarded.iter().sum()
    }

    /// Discarded weight at each bond of the snake, `N − 1` entries.
    pub fn truncation_errors(&self) -> &[f64] {
        &self.discarded
    }

    /// The law in the order of the snake.
    pub fn born(&self) -> &BornMps {
        self.model.inner()
    }

    /// The lattice site at each step of the snake.
    pub fn order(&self) -> &[usize] {
        self.model.order()
    }
}

/// Checks frontiers and tables before anything large is made.
fn check_size(transfer: &Transfer<'_>, dims: &[usize], chi: usize) -> Result<()> {
    let within = |what, size, limit| if size <= limit { Ok(()) } else { Err(Error::TooLarge { what, size, limit }) };
    let (mut bond, mut entries, mut starts) = (1usize, 0usize, 0usize);
    for (k, &site) in transfer.order.iter().enumerate() {
        let states = |k| transfer.frontier(k).into_iter().fold(1usize, usize::saturating_mul);
        let size = states(k);
        within("the frontier of a snake MPS", size, FRONTIER_LIMIT)?;
        if k.is_multiple_of(transfer.width) {
            starts += size;
        }
        let rows = bond.saturating_mul(dims[site]);
        let ahead = states(k + 1);
        within("a step of a snake MPS", rows.saturating_mul(ahead), TABLE_LIMIT)?;
        bond = rows.min(chi).min(ahead);
        entries = entries.saturating_add(rows.saturating_mul(bond));
    }
    within("the transfer of a snake MPS", starts, TABLE_LIMIT)?;
    within("the tensors of a snake MPS", entries, TABLE_LIMIT)
}

/// The truncating sweep along the snake.
struct Sweep {
    chi: usize,
    /// `B` of norm one, shape `(χ, frontier states)`.
    b: Array2<f64>,
    /// Squared norm kept so far.
    kept: f64,
    tensors: Vec<Array3<f64>>,
    discarded: Vec<f64>,
}

impl Sweep {
    fn new(log_d: &[f64], log_z: f64, chi: usize) -> Self {
        let b = Array2::from_shape_fn((1, log_d.len()), |(_, state)| (0.5 * (log_d[state] - log_z)).exp());
        Sweep { chi, b, kept: 1.0, tensors: Vec::new(), discarded: Vec::new() }
    }

    /// Moves the site of a step behind the cut: expands, truncates, keeps the books.
    fn step(&mut self, step: &Step, next: &[f64]) -> Result<()> {
        let (bond, dx) = (self.b.nrows(), step.dx);
        let amplitudes = step.amplitudes(next);
        let origin = Array2::from_shape_fn(amplitudes.dim(), |(x, state)| step.origin(x, state));
        let mut c = Array2::zeros((bond * dx, next.len()));
        for (row, mut c) in c.outer_iter_mut().enumerate() {
            let (b, x) = (self.b.row(row / dx), row % dx);
            Zip::from(&mut c)
                .and(amplitudes.row(x))
                .and(origin.row(x))
                .for_each(|c, amplitude, &from| *c = b[from] * amplitude);
        }
        let (u, discarded) = split(&c, self.chi)?;
        self.b = matmul(u.t(), c.view());
        let norm = self.b.iter().map(|v| v * v).sum::<f64>().sqrt();
        self.b /= norm;
        self.discarded.push(self.kept * discarded);
        self.kept *= 1.0 - discarded;
        let shape = (bond, dx, u.ncols());
        self.tensors.push(u.into_shape_with_order(shape).expect("standard layout"));
        Ok(())
    }
}

/// The `chi` first left singular vectors, fewer where the rank is less, and the fraction of the squared norm
/// that is left out.
fn split(c: &Array2<f64>, chi: usize) -> Result<(Array2<f64>, f64)> {
    // A wide matrix has the left singular vectors and the singular values of the triangular factor of its
    // transpose.
    let parts = if c.ncols() > c.nrows() { svd(qr(c.t())?.1.t())? } else { svd(c.view())? };
    // The entries of `C` are off by some 10⁻¹⁶ of their size: what is below a few of that is noise, a squared
    // weight of 3·10⁻³⁰.
    let noise = 8.0 * f64::EPSILON * parts.s[0];
    let Kept { rank, discarded } = cut(&parts.s.to_vec(), &Truncation { max_bond: chi, cutoff: 0.0 }, noise * noise);
    let weight: f64 = parts.s.iter().map(|s| s * s).sum();
    Ok((parts.u.slice(s![.., ..rank]).as_standard_layout().into_owned(), discarded / weight))
}

impl Target for SnakeMps {
    fn dims(&self) -> &[usize] {
        self.model.dims()
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.model.log_weight(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        self.model.initial(stream)
    }
}

impl Model for SnakeMps {
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        self.model.sample(w, n, streams)
    }

    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        self.model.log_prob_given(x, w)
    }

    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)> {
        self.model.redraw(w, old, streams)
    }
}

impl ExactModel for SnakeMps {
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        self.model.log_evidence(w)
    }

    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>> {
        self.model.cavities(w)
    }
}
