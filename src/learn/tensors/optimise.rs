//! First-order optimisers on a list of numbers: Adam and L-BFGS, both minimising.
//!
//! Adam (Kingma, Ba, arXiv 1412.6980): `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `θ ← θ − η m̂/(√v̂ + ε)`, β
//! = (0.9, 0.999), ε = 10⁻⁸. L-BFGS (Liu, Nocedal 1989): the two-loop recursion on the last pairs of steps
//! and gradient changes, with a backtracking search.

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::io::safetensors::Store;
use crate::linalg::dot;

/// Moments of Adam.
#[derive(Debug, Clone, Default)]
pub(crate) struct Adam {
    first: Vec<f64>,
    second: Vec<f64>,
    steps: u64,
}

impl Adam {
    /// One step against the gradient.
    pub(crate) fn step(&mut self, theta: &mut [f64], gradient: &[f64], rate: f64) {
        const BETA: (f64, f64) = (0.9, 0.999);
        self.first.resize(theta.len(), 0.0);
        self.second.resize(theta.len(), 0.0);
        self.steps += 1;
        let exponent = self.steps.min(1 << 30) as i32;
        let (c1, c2) = (1.0 - BETA.0.powi(exponent), 1.0 - BETA.1.powi(exponent));
        for (((t, &g), m), v) in theta.iter_mut().zip(gradient).zip(&mut self.first).zip(&mut self.second) {
            *m = BETA.0 * *m + (1.0 - BETA.0) * g;
            *v = BETA.1 * *v + (1.0 - BETA.1) * g * g;
            *t -= rate * (*m / c1) / ((*v / c2).sqrt() + 1e-8);
        }
    }

    pub(crate) fn save(&self, store: &mut Store) {
        store.put("adam first", &[self.first.len()], &self.first);
        store.put("adam second", &[self.second.len()], &self.second);
        store.note("adam steps", self.steps);
    }

    /// Whether the moments belong to a list of this length.
    pub(crate) fn fits(&self, len: usize) -> bool {
        [&self.first, &self.second].iter().all(|moment| moment.is_empty() || moment.len() == len)
    }

    pub(crate) fn load(store: &Store) -> Result<Self> {
        Ok(Adam {
            first: store.numbers("adam first")?,
            second: store.numbers("adam second")?,
            steps: store.noted("adam steps")?,
        })
    }
}

/// The memory of L-BFGS.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lbfgs {
    /// Steps and changes of the gradient, oldest first.
    pairs: VecDeque<(Vec<f64>, Vec<f64>)>,
    /// Value and gradient at the present point.
    present: Option<(f64, Vec<f64>)>,
}

impl Lbfgs {
    /// One step; `evaluate` gives value and gradient (a value that is not finite is a point to back away
    /// from). Returns the value after the step, the same as before where no descent was found.
    pub(crate) fn step(
        &mut self,
        theta: &mut Vec<f64>,
        memory: usize,
        mut evaluate: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>)>,
    ) -> Result<f64> {
        let (value, gradient) = match self.present.take() {
            Some(present) => present,
            None => evaluate(theta)?,
        };
        if !value.is_finite() {
            return Err(Error::NotFinite { field: "negative log-likelihood", site: 0, value });
        }
        let mut direction = self.direction(&gradient);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            self.pairs.clear();
            direction = gradient.iter().map(|g| -g).collect();
            slope = -dot(&gradient, &gradient);
        }
        if slope == 0.0 {
            self.present = Some((value, gradient));
            return Ok(value);
        }
        let mut t = if self.pairs.is_empty() { 1.0f64.min(1.0 / slope.abs().sqrt()) } else { 1.0 };
        for _ in 0..40 {
            let trial: Vec<f64> = theta.iter().zip(&direction).map(|(x, d)| x + t * d).collect();
            let (new, new_gradient) = evaluate(&trial)?;
            if new <= value + 1e-4 * t * slope {
                let change: Vec<f64> = new_gradient.iter().zip(&gradient).map(|(n, g)| n - g).collect();
                let moved: Vec<f64> = direction.iter().map(|d| t * d).collect();
                if dot(&moved, &change) > 1e-10 * dot(&moved, &moved).sqrt() * dot(&change, &change).sqrt() {
                    self.pairs.push_back((moved, change));
                }
                while self.pairs.len() > memory {
                    self.pairs.pop_front();
                }
                *theta = trial;
                self.present = Some((new, new_gradient));
                return Ok(new);
            }
            // The minimum of the parabola through both values and the slope, kept between a tenth and a half.
            let parabola = -slope * t * t / (2.0 * (new - value - t * slope));
            t = if parabola.is_finite() { parabola.clamp(0.1 * t, 0.5 * t) } else { 0.1 * t };
        }
        self.pairs.clear();
        self.present = Some((value, gradient));
        Ok(value)
    }

    /// `−H g` by the two-loop recursion.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut factors = Vec::with_capacity(self.pairs.len());
        for (s, y) in self.pairs.iter().rev() {
            let factor = dot(s, &q) / dot(s, y);
            q.iter_mut().zip(y).for_each(|(q, y)| *q -= factor * y);
            factors.push(factor);
        }
        if let Some((s, y)) = self.pairs.back() {
            let scale = dot(s, y) / dot(y, y);
            q.iter_mut().for_each(|q| *q *= scale);
        }
        for ((s, y), factor) in self.pairs.iter().zip(factors.iter().rev()) {
            let correction = factor - dot(y, &q) / dot(s, y);
            q.iter_mut().zip(s).for_each(|(q, s)| *q += correction * s);
        }
        q
    }

    pub(crate) fn save(&self, store: &mut Store) {
        store.note("lbfgs pairs", self.pairs.len());
        for (i, (s, y)) in self.pairs.iter().enumerate() {
            store.put(&format!("lbfgs step {i}"), &[s.len()], s);
            store.put(&format!("lbfgs change {i}"), &[y.len()], y);
        }
        if let Some((value, gradient)) = &self.present {
            store.put("lbfgs value", &[1], &[*value]);
            store.put("lbfgs gradient", &[gradient.len()], gradient);
        }
    }

    /// Whether the memory belongs to a list of this length.
    pub(crate) fn fits(&self, len: usize) -> bool {
        let mut lists = self.pairs.iter().flat_map(|(s, y)| [s, y]).chain(self.present.iter().map(|(_, g)| g));
        lists.all(|list| list.len() == len)
    }

    pub(crate) fn load(store: &Store) -> Result<Self> {
        let count: usize = store.noted("lbfgs pairs")?;
        let pair = |i| Ok((store.numbers(&format!("lbfgs step {i}"))?, store.numbers(&format!("lbfgs change {i}"))?));
        let pairs = (0..count).map(pair).collect::<Result<_>>()?;
        let present = if store.has("lbfgs value") {
            let value = store.numbers("lbfgs value")?.first().copied();
            Some((value.ok_or_else(|| store.wrong("no number in `lbfgs value`"))?, store.numbers("lbfgs gradient")?))
        } else {
            None
        };
        Ok(Lbfgs { pairs, present })
    }
}
