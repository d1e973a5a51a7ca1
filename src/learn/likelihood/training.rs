//! How long to learn, from which samples, and what decides.

use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::io::Checkpoint;
use crate::learn::data::Data;
use crate::learn::interrupt::Interrupt;
use crate::learn::symmetry::Symmetry;
use crate::rng::Streams;

/// What a model is judged by while it learns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Validation {
    /// This fraction of the samples, taken out at random before anything else.
    Fraction(f64),
    /// Samples given for the purpose.
    Given(Data),
    /// Nothing: the training likelihood decides. Overfitting goes unseen.
    None,
}

/// How long to learn, and what decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Largest number of rounds: sweeps to the right and back, passes through the data (Adam), steps (L-BFGS,
    /// EM).
    pub rounds: usize,
    /// What the model is judged by.
    pub validation: Validation,
    /// Rounds without a better model after which learning stops.
    pub patience: usize,
    /// Samples a batch; sweeps with fewer than all samples draw new ones each round, Adam passes through all
    /// of them in batches.
    pub batch: usize,
    /// Symmetries of the law: the images of the training samples are learned from too (never those of the
    /// validation samples).
    pub symmetries: Vec<Symmetry>,
    /// Seed of the split, the start and the batches.
    pub seed: u64,
    /// Where to keep the state; rounds are its steps. Data, method, start, symmetries and seed must be those
    /// of the file's run. A round that failed ([`Stop::Failed`](crate::learn::Stop::Failed)) is not written.
    pub checkpoint: Option<Checkpoint>,
    /// Stops the run in the middle of a round.
    pub interrupt: Option<Interrupt>,
}

impl Default for Training {
    /// 100 rounds, a tenth of the samples for validation, patience of 10 rounds, batches of 8192, no
    /// symmetries, seed 0, no checkpoint, no interrupt.
    fn default() -> Self {
        Training {
            rounds: 100,
            validation: Validation::Fraction(0.1),
            patience: 10,
            batch: 8192,
            symmetries: Vec::new(),
            seed: 0,
            checkpoint: None,
            interrupt: None,
        }
    }
}

impl Training {
    /// Refuses numbers out of range.
    pub(super) fn check(&self) -> Result<()> {
        if self.rounds == 0 {
            return Err(Error::parameter("rounds", 0, "at least one"));
        }
        if self.batch == 0 {
            return Err(Error::parameter("batch", 0, "at least one sample"));
        }
        Ok(())
    }

    /// Training samples with their images, and validation samples.
    pub(super) fn prepare(&self, data: &Data, streams: &Streams) -> Result<(Data, Option<Data>)> {
        // Samples without weight would make batches without weight.
        let weighted = with_weight(data)?;
        let data = weighted.as_ref().unwrap_or(data);
        let (train, validation) = match &self.validation {
            Validation::Fraction(fraction) => {
                data.require_variety()?;
                let (train, validation) = data.split(*fraction, &streams.domain("validation"))?;
                (train, Some(validation))
            }
            Validation::Given(validation) => {
                match_dims(data.dims(), validation.dims())?;
                (data.clone(), Some(validation.clone()))
            }
            Validation::None => (data.clone(), None),
        };
        train.require_variety()?;
        let train = train.augmented(&self.symmetries)?;
        // Weights at the end of the range may vanish when they are shared out.
        Ok((with_weight(&train)?.unwrap_or(train), validation))
    }
}

/// The samples of positive weight, where there are others.
fn with_weight(data: &Data) -> Result<Option<Data>> {
    let rows: Vec<usize> = (0..data.len()).filter(|&row| data.weights()[row] > 0.0).collect();
    if rows.len() < data.len() { data.select(&rows).map(Some) } else { Ok(None) }
}
