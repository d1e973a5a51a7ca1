//! Laws with a label: `P(x, l)` as a model whose last site is the label.
//!
//! ```text
//! P(l | w) ∝ Σ_x P(x, l) ∏_j w_j(x_j)        the cavity of the label site, in the sweep of all cavities
//! P(x | l, w)                                the label site pinned to l
//! P(x | w)                                   the label site left free
//! ```
//!
//! With `w_j(a) = K_j(a → y_j)` the first line is the exact classifier `p(l | y)` of noised configurations at
//! any time. The label may be a class of the data, or whatever an [`Automaton`] reads off a configuration: a
//! magnetisation sector, a window of energies. Cost: that of the model with one site more.

use std::ops::RangeInclusive;

use ndarray::{Array1, Array2, Array3, ArrayView1, Axis, concatenate, s};

use super::automaton::{Automaton, holds};
use super::positive::PositiveMps;
use super::traits::{ExactModel, Model, Samples, Target, initial_draw};
use super::weights::SiteWeights;
use super::without_site::cavities_or_by_evidence;
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::log_space::LogProduct;
use crate::model::{Configs, check_configs};
use crate::rng::{Stream, Streams};
use crate::tn::Mps;

/// A joint law of configurations and a label.
///
/// Invariant: the joint model has at least two sites; its last one is the label.
#[derive(Debug, Clone)]
pub struct LabelLeg<M> {
    joint: M,
}

