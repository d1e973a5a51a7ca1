//! The guided process without Monte Carlo.

use tensorjump::diffusion::{Denoiser, Guided};

use super::all_configs;

/// The law after one step from every configuration, applied to `p`.
pub fn push<C: Denoiser, U: Denoiser>(guided: &Guided<C, U>, p: &[f64], s: f64, t: f64) -> Vec<f64> {
    let x = all_configs(guided.noise().dims_out());
    let laws = guided.step_law(s, t, x.view()).unwrap();
    let mut next = vec![0.0; p.len()];
    for (law, &p) in laws.outer_iter().zip(p) {
        for (to, z) in next.iter_mut().zip(x.outer_iter()) {
            *to += p * z.iter().enumerate().map(|(j, &b)| law[[j, b.into()]]).product::<f64>();
        }
    }
    next
}
