//! Sweeps over the sites of a Born amplitude in canonical form.
//!
//! A two-site step merges the tensors around the canonical centre, improves the merged tensor
//! ([`super::site_step`]), and splits it by an SVD whose truncation sets the bond: bonds grow where samples
//! ask for it. A one-site step keeps the bonds. All tensors left of the centre are left isometries, all right
//! of it right isometries, so `Z = ‖M‖² = 1` throughout. Cost of a sweep to the right and back: `4k + 4`
//! times `N n χ²` multiply-adds for `n` samples and `k` steps of conjugate gradients, and `2N` SVDs of size
//! `dχ`. Reference: arXiv 1709.01662.

use ndarray::{Array2, Array3, ArrayView2, s};
use rand::RngExt;
use rand_distr::StandardNormal;

use super::environments::{Batch, Side};
use super::environments::{from_symbols, to_symbols};
use super::site_step::{Step, improve, normalise};
use crate::error::{Error, Result};
use crate::learn::interrupt::{Interrupt, look};
use crate::linalg::{matmul, qr, svd};
use crate::rng::Stream;
use crate::tn::{self, Kept, Mps, Truncation, flat, shaped};

/// A Born amplitude on its way through sweeps.
///
/// Invariant between sweeps: right-canonical, norm one.
#[derive(Debug, Clone)]
pub(crate) struct Amplitude {
    tensors: Vec<Array3<f64>>,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SweepReport {
    /// `Σ w_i log P(x_i)` over the batch after the sweep, in nats.
    pub log_likelihood: f64,
    /// Samples of probability zero after the sweep.
    pub zeros: usize,
    /// Squared weight discarded, summed over the steps.
    pub discarded: f64,
}

/// What an SVD may discard.
///
/// Under the law itself the components of `G` in the orthonormal basis of `M` scatter with variance `1/n`
/// around those of `M`, which moves the fixed point `M = G` by half of that (its Hessian is twice the
/// identity): variance `1/4n`. A `p × q` matrix of independent entries of variance `v` has no singular value
/// much above `√v (√p + √q)`: squares below `noise (√p + √q)²` say nothing about the law.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub truncation: Truncation,
    /// Variance of an entry that counts as noise; zero keeps everything that `truncation` keeps.
    pub noise: f64,
}

/// One or two sites a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sites {
    One,
    Two,
}

impl Amplitude {
    /// Starts at any vector. Cost `O(N d χ³)`.
    pub(crate) fn new(psi: &Mps) -> Result<Self> {
        let canonical = psi.canonical(0)?;
        if canonical.log_norm() == f64::NEG_INFINITY {
            return Err(Error::ZeroWeight { what: "Born law" });
        }
        Ok(Amplitude { tensors: canonical.tensors().to_vec() })
    }

    /// Tensors that are right-canonical already, kept bit for bit.
    pub(crate) fn resume(tensors: Vec<Array3<f64>>) -> Self {
        Amplitude { tensors }
    }

    /// Near the product of the marginal laws `p[site][state]`: their roots on the diagonal of the bonds, and
    /// everywhere positive noise, which breaks the symmetry between bond states. A positive start puts all
    /// samples on one side of the zeros of `ψ`, where the likelihood of a step is convex: with signs at
    /// random learning takes tens of sweeps more.
    pub(crate) fn near_product(p: &[Vec<f64>], bond: usize, stream: &mut Stream) -> Result<Self> {
        let dims: Vec<usize> = p.iter().map(Vec::len).collect();
        let mut tensors = Mps::random_real(&dims, bond, stream)?.into_parts().0;
        for (a, p) in tensors.iter_mut().zip(p) {
            let width = (a.dim().0 * a.dim().2) as f64;
            for ((i, x, k), v) in a.indexed_iter_mut() {
                let noise: f64 = stream.sample(StandardNormal);
                let clean = if i == k { 1.0 } else { 0.0 };
                *v = p[x].sqrt() * clean + 0.1 / width.sqrt() * noise.abs();
            }
        }
        Amplitude::new(&Mps::new(tensors, 0.0)?)
    }

    pub(crate) fn tensors(&self) -> &[Array3<f64>] {
        &self.tensors
    }

    /// A sweep to the right and back. The environments of the batch are computed anew, so a sweep depends on
    /// tensors and batch only.
    ///
    /// # Errors
    /// [`Error::NoConvergence`] of an SVD; numbers that are not finite; [`Error::Interrupted`] between sites.
    pub(crate) fn sweep(
        &mut self,
        batch: &mut Batch,
        step: &Step,
        sites: Sites,
        cut: &Cut,
        interrupt: Option<&Interrupt>,
    ) -> Result<SweepReport> {
        if batch.is_one_block() {
            return self.sweep_here(batch, step, sites, cut, interrupt);
        }
        // From a thread of the pool the many small parallel loops start without waking anybody up first.
        rayon::scope(|_| self.sweep_here(batch, step, sites, cut, interrupt))
    }

