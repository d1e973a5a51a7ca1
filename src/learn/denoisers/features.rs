//! Softmax laws that are linear in indicators of the neighbours' states, and their fit by L-BFGS:
//!
//! ```text
//! log p(b | context) = offset_b + Σ_{f active} θ_{f,b} − log Σ,
//! minimise   Σ_rows f(counts, log p) + ridge/2 |θ|².
//! ```
//!
//! Cost of a pass: rows times active features times states.

use ndarray::Array2;

use super::tables::contexts;
use crate::error::Result;
use crate::learn::tensors::optimise::Lbfgs;

/// Which functions of the neighbours' states the softmax is linear in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Features {
    /// A constant and the state of each neighbour.
    Additive,
    /// These and the states of each pair of neighbours.
    Pairs,
    /// The states of all neighbours together: any conditional law on the neighbourhood.
    Saturated,
}

/// Features of each context: all are 0 or 1, `active` lists those that are 1.
#[derive(Debug, Clone)]
pub(crate) struct Design {
    pub(crate) active: Vec<Vec<u32>>,
    pub(crate) size: usize,
}

impl Design {
    pub(crate) fn new(neighbours: &[usize], dims: &[usize], features: Features) -> Self {
        let all = contexts(neighbours, dims);
        if features == Features::Saturated {
            return Design { active: (0..all as u32).map(|c| vec![c]).collect(), size: all };
        }
        let d: Vec<usize> = neighbours.iter().map(|&i| dims[i]).collect();
        // First feature of each neighbour, and of each pair: state 0 has none, the constant speaks for it.
        let (mut next, mut first) = (1, vec![]);
        for &d in &d {
            first.push(next);
            next += d - 1;
        }
        let mut pairs = vec![vec![0; d.len()]; d.len()];
        if features == Features::Pairs {
            for k in 0..d.len() {
                for l in k + 1..d.len() {
                    pairs[k][l] = next;
                    next += (d[k] - 1) * (d[l] - 1);
                }
            }
        }
        let active = |c: usize| {
            let (mut rest, mut states) = (c, vec![0; d.len()]);
            for (state, &d) in states.iter_mut().zip(&d).rev() {
                *state = rest % d;
                rest /= d;
            }
            let mut list = vec![0];
            for k in (0..d.len()).filter(|&k| states[k] > 0) {
                list.push((first[k] + states[k] - 1) as u32);
                for l in (k + 1..d.len()).filter(|&l| states[l] > 0 && features == Features::Pairs) {
                    list.push((pairs[k][l] + (states[k] - 1) * (d[l] - 1) + states[l] - 1) as u32);
                }
            }
            list
        };
        Design { active: (0..all).map(active).collect(), size: next }
    }
}

/// Softmax laws over `states` states for rows of given contexts, with the weight of each state and
/// log-offsets where there are any.
pub(crate) struct Rows<'a> {
    pub(crate) design: &'a Design,
    pub(crate) states: usize,
    pub(crate) contexts: Vec<u32>,
    /// `(rows, states)`.
    pub(crate) counts: Vec<f64>,
    /// `(rows, states)`, or nothing.
    pub(crate) offsets: Vec<f64>,
}

/// `z ← log softmax(z)`.
pub(crate) fn log_softmax(z: &mut [f64]) {
    let max = z.iter().fold(f64::NEG_INFINITY, |m, &v| m.max(v));
    let log = max + z.iter().map(|v| (v - max).exp()).sum::<f64>().ln();
    z.iter_mut().for_each(|v| *v -= log);
}

impl<'a> Rows<'a> {
    /// One row a context that occurs in `joint[[b, context]]`.
    pub(crate) fn of_table(design: &'a Design, joint: &Array2<f64>) -> Self {
        let contexts: Vec<u32> =
            (0..joint.ncols()).filter(|&c| joint.column(c).sum() > 0.0).map(|c| c as u32).collect();
        let counts = contexts.iter().flat_map(|&c| joint.column(c as usize).to_vec()).collect();
        Rows { design, states: joint.nrows(), contexts, counts, offsets: vec![] }
    }

    /// Minimises `Σ_rows f(counts, log p) + ridge/2 |θ|²`; `f` writes its slopes `∂f/∂log p_b`, shape of θ:
    /// `(features, states)`.
    pub(crate) fn fit(
        &self,
        ridge: f64,
        rounds: usize,
        f: impl Fn(&[f64], &[f64], &mut [f64]) -> f64,
    ) -> Result<Vec<f64>> {
        let d = self.states;
        let evaluate = |theta: &[f64]| -> Result<(f64, Vec<f64>)> {
            let mut value = 0.5 * ridge * theta.iter().map(|v| v * v).sum::<f64>();
            let mut gradient: Vec<f64> = theta.iter().map(|v| ridge * v).collect();
            let (mut z, mut slopes) = (vec![0.0; d], vec![0.0; d]);
            for (row, &c) in self.contexts.iter().enumerate() {
                let active = &self.design.active[c as usize];
                match self.offsets.get(row * d..(row + 1) * d) {
                    Some(offset) => z.copy_from_slice(offset),
                    None => z.fill(0.0),
                }
                add_active(active, theta, &mut z);
                log_softmax(&mut z);
                value += f(&self.counts[row * d..(row + 1) * d], &z, &mut slopes);
                let total: f64 = slopes.iter().sum();
                slopes.iter_mut().zip(&z).for_each(|(g, z)| *g -= z.exp() * total);
                for &k in active {
                    let part = &mut gradient[k as usize * d..][..d];
                    part.iter_mut().zip(&slopes).for_each(|(g, s)| *g += s);
                }
            }
            Ok((value, gradient))
        };
        let (mut theta, mut lbfgs, mut last) = (vec![0.0; self.design.size * d], Lbfgs::default(), f64::INFINITY);
        for round in 0..rounds {
            let value = lbfgs.step(&mut theta, 10, evaluate)?;
            if round > 2 && last - value <= 1e-11 * value.abs() {
                break;
            }
            last = value;
        }
        Ok(theta)
    }
}

/// Adds the coefficients of the active features to the logits.
pub(crate) fn add_active(active: &[u32], theta: &[f64], z: &mut [f64]) {
    let d = z.len();
    for &k in active {
        z.iter_mut().zip(&theta[k as usize * d..][..d]).for_each(|(z, t)| *z += t);
    }
}
