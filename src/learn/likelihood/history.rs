//! What each round of learning reached.

/// One round of learning.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Round {
    /// Negative log-likelihood a sample in nats, on the batch of the round.
    #[cfg_attr(feature = "serde", serde(with = "crate::extended"))]
    pub train_nll: f64,
    /// The same on the validation samples, where there are any.
    pub validation_nll: Option<f64>,
    /// Standard error of the validation NLL.
    pub validation_error: Option<f64>,
    /// Bond dimensions after the round.
    pub bonds: Vec<usize>,
    /// Squared weight discarded by truncation, summed over the round.
    pub truncation_error: f64,
    /// Training samples of the round that have probability zero.
    pub zeros: usize,
    /// Seconds (wall clock) that the round took, validation included.
    pub seconds: f64,
}

impl Round {
    /// What the rounds are compared by: the validation NLL, or the training NLL without validation.
    pub fn score(&self) -> f64 {
        self.validation_nll.unwrap_or(self.train_nll)
    }

    /// The largest bond dimension after the round.
    pub fn max_bond(&self) -> usize {
        self.bonds.iter().copied().max().unwrap_or(1)
    }
}

/// All rounds of a run.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct History {
    /// In order.
    pub rounds: Vec<Round>,
}

impl History {
    /// The round of the best score, counted from zero; the first of equals.
    pub fn best(&self) -> Option<usize> {
        let better = |best: Option<usize>, (k, round): (usize, &Round)| match best {
            Some(b) if self.rounds[b].score() <= round.score() || round.score().is_nan() => Some(b),
            _ => Some(k),
        };
        self.rounds.iter().enumerate().fold(None, better)
    }

    /// Whether the last `patience` rounds brought no better model.
    pub(super) fn is_over(&self, patience: usize) -> bool {
        self.best().is_some_and(|best| self.rounds.len() - best > patience)
    }
}
