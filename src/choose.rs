//! A symbol in proportion to its weight, from one uniform number: the one rule of all samplers.

/// The symbol at which the cumulative weight passes `u · total`; never one of weight zero.
#[inline(always)]
pub(crate) fn choose<T: Copy + Into<f64>>(weights: &[T], total: f64, u: f64) -> usize {
    let threshold = u * total;
    if let &[p0, p1] = weights {
        let (p0, p1): (f64, f64) = (p0.into(), p1.into());
        return usize::from(threshold >= p0 && p1 > 0.0);
    }
    let (mut cumulative, mut last) = (0.0, 0);
    for (a, &p) in weights.iter().enumerate() {
        let p: f64 = p.into();
        if p > 0.0 {
            last = a;
            cumulative += p;
            if threshold < cumulative {
                break;
            }
        }
    }
    last
}
