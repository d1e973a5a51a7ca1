//! Choices in double precision.

/// Conditionals are multiples of 2⁻⁵³, and those of allowed states at least this many of them,
/// `2⁻⁴⁰ < 1e-12`.
const FLOOR: u64 = 1 << 13;
pub(crate) const UNIT: u64 = 1 << 53;

/// The state that 53 random bits choose (or `given`, without bits), its probability in units of 2⁻⁵³, and
/// whether an allowed state was raised to the floor. The likeliest state has what the others leave;
/// of weights that are all zero state zero is taken with certainty.
pub(crate) fn choose(odds: &[f64], bits: Option<u64>, given: u8) -> (u8, u64, bool) {
    let total: f64 = odds.iter().sum();
    let likely = (1..odds.len()).fold(0, |best, s| if odds[s] > odds[best] { s } else { best });
    let (mut rest, mut low, mut state) = (UNIT, false, usize::from(given));
    let mut share = 0;
    if bits.is_some() {
        state = likely;
    }
    for (s, &weight) in odds.iter().enumerate() {
        if s == likely || weight <= 0.0 {
            continue;
        }
        let exact = (weight / total * UNIT as f64) as u64;
        low |= exact < FLOOR;
        let part = exact.max(FLOOR);
        rest -= part;
        // The states but the likeliest take the bits from the top down.
        if bits.is_some_and(|bits| bits >= rest && bits < rest + part) || bits.is_none() && s == state {
            (state, share) = (s, part);
        }
    }
    if state == likely {
        share = rest;
    }
    (state as u8, share, low)
}
