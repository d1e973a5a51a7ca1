//! A law with its sites in another order: `P'(x) = P(x_{order[0]}, x_{order[1]}, …)`.
//!
//! A matrix product runs along a line; the lattice numbers its sites otherwise. Cost on top of the law: a
//! copy of configurations, weights and cavities.

use ndarray::{Array1, Array3, Axis};

use super::traits::{ExactModel, Model, Samples, Target};
use super::weights::SiteWeights;
use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};
use crate::rng::{Stream, Streams};

/// A model whose site `k` is site `order[k]` of this law.
///
/// ```
/// use ndarray::array;
/// use tensorjump::model::{BornMps, Permuted};
/// use tensorjump::tn::Mps;
/// use tensorjump::Model;
///
/// let factors = [vec![1.0, 0.0], vec![0.6, 0.8], vec![0.0, 1.0]]; // 0, then 0 or 1, then 1
/// let line = BornMps::new(&Mps::product(&factors)?)?;
/// let law = Permuted::new(line, vec![2, 0, 1])?;
/// let log_prob = law.log_prob(array![[1, 1, 0]].view())?;
/// assert!((log_prob[0] - 0.64f64.ln()).abs() < 1e-14);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Permuted<M> {
    model: M,
    order: Vec<usize>,
    inverse: Vec<usize>,
    dims: Vec<usize>,
}

impl<M: Target> Permuted<M> {
    /// Puts site `k` of `model` at site `order[k]`.
    ///
    /// # Errors
    /// [`Error::SiteCount`] for an order of another length, [`Error::Parameter`] for one that is no
    /// permutation of `0..sites`.
    pub fn new(model: M, order: Vec<usize>) -> Result<Self> {
        let sites = model.dims().len();
        if order.len() != sites {
            return Err(Error::SiteCount { expected: sites, got: order.len() });
        }
        let (mut inverse, mut dims) = (vec![usize::MAX; sites], vec![0; sites]);
        for (k, &site) in order.iter().enumerate() {
            if inverse.get(site) != Some(&usize::MAX) {
                return Err(Error::parameter("order", site, "each site exactly once"));
            }
            inverse[site] = k;
            dims[site] = model.dims()[k];
        }
        Ok(Permuted { model, order, inverse, dims })
    }

    /// The model in its own order.
    pub fn inner(&self) -> &M {
        &self.model
    }

    /// Site of this law at which each site of the model lies.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Calls `f` with the weights in the order of the model.
    fn with<R>(&self, w: &SiteWeights<'_>, samples: Option<usize>, f: impl FnOnce(&SiteWeights<'_>) -> R) -> Result<R> {
        w.check(&self.dims, samples)?;
        Ok(match w {
            SiteWeights::Uniform => f(&SiteWeights::Uniform),
            SiteWeights::Shared(table) => f(&SiteWeights::Shared(table.select(Axis(0), &self.order).view())),
            SiteWeights::PerRow(tables) => f(&SiteWeights::PerRow(tables.select(Axis(1), &self.order).view())),
            SiteWeights::Observed { tables, dims_out, y, .. } => {
                let dims_out: Vec<usize> = self.order.iter().map(|&site| dims_out[site]).collect();
                f(&SiteWeights::Observed {
                    tables: tables.select(Axis(0), &self.order).view(),
                    dims_in: self.model.dims(),
                    dims_out: &dims_out,
                    y: y.select(Axis(1), &self.order).view(),
                })
            }
        })
    }

    fn restore(&self, samples: Samples) -> Samples {
        Samples { x: samples.x.select(Axis(1), &self.inverse), ..samples }
    }
}

impl<M: Target> Target for Permuted<M> {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        self.model.log_weight(x.select(Axis(1), &self.order).view())
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        Some(self.model.initial(stream)?.select(Axis(0), &self.inverse))
    }
}

impl<M: Model> Model for Permuted<M> {
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        Ok(self.restore(self.with(w, Some(n), |w| self.model.sample(w, n, streams))??))
    }

    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        let x = x.select(Axis(1), &self.order);
        self.with(w, Some(x.nrows()), |w| self.model.log_prob_given(x.view(), w))?
    }

    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)> {
        check_configs(old, &self.dims)?;
        let old = old.select(Axis(1), &self.order);
        let (samples, scores) = self.with(w, Some(old.nrows()), |w| self.model.redraw(w, old.view(), streams))??;
        Ok((self.restore(samples), scores))
    }
}

impl<M: ExactModel> ExactModel for Permuted<M> {
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        self.with(w, None, |w| self.model.log_evidence(w))?
    }

    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>> {
        Ok(self.with(w, None, |w| self.model.cavities(w))??.select(Axis(1), &self.inverse))
    }
}