impl LabelLeg<PositiveMps> {
    /// `P(x, l) = prior(l) P_l(x)` from the law of each class; the prior need not be normalised. Bond
    /// dimensions add.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no class or more than 256; [`Error::Shape`] for a prior of another length;
    /// [`Error::Negative`], [`Error::NotFinite`], [`Error::ZeroWeight`] for its values; classes of different
    /// sites or states.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::model::{LabelLeg, PositiveMps};
    /// # use tensorjump::SiteWeights;
    /// let coins = [0.2, 0.9].map(|p| PositiveMps::product(&vec![vec![1.0 - p, p]; 4]).unwrap());
    /// let leg = LabelLeg::from_classes(&coins, &[0.5, 0.5])?;
    /// let heads = tensorjump::model::pinned(&[2; 4], &[(0, 1), (1, 1)])?;
    /// let posterior = leg.label_posterior(&SiteWeights::Shared(heads.view()))?;
    /// assert!((posterior[[0, 1]] - 0.81 / 0.85).abs() < 1e-14);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn from_classes(classes: &[PositiveMps], prior: &[f64]) -> Result<Self> {
        let count = classes.len();
        if !(1..=256).contains(&count) {
            return Err(Error::parameter("number of classes", count, "between 1 and 256"));
        }
        if prior.len() != count {
            return Err(Error::Shape { field: "prior", expected: vec![count], got: vec![prior.len()] });
        }
        if let Some(site) = prior.iter().position(|p| !p.is_finite()) {
            return Err(Error::NotFinite { field: "prior", site, value: prior[site] });
        }
        if let Some(site) = prior.iter().position(|&p| p < 0.0) {
            return Err(Error::Negative { field: "prior", site, value: prior[site] });
        }
        classes.iter().try_for_each(|class| match_dims(classes[0].dims(), class.dims()))?;
        let n = classes[0].dims().len();
        // Block-diagonal tensors; the label reads off the block.
        let tensor = |j: usize| {
            let parts: Vec<_> = classes.iter().map(|class| &class.as_mps().tensors()[j]).collect();
            let rows = if j == 0 { 1 } else { parts.iter().map(|a| a.dim().0).sum() };
            let mut sum = Array3::zeros((rows, parts[0].dim().1, parts.iter().map(|a| a.dim().2).sum()));
            let (mut row, mut column) = (0, 0);
            for (l, a) in parts.into_iter().enumerate() {
                let mut block = sum.slice_mut(s![row..row + a.dim().0, .., column..column + a.dim().2]);
                block.assign(a);
                if j == 0 {
                    block *= prior[l];
                } else {
                    row += a.dim().0;
                }
                column += a.dim().2;
            }
            sum
        };
        let mut tensors: Vec<_> = (0..n).map(tensor).collect();
        tensors.push(Array3::from_shape_fn((count, count, 1), |(l, a, _)| f64::from(l == a)));
        Self::new(PositiveMps::new(&Mps::new(tensors, 0.0)?)?)
    }

    /// The law of `model` with the label that an automaton over one site more assigns: configurations to
    /// which it gives no label are excluded. Bond dimensions multiply at most.
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::LocalDimension`] where the automaton does not fit; as
    /// [`PositiveMps::constrained`].
    pub fn by_automaton(model: &PositiveMps, labels: &Automaton) -> Result<Self> {
        let n = model.dims().len();
        if labels.dims().len() != n + 1 {
            return Err(Error::SiteCount { expected: n + 1, got: labels.dims().len() });
        }
        let (mut tensors, scale) = model.as_mps().clone().into_parts();
        tensors.push(Array3::ones((1, labels.dims()[n], 1)));
        Self::new(PositiveMps::new(&Mps::new(tensors, scale)?)?.constrained(labels)?)
    }

    /// Labels by `Σ_j values[j][x_j]`: label `l` is the first of the windows that holds the sum; without any,
    /// the configuration is excluded. For sectors of magnetisation give `values[j] = [−1, 1]`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no window or more than 256; as [`LabelLeg::by_automaton`].
    pub fn by_sum(model: &PositiveMps, values: &[Vec<i64>], windows: &[RangeInclusive<i64>]) -> Result<Self> {
        if !(1..=256).contains(&windows.len()) {
            return Err(Error::parameter("number of windows", windows.len(), "between 1 and 256"));
        }
        let n = values.len();
        let dims: Vec<usize> = values.iter().map(Vec::len).chain([windows.len()]).collect();
        let step = |j: usize, &s: &i128, a: u8| {
            let a = usize::from(a);
            let to = match values.get(j) {
                Some(values) => Some(s + i128::from(values[a])),
                None => (windows.iter().position(|w| holds(w, s)) == Some(a)).then_some(0),
            };
            to.map(|s| (s, 1.0))
        };
        debug_assert_eq!(dims.len(), n + 1);
        Self::by_automaton(model, &Automaton::new(&dims, 0, step, |_| 1.0)?)
    }
}

impl<M: ExactModel> LabelLeg<M> {
    /// A model whose last site is the label.
    ///
    /// # Errors
    /// [`Error::SiteCount`] for fewer than two sites.
    pub fn new(joint: M) -> Result<Self> {
        match joint.dims().len() {
            0 | 1 => Err(Error::SiteCount { expected: 2, got: joint.dims().len() }),
            _ => Ok(LabelLeg { joint }),
        }
    }

    /// The joint law, label last.
    pub fn joint(&self) -> &M {
        &self.joint
    }

    /// Number of labels.
    pub fn labels(&self) -> usize {
        self.joint.dims()[self.sites()]
    }

    /// Number of sites without the label.
    fn sites(&self) -> usize {
        self.joint.dims().len() - 1
    }

    /// The law of the configurations of one label, `P(x | l)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a label out of range; [`Error::ZeroWeight`] for one of probability zero.
    pub fn class(&self, label: usize) -> Result<Given<'_, M>> {
        if label >= self.labels() {
            return Err(Error::parameter("label", label, "below the number of labels"));
        }
        let given = Given { leg: self, label: Some(label) };
        let evidence = given.extended(&SiteWeights::Uniform, |w| self.joint.log_evidence(w))??;
        if evidence[0] == f64::NEG_INFINITY { Err(Error::ZeroWeight { what: "label" }) } else { Ok(given) }
    }

    /// The law of the configurations whatever their label, `P(x) = Σ_l P(x, l)`.
    pub fn marginal(&self) -> Given<'_, M> {
        Given { leg: self, label: None }
    }

    /// `P(l | w)`, shape `(samples, labels)`: the classifier, exact. Cost: one sweep.
    ///
    /// # Errors
    /// As [`ExactModel::cavities`].
    pub fn label_posterior(&self, w: &SiteWeights<'_>) -> Result<Array2<f64>> {
        Ok(self.label_and_cavities(w)?.0)
    }

    /// `P(l | w)` and the cavities of all other sites with the label left free, shape
    /// `(samples, sites, d_max)`, from one sweep.
    ///
    /// # Errors
    /// As [`ExactModel::cavities`].
    pub fn label_and_cavities(&self, w: &SiteWeights<'_>) -> Result<(Array2<f64>, Array3<f64>)> {
        let marginal = self.marginal();
        let d = marginal.dims().iter().copied().max().unwrap_or(1);
        let all = marginal.extended(w, |w| self.joint.cavities(w))??;
        let label = all.slice(s![.., self.sites(), ..self.labels()]).to_owned();
        Ok((label, all.slice_move(s![.., ..self.sites(), ..d])))
    }
}

/// The law of the configurations of a [`LabelLeg`], of one label or of all: a model like any other.
///
/// Given a label, the log-probability is that of the joint model. Without one it is a quotient of evidences,
/// `P(x) ∏ w / Σ_x P(x) ∏ w`.
#[derive(Debug)]
pub struct Given<'a, M> {
    leg: &'a LabelLeg<M>,
    label: Option<usize>,
}

impl<M> Clone for Given<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Given<'_, M> {}

