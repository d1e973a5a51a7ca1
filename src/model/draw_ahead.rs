//! One draw at a time at the price of a batch.

use ndarray::{Array1, Array2};

use super::traits::{Model, Samples};
use crate::error::{Error, Result};
use crate::rng::Streams;

/// Single draws of a model, made a batch ahead: see [`Model::draws`]. The model may be owned, borrowed or shared.
///
/// ```
/// use tensorjump::{Model, Streams, model::{Boundary, PositiveMps}};
///
/// let law = PositiveMps::ising(8, 0.4, 0.1, Boundary::Periodic)?;
/// for draw in law.draws(&Streams::new(1), 256)?.take(1000) {
///     let (x, log_q) = draw?;
///     assert!(x.len() == 8 && log_q < 0.0);
/// }
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DrawAhead<M> {
    model: M,
    streams: Streams,
    ahead: usize,
    batch: Samples,
    /// Row of the batch that is handed out next.
    next: usize,
    /// Draws made so far.
    made: usize,
}

impl<M: Model> DrawAhead<M> {
    /// Draws of `model`, `ahead` at a time.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `ahead = 0`.
    pub fn new(model: M, streams: &Streams, ahead: usize) -> Result<Self> {
        if ahead == 0 {
            return Err(Error::parameter("draws ahead", ahead, "at least one"));
        }
        let batch = Samples { x: Array2::zeros((0, model.dims().len())), log_prob: Array1::zeros(0) };
        Ok(DrawAhead { model, streams: streams.clone(), ahead, batch, next: 0, made: 0 })
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Writes the next configuration into `x`, length `sites`, and returns its log-probability in nats.
    ///
    /// # Errors
    /// [`Error::SiteCount`] for a slice of another length; errors of the model, after which the same draw is tried again.
    pub fn next_into(&mut self, x: &mut [u8]) -> Result<f64> {
        let sites = self.model.dims().len();
        if x.len() != sites {
            return Err(Error::SiteCount { expected: sites, got: x.len() });
        }
        if self.next == self.batch.x.nrows() {
            self.batch = self.model.draw(self.ahead, &self.streams.rows_from(self.made))?;
            self.made += self.ahead;
            self.next = 0;
        }
        for (to, &from) in x.iter_mut().zip(self.batch.x.row(self.next)) {
            *to = from;
        }
        self.next += 1;
        Ok(self.batch.log_prob[self.next - 1])
    }
}

impl<M: Model> Iterator for DrawAhead<M> {
    type Item = Result<(Vec<u8>, f64)>;

    /// Never `None`.
    fn next(&mut self) -> Option<Self::Item> {
        let mut x = vec![0; self.model.dims().len()];
        Some(self.next_into(&mut x).map(|log_prob| (x, log_prob)))
    }
}
