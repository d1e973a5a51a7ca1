//! Heat bath for any pair weights, site by site, row after row.
//!
//! ```text
//! P(x_j = a | rest) ∝ v_j(a) ∏_{neighbours} W(a, x_i)
//! ```
//!
//! Every visit leaves the law invariant. Whether all configurations are reached depends on the constraints: colourings with few colours
//! freeze, hard squares do not.

use rand::{Rng, RngExt};

use super::pair::PairModel;
use super::spins::fast_rng;
use crate::error::{Error, Result};
use crate::mcmc::{Chains, Local, Move, MoveReport};
use crate::model::{Target, check_configs};
use crate::rng::{Stream, Streams};

/// Heat-bath sweeps over a [`PairModel`], one in each update: a [`Move`] (whose target must be that model), and a driver on states.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SiteHeatBath<'a> {
    model: &'a PairModel,
}

impl<'a> SiteHeatBath<'a> {
    /// Sweeps over `model`.
    pub fn new(model: &'a PairModel) -> Self {
        SiteHeatBath { model }
    }

    /// Draws each site anew given its neighbours. Cost: O(d) exponentials and 4d look-ups a site.
    ///
    /// # Errors
    /// A configuration that does not fit; [`Error::NoConfiguration`] where the neighbours of a site exclude all its states, which
    /// happens only if `x` is forbidden.
    pub fn sweep(&self, x: &mut [u8], rng: &mut impl Rng) -> Result<()> {
        let dims = self.model.dims();
        check_configs(ndarray::ArrayView1::from(&*x).insert_axis(ndarray::Axis(0)), dims)?;
        let mut weights = [0.0; 256];
        for j in 0..x.len() {
            let weights = &mut weights[..dims[j]];
            for (a, w) in weights.iter_mut().enumerate() {
                *w = self.model.conditional_log_weight(x, j, a as u8);
            }
            let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if largest == f64::NEG_INFINITY {
                let (row, col) = self.model.lattice().place(j);
                return Err(Error::NoConfiguration { row, col });
            }
            weights.iter_mut().for_each(|w| *w = (*w - largest).exp());
            let mut u = rng.random::<f64>() * weights.iter().sum::<f64>();
            for (a, &w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                x[j] = a as u8; // the last possible state if rounding leaves a gap
                u -= w;
                if u < 0.0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Move for SiteHeatBath<'_> {
    /// Counts sites visited, all accepted.
    ///
    /// # Errors
    /// Chains that do not fit the model; and as [`SiteHeatBath::sweep`].
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let sweep = |x: &mut [u8], stream: &mut Stream| {
            self.sweep(x, &mut fast_rng(stream))?;
            Ok((x.len(), x.len()))
        };
        Local::new(sweep).update(chains, target, streams)
    }
}