impl<M: ExactModel> Given<'_, M> {
    /// The label, if one is given.
    pub fn label(&self) -> Option<usize> {
        self.label
    }

    /// Calls `f` with the weights and, behind them, those of the label.
    fn extended<R>(&self, w: &SiteWeights<'_>, f: impl FnOnce(&SiteWeights<'_>) -> R) -> Result<R> {
        w.check(self.dims(), None)?;
        let (n, dims) = (self.leg.sites(), self.leg.joint.dims());
        let d = dims.iter().copied().max().unwrap_or(1);
        let label = |a: usize| f64::from(a < dims[n] && self.label.is_none_or(|l| l == a));
        let get = |w: &SiteWeights<'_>, row, j: usize, a| match j {
            j if j == n => label(a),
            j if a < dims[j] => w.get(row, j, a),
            _ => 0.0,
        };
        Ok(match w {
            SiteWeights::Uniform if self.label.is_none() => f(&SiteWeights::Uniform),
            SiteWeights::Uniform | SiteWeights::Shared(_) => {
                f(&SiteWeights::Shared(Array2::from_shape_fn((n + 1, d), |(j, a)| get(w, 0, j, a)).view()))
            }
            SiteWeights::PerRow(rows) => {
                let table = Array3::from_shape_fn((rows.dim().0, n + 1, d), |(row, j, a)| get(w, row, j, a));
                f(&SiteWeights::PerRow(table.view()))
            }
            SiteWeights::Observed { tables, dims_out, y, .. } => {
                // The label is observed through a kernel with one symbol.
                let mut wide = Array3::zeros((n + 1, d, tables.dim().2));
                let width = tables.dim().1.min(d);
                wide.slice_mut(s![..n, ..width, ..]).assign(&tables.slice(s![.., ..width, ..]));
                (0..dims[n]).for_each(|a| wide[[n, a, 0]] = label(a));
                let dims_out: Vec<usize> = dims_out.iter().copied().chain([1]).collect();
                let y = with_column(*y, 0);
                f(&SiteWeights::Observed { tables: wide.view(), dims_in: dims, dims_out: &dims_out, y: y.view() })
            }
        })
    }

    /// `log Σ_l P(x, l)` of each row.
    fn log_marginal(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        let d = self.dims().iter().copied().max().unwrap_or(1);
        let tables = Array3::from_shape_fn((x.ncols(), d, d), |(j, a, b)| f64::from(a == b && a < self.dims()[j]));
        let (dims_in, dims_out) = (self.dims(), self.dims());
        let exactly = SiteWeights::Observed { tables: tables.view(), dims_in, dims_out, y: x };
        self.log_evidence(&exactly)
    }
}

/// The configurations with a column of one state behind them.
fn with_column(x: Configs<'_>, state: u8) -> Array2<u8> {
    concatenate![Axis(1), x, Array2::from_elem((x.nrows(), 1), state)]
}

impl<M: ExactModel> Target for Given<'_, M> {
    fn dims(&self) -> &[usize] {
        &self.leg.joint.dims()[..self.leg.sites()]
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.log_prob(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        initial_draw(self, stream)
    }
}

impl<M: ExactModel> Model for Given<'_, M> {
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        w.check(self.dims(), Some(n))?;
        let drawn = self.extended(w, |w| self.leg.joint.sample(w, n, streams))??;
        let x = drawn.x.slice(s![.., ..self.leg.sites()]).to_owned();
        let log_prob = if self.label.is_some() { drawn.log_prob } else { self.log_prob_given(x.view(), w)? };
        Ok(Samples { x, log_prob })
    }

    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        check_configs(x, self.dims())?;
        w.check(self.dims(), Some(x.nrows()))?;
        if let Some(label) = self.label {
            let joint = with_column(x, label as u8);
            return self.extended(w, |w| self.leg.joint.log_prob_given(joint.view(), w))?;
        }
        let plain = self.log_marginal(x)?;
        if matches!(w, SiteWeights::Uniform) {
            return Ok(plain);
        }
        let evidence = self.log_evidence(w)?;
        let score = |(row, x): (usize, ArrayView1<'_, u8>)| {
            let evidence = evidence[if evidence.len() == 1 { 0 } else { row }];
            if evidence == f64::NEG_INFINITY {
                return Err(Error::ZeroEvidence { row });
            }
            let tilt: LogProduct = x.iter().enumerate().map(|(j, &a)| w.get(row, j, a.into())).collect();
            Ok(plain[row] + tilt.ln() - evidence)
        };
        x.outer_iter().enumerate().map(score).collect()
    }

    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)> {
        let scores = self.log_prob_given(old, w)?;
        Ok((self.sample(w, old.nrows(), streams)?, scores))
    }
}

impl<M: ExactModel> ExactModel for Given<'_, M> {
    /// Given a label, `log Σ_x P(x | l) ∏ w`.
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        let joint = |w: &SiteWeights<'_>| self.extended(w, |w| self.leg.joint.log_evidence(w));
        let evidence = joint(w)??;
        Ok(if self.label.is_some() { evidence - joint(&SiteWeights::Uniform)??[0] } else { evidence })
    }

    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>> {
        let d = self.dims().iter().copied().max().unwrap_or(1);
        // The joint law asks for a cavity of the label as well, this one does not.
        cavities_or_by_evidence(self, w, |w| {
            let all = self.extended(w, |w| self.leg.joint.cavities(w))??;
            Ok(all.slice_move(s![.., ..self.leg.sites(), ..d]))
        })
    }
}
