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

#[cfg(test)]
mod tests {
    use super::order;

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
