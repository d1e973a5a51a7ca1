//! Ladders: equal swap rates from measured ones.
//!
//! Where the log-weights of neighbours are Gaussian the swap rate is `erfc(ℓ)`, `ℓ` proportional to the
//! distance of the parameters. [`respaced`] adds up the lengths `ℓ` of measured rates and cuts the sum into
//! equal parts no longer than that of the rate wanted.

use crate::error::{Error, Result};

/// Checks that parameters are at least two, finite, and strictly in order.
pub(crate) fn check_ladder(ladder: &[f64]) -> Result<()> {
    if ladder.len() < 2 {
        return Err(Error::parameter("levels of the ladder", ladder.len(), "at least two"));
    }
    if let Some(site) = ladder.iter().position(|p| !p.is_finite()) {
        return Err(Error::NotFinite { field: "parameter of the ladder", site, value: ladder[site] });
    }
    let rising = ladder[1] > ladder[0];
    match ladder.windows(2).find(|p| p[0] == p[1] || (p[1] > p[0]) != rising) {
        None => Ok(()),
        Some(p) => Err(Error::parameter(
            "parameters of the ladder",
            format!("{}, {}", p[0], p[1]),
            "strictly rising or strictly falling",
        )),
    }
}

/// Rates are taken to lie between these: what a short run can tell.
const RATES: (f64, f64) = (1e-4, 1.0 - 1e-4);

/// A ladder and its swap rates.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct TunedLadder {
    /// Parameters of the levels.
    pub ladder: Vec<f64>,
    /// Swap rates measured on this ladder.
    pub swap_rates: Vec<f64>,
    /// Ladders measured.
    pub rounds: usize,
    /// Whether every rate is at least the one wanted.
    pub reached: bool,
}

impl TunedLadder {
    /// Measures and re-spaces a ladder until every swap rate is at least `rate`, or `rounds` ladders have
    /// been measured. Each round aims a tenth of the way from its aim to 1 higher than the one before, to
    /// leave room for rates that were measured badly.
    ///
    /// `measure` gives the swap rates of a ladder, from a run of its own.
    ///
    /// # Errors
    /// As [`TunedLadder::respaced`], `rounds` of zero, and those of `measure`.
    pub fn measure(
        ladder: &[f64],
        rate: f64,
        rounds: usize,
        measure: &mut dyn FnMut(&[f64]) -> Result<Vec<f64>>,
    ) -> Result<Self> {
        if rounds == 0 {
            return Err(Error::parameter("rounds", rounds, "at least one"));
        }
        let mut ladder = ladder.to_vec();
        let mut aim = rate;
        let mut round = 0;
        loop {
            round += 1;
            let swap_rates = measure(&ladder)?;
            let next = Self::respaced(&ladder, &swap_rates, aim)?;
            let reached = swap_rates.iter().all(|&r| r >= rate);
            if reached || round == rounds {
                return Ok(TunedLadder { ladder, swap_rates, rounds: round, reached });
            }
            ladder = next;
            aim += 0.1 * (1.0 - aim);
        }
    }

    /// A ladder with the same ends and equal swap rates not below `rate`, judged from the rates measured on
    /// this one; see the module.
    ///
    /// Rates near 0 and 1 are poorly known: repeat with what the new ladder gives ([`TunedLadder::measure`]).
    ///
    /// # Errors
    /// A ladder that is not one, [`Error::Entries`] for a wrong number of rates, [`Error::Parameter`] for a
    /// rate outside `0..=1` or a target outside `(0, 1)`.
    pub fn respaced(ladder: &[f64], swap_rates: &[f64], rate: f64) -> Result<Vec<f64>> {
        check_ladder(ladder)?;
        if swap_rates.len() != ladder.len() - 1 {
            let (expected, got) = (ladder.len() - 1, swap_rates.len());
            return Err(Error::Entries { place: "swap rates".into(), expected, got });
        }
        if !(rate > 0.0 && rate < 1.0) {
            return Err(Error::parameter("swap rate", rate, "between 0 and 1"));
        }
        if let Some(found) = swap_rates.iter().find(|r| !(0.0..=1.0).contains(*r)) {
            return Err(Error::parameter("measured swap rate", found, "between 0 and 1"));
        }
        let lengths: Vec<f64> = swap_rates.iter().map(|r| inverse_erfc(r.clamp(RATES.0, RATES.1))).collect();
        let total: f64 = lengths.iter().sum();
        let parts = (total / inverse_erfc(rate.clamp(RATES.0, RATES.1))).ceil().max(1.0) as usize;
        let mut new = vec![ladder[0]];
        let (mut k, mut before) = (0, 0.0);
        for i in 1..parts {
            let want = total * i as f64 / parts as f64;
            while k + 1 < lengths.len() && before + lengths[k] < want {
                before += lengths[k];
                k += 1;
            }
            new.push(ladder[k] + (ladder[k + 1] - ladder[k]) * (want - before) / lengths[k]);
        }
        new.push(ladder[ladder.len() - 1]);
        Ok(new)
    }
}

/// `erfc(z)` for `z ≥ 0`, relative error 1.2e-7 (Numerical Recipes, §6.2).
fn erfc(z: f64) -> f64 {
    const C: [f64; 10] = [
        -1.26551223,
        1.00002368,
        0.37409196,
        0.09678418,
        -0.18628806,
        0.27886807,
        -1.13520398,
        1.48851587,
        -0.82215223,
        0.17087277,
    ];
    let t = 1.0 / (1.0 + 0.5 * z);
    t * (-z * z + C.iter().rev().fold(0.0, |sum, c| sum * t + c)).exp()
}

/// `z ≥ 0` with `erfc(z) = r`, for `r` in [`RATES`], by bisection.
fn inverse_erfc(r: f64) -> f64 {
    let (mut low, mut high) = (0.0, 4.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if erfc(middle) > r { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
