//! Orders of convergence.

/// Orders of two successive doublings of one power law differ by no more than this.
const SCATTER: f64 = 0.1;
/// What falls more slowly than this is about to level off.
const LEAST: f64 = 0.5;

/// The order of an error at steps `K/4`, `K/2` and `K`: `log₂` of the last ratio. None where the error does
/// not fall as a power, that is where the two ratios disagree or hardly anything falls any more: it has then
/// levelled off, and a number would mean nothing.
pub fn order([quarter, half, whole]: [f64; 3]) -> Option<f64> {
    let (before, last) = ((quarter / half).log2(), (half / whole).log2());
    (last >= LEAST && (last - before).abs() <= SCATTER).then_some(last)
}

/// The order of an error as the slope of a straight line through `log error` against `log steps`, least squares,
/// with its standard error from the scatter about the line; `None` for fewer than three points or an error that
/// has no logarithm.
pub fn fitted_order(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let logs: Vec<(f64, f64)> = points.iter().map(|(steps, error)| (steps.ln(), -error.ln())).collect();
    if logs.len() < 3 || logs.iter().any(|(_, y)| !y.is_finite()) {
        return None;
    }
    let n = logs.len() as f64;
    let (x, y) = (logs.iter().map(|p| p.0).sum::<f64>() / n, logs.iter().map(|p| p.1).sum::<f64>() / n);
    let spread: f64 = logs.iter().map(|p| (p.0 - x).powi(2)).sum();
    let slope = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / spread;
    let scatter: f64 = logs.iter().map(|p| (p.1 - y - slope * (p.0 - x)).powi(2)).sum();
    Some((slope, (scatter / (n - 2.0) / spread).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::{fitted_order, order};

    #[test]
    fn slopes_have_errors() {
        let power = |k: f64| (k, 3.0 * k.powf(-2.0));
        let (slope, error) = fitted_order(&[4.0, 8.0, 16.0, 32.0].map(power)).unwrap();
        assert!((slope - 2.0).abs() < 1e-12 && error < 1e-12);
        // y = 0, 1, 1, 2 at x = 0, 1, 2, 3 (times log 2): slope 0.6, residuals −.1, .3, −.3, .1.
        let points = [(1.0, 1.0), (2.0, 0.5), (4.0, 0.5), (8.0, 0.25)];
        let (slope, error) = fitted_order(&points).unwrap();
        assert!((slope - 0.6).abs() < 1e-12 && (error - (0.2f64 / 2.0 / 5.0).sqrt()).abs() < 1e-12);
        assert_eq!(fitted_order(&points[..2]), None);
        assert_eq!(fitted_order(&[(1.0, 1.0), (2.0, 0.0), (4.0, 0.1)]), None);
    }

    #[test]
    fn powers_have_an_order_and_what_levels_off_has_none() {
        assert_eq!(order([0.4, 0.2, 0.1]), Some(1.0));
        assert_eq!(order([0.16, 0.04, 0.01]), Some(2.0));
        // Euler steps on their way to first order.
        assert!(order([0.130, 0.071, 0.0372]).is_some_and(|order| (order - 0.93).abs() < 0.01));
        // A floor of .03, reached, and on the way to it.
        let floor = |steps: f64| 0.03 + 1.0 / steps;
        for steps in [16.0, 32.0, 64.0, 128.0, 1024.0] {
            assert_eq!(order([floor(steps / 4.0), floor(steps / 2.0), floor(steps)]), None, "{steps} steps");
        }
        for bad in [[0.1, 0.0, 0.0], [0.0; 3], [0.1, f64::NAN, 0.05], [0.1, 0.2, 0.4]] {
            assert_eq!(order(bad), None, "{bad:?}");
        }
    }
}
