//! What a Born law answers: the traits, each weight form by its own pass.

use ndarray::{Array1, Array3};

use super::law::BornMps;
use super::rows::Right;
use crate::error::Result;
use crate::model::batched::blocks::{Reply, Request, over_blocks};
use crate::model::traits::{ExactModel, Model, Samples, Target, initial_draw};
use crate::model::weights::SiteWeights;
use crate::model::{Configs, check_configs};
use crate::rng::{Stream, Streams};

/// Rows of a block of plain draws: its vectors stay in the second-level cache.
const PLAIN_BLOCK: usize = 512;

impl BornMps {
    fn reply(&self, w: &SiteWeights<'_>, n: usize, request: Request<'_>) -> Result<Reply> {
        w.check(self.dims(), Some(n))?;
        match w {
            SiteWeights::Uniform => {
                request.run(self.dims(), PLAIN_BLOCK, |(), _, _| Ok(()), |(), _, walk| Ok(self.plain(walk)))
            }
            SiteWeights::Shared(table) => {
                let old = request.score;
                let mut reply = self.tilted(*table)?.reply(&SiteWeights::Uniform, n, request)?;
                // Isometries leave rounding where a weight of zero took away the rank.
                if let Some(x) = old.filter(|_| table.iter().any(|&w| w == 0.0)) {
                    for (score, x) in reply.scores.iter_mut().zip(x.outer_iter()) {
                        if x.iter().enumerate().any(|(j, &a)| table[[j, a.into()]] == 0.0) {
                            *score = f64::NEG_INFINITY;
                        }
                    }
                }
                Ok(reply)
            }
            _ => request.run(
                self.dims(),
                1,
                |right: &mut Right, row, _| {
                    *right = self.environments(w, row)?;
                    right.require_evidence(row)
                },
                |right, row, walk| self.draw_tilted(w, row, right, walk),
            ),
        }
    }
}

impl Target for BornMps {
    fn dims(&self) -> &[usize] {
        &self.psi.dims()[..self.sites]
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.log_prob(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        initial_draw(self, stream)
    }
}

impl Model for BornMps {
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        Ok(self.reply(w, n, Request { draw: Some((n, streams)), score: None })?.samples)
    }

    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        check_configs(x, self.dims())?;
        Ok(self.reply(w, x.nrows(), Request { draw: None, score: Some(x) })?.scores)
    }

    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)> {
        check_configs(old, self.dims())?;
        let n = old.nrows();
        let reply = self.reply(w, n, Request { draw: Some((n, streams)), score: Some(old) })?;
        Ok((reply.samples, reply.scores))
    }
}

impl ExactModel for BornMps {
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        w.check(self.dims(), None)?;
        let log = over_blocks(w.rows().unwrap_or(1), 1, |(), row, _| Ok(self.environments(w, row)?.log_evidence))?;
        Ok(log.into())
    }

    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>> {
        w.check(self.dims(), None)?;
        let rows = w.rows().unwrap_or(1);
        let flat: Vec<f64> =
            over_blocks(rows, 1, |(), row, _| self.cavities_of(w, row))?.into_iter().flatten().collect();
        let (n, d) = (self.dims().len(), self.dims().iter().copied().max().unwrap_or(1));
        Ok(Array3::from_shape_vec((rows, n, d), flat).expect("one cavity law a row and site"))
    }
}
