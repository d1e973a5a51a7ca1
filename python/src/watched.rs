//! Signals while a denoiser works.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use ndarray::{Array2, Array3};
use pyo3::prelude::*;
use tensorjump::diffusion::Denoiser;
use tensorjump::noise::Noise;
use tensorjump::{Configs, Result, Streams};

use crate::errors::through;

/// A denoiser that looks at signals between evaluations: Ctrl-C ends a sampler at its next step.
pub struct Watched<'a> {
    denoiser: &'a dyn Denoiser,
    last: Mutex<Instant>,
}

impl<'a> Watched<'a> {
    pub fn new(denoiser: &'a dyn Denoiser) -> Self {
        Watched { denoiser, last: Mutex::new(Instant::now()) }
    }

    fn look(&self) -> Result<()> {
        // Only a moment at a time is worth waiting for the GIL.
        if let Ok(mut last) = self.last.try_lock()
            && last.elapsed() > Duration::from_millis(50)
        {
            *last = Instant::now();
            Python::attach(|py| py.check_signals()).map_err(|e| through("signal handler", e))?;
        }
        Ok(())
    }
}

impl Denoiser for Watched<'_> {
    fn noise(&self) -> &Noise {
        self.denoiser.noise()
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        self.look()?;
        self.denoiser.conditional_marginals(t, y)
    }

    fn cavities(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        self.look()?;
        self.denoiser.cavities(t, y)
    }

    fn reverse_rates(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        self.look()?;
        self.denoiser.reverse_rates(t, y)
    }

    fn conditional_marginals_at(&self, times: &[f64], y: Configs<'_>) -> Result<Array3<f64>> {
        self.look()?;
        self.denoiser.conditional_marginals_at(times, y)
    }

    fn draw_clean(&self, t: f64, y: Configs<'_>, streams: &Streams) -> Result<Option<Array2<u8>>> {
        self.look()?;
        self.denoiser.draw_clean(t, y, streams)
    }

    fn possible(&self, t: f64, y: Configs<'_>) -> Result<Vec<bool>> {
        self.denoiser.possible(t, y)
    }
}
