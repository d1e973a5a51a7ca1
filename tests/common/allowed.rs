//! All configurations of a model with hard constraints, found by backtracking.

use ndarray::Array2;
use tensorjump::Target;
use tensorjump::lattice::PairModel;

/// The configurations of positive weight, and their log-weights.
pub fn allowed(model: &PairModel) -> (Array2<u8>, Vec<f64>) {
    let dims = model.dims();
    let (mut found, mut x) = (Vec::new(), vec![0u8; dims.len()]);
    fill(model, 0, 0.0, &mut x, &mut found);
    let mut all = Array2::zeros((found.len(), dims.len()));
    for (mut row, (x, _)) in all.outer_iter_mut().zip(&found) {
        row.assign(&ndarray::ArrayView1::from(x));
    }
    (all, found.into_iter().map(|f| f.1).collect())
}

fn fill(model: &PairModel, j: usize, log: f64, x: &mut [u8], found: &mut Vec<(Vec<u8>, f64)>) {
    if j == x.len() {
        found.push((x.to_vec(), log));
        return;
    }
    for a in 0..model.dims()[j] {
        x[j] = a as u8;
        let mut next = log + model.site_log_weights(j)[a];
        for n in model.lattice().neighbours(j).into_iter().flatten().filter(|n| n.site < j) {
            let b = usize::from(x[n.site]);
            next += model.bond_log_weights(n.bond)[if n.first { [a, b] } else { [b, a] }];
        }
        if next > f64::NEG_INFINITY {
            fill(model, j + 1, next, x, found);
        }
    }
}

/// `log Σ e^w`.
pub fn log_sum(w: &[f64]) -> f64 {
    let max = w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + w.iter().map(|w| (w - max).exp()).sum::<f64>().ln()
}