    fn sweep_here(
        &mut self,
        batch: &mut Batch,
        step: &Step,
        sites: Sites,
        cut: &Cut,
        interrupt: Option<&Interrupt>,
    ) -> Result<SweepReport> {
        let n = self.tensors.len();
        let mut report = SweepReport::default();
        batch.fill_right(&self.tensors, 1);
        if sites == Sites::One || n == 1 {
            for j in 0..n - 1 {
                look(interrupt)?;
                self.one_site(batch, j, step)?;
                self.shift(batch, j, Side::Left)?;
            }
            for j in (0..n).rev() {
                look(interrupt)?;
                self.one_site(batch, j, step)?;
                if j > 0 {
                    self.shift(batch, j, Side::Right)?;
                }
            }
        } else {
            for j in 0..n - 2 {
                look(interrupt)?;
                report.discarded += self.two_site(batch, j, step, cut, Side::Left)?;
            }
            for j in (0..n - 1).rev() {
                look(interrupt)?;
                report.discarded += self.two_site(batch, j, step, cut, Side::Right)?;
            }
        }
        let (total, zeros) = self.score(batch);
        Ok(SweepReport { log_likelihood: total, zeros, ..report })
    }

    /// `Σ w_i log P(x_i)` and the number of samples with `P = 0`, by the right environments behind site 0.
    fn score(&self, batch: &mut Batch) -> (f64, usize) {
        batch.focus(0, &[self.tensors[0].dim().1]);
        let psi = batch.amplitudes(&to_symbols(&self.tensors[0]));
        (2.0 * batch.log_sum(&psi), batch.zeros(&psi))
    }

    fn one_site(&mut self, batch: &mut Batch, j: usize, step: &Step) -> Result<()> {
        let shape = self.tensors[j].dim();
        batch.focus(j, &[shape.1]);
        let mut m = to_symbols(&self.tensors[j]);
        improve(batch, &mut m, step)?;
        self.tensors[j] = from_symbols(&m, shape);
        Ok(())
    }

    /// Moves the centre from site `j` to its neighbour: `Left` makes `j` part of the left environments.
    fn shift(&mut self, batch: &mut Batch, j: usize, side: Side) -> Result<()> {
        let (l, d, r) = self.tensors[j].dim();
        match side {
            Side::Left => {
                let (q, rest) = qr(flat(&self.tensors[j], l * d, r))?;
                let (_, e, k) = self.tensors[j + 1].dim();
                let next = matmul(rest.view(), flat(&self.tensors[j + 1], r, e * k));
                self.tensors[j] = shaped(q, (l, d, rest.nrows()));
                self.tensors[j + 1] = shaped(next, (rest.nrows(), e, k));
            }
            Side::Right => {
                let (q, rest) = qr(flat(&self.tensors[j], l, d * r).t())?;
                let (k, e, _) = self.tensors[j - 1].dim();
                let next = matmul(flat(&self.tensors[j - 1], k * e, l), rest.t());
                self.tensors[j] = shaped(q.reversed_axes(), (rest.nrows(), d, r));
                self.tensors[j - 1] = shaped(next, (k, e, rest.nrows()));
            }
        }
        batch.extend(j, &self.tensors[j], side);
        Ok(())
    }

    /// Improves the merged tensor of sites `j` and `j + 1` and splits it; returns the squared weight
    /// discarded. `Left` leaves the centre at `j + 1`.
    fn two_site(&mut self, batch: &mut Batch, j: usize, step: &Step, cut: &Cut, side: Side) -> Result<f64> {
        let ((l, d, m), (_, e, r)) = (self.tensors[j].dim(), self.tensors[j + 1].dim());
        batch.focus(j, &[d, e]);
        let merged = matmul(flat(&self.tensors[j], l * d, m), flat(&self.tensors[j + 1], m, e * r));
        let mut m = vec![0.0; l * d * e * r];
        for ((row, col), &v) in merged.indexed_iter() {
            let (i, a, b, k) = (row / d, row % d, col / r, col % r);
            m[((a * e + b) * l + i) * r + k] = v;
        }
        let noise = improve(batch, &mut m, step)?;
        let cut = &Cut { noise: cut.noise.max(noise), ..*cut };
        let improved = Array2::from_shape_fn((l * d, e * r), |(row, col)| {
            let (i, a, b, k) = (row / d, row % d, col / r, col % r);
            m[((a * e + b) * l + i) * r + k]
        });
        let (u, mut rest, discarded) = split(improved.view(), cut, side)?;
        normalise(rest.as_slice_memory_order_mut().unwrap_or(&mut []))?;
        let bond = if side == Side::Left { u.ncols() } else { u.nrows() };
        let (left, right) = if side == Side::Left { (u, rest) } else { (rest, u) };
        self.tensors[j] = shaped(left, (l, d, bond));
        self.tensors[j + 1] = shaped(right, (bond, e, r));
        let done = if side == Side::Left { j } else { j + 1 };
        batch.extend(done, &self.tensors[done], side);
        Ok(discarded)
    }
}

/// Splits a matrix of norm one into an isometry and the rest: `M ≈ U (UᵗM)` for `Left`, `(M V) Vᵗ` for
/// `Right`; returns isometry, rest and squared weight discarded.
fn split(m: ArrayView2<'_, f64>, cut: &Cut, side: Side) -> Result<(Array2<f64>, Array2<f64>, f64)> {
    let parts = svd(m)?;
    let edge = ((m.nrows() as f64).sqrt() + (m.ncols() as f64).sqrt()).powi(2);
    let Kept { rank, discarded } = tn::cut(&parts.s.to_vec(), &cut.truncation, cut.noise * edge);
    let scale = parts.s.slice(s![..rank]);
    let (u, vt) = (parts.u.slice(s![.., ..rank]), parts.vt.slice(s![..rank, ..]));
    Ok(match side {
        Side::Left => (u.to_owned(), &vt * &scale.insert_axis(ndarray::Axis(1)), discarded),
        Side::Right => (vt.to_owned(), &u * &scale, discarded),
    })
}
