//! Options of runs that outlive their process.

use std::path::PathBuf;

use tensorjump::io::{Checkpoint, Interval};

use crate::common::Failure;

crate::options! {
    /// Checkpoints
    pub struct CheckpointOptions [] {
        /// Keep the state of the run in this file, and its series beside it in .npy files that grow
        checkpoint: Option<PathBuf>,
        /// Seconds from one state to the next (default: 60)
        checkpoint_every: Option<f64>,
        /// Go on where the file stands, if there is one
        resume: bool,
    }
}

impl CheckpointOptions {
    /// The checkpoint that was asked for. A file that is there is not taken up, nor written over, unasked.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, Failure> {
        let Some(path) = self.checkpoint.clone() else {
            let alone = [("--resume", self.resume), ("--checkpoint-every", self.checkpoint_every.is_some())];
            return match alone.iter().find(|(_, given)| *given) {
                Some((name, _)) => Err(format!("{name}: needs --checkpoint FILE").into()),
                None => Ok(None),
            };
        };
        if !self.resume && path.exists() {
            return Err(format!("--checkpoint {}: the file exists; --resume goes on with it", path.display()).into());
        }
        let every = self.checkpoint_every.unwrap_or(60.0);
        if !(every.is_finite() && every >= 0.0) {
            return Err(format!("--checkpoint-every {every}: must be finite and not negative").into());
        }
        Ok(Some(Checkpoint { path, every: Interval::Seconds(every) }))
    }
}
