//! Local dynamics of the Fredkin chain: generator, rejection-free trajectories, Metropolis moves.
//!
//! `01 → 10` on the sites `(j, j+1)` with rate `c f`, `10 → 01` with rate `(1−c) f`,
//! `f = n_{j−1} + (1 − n_{j+2})` (0, 1 or 2), sites beyond the ends contributing nothing. A swap does not
//! change its own `f` and moves the area by two, so the rates obey detailed balance with `q^{Σh/2}`; `f`
//! forbids just the swaps that would change the sector (configs.rs). A swap at bond `j` changes the rates of
//! the bonds `j−2..=j+2` only.

use ndarray::Array2;
use rand::{Rng, RngExt};

use super::chain::Fredkin;
use crate::error::{Error, Result};
use crate::tn::{LocalTerm, Mpo};

/// `f` of the bond `(j, j+1)`: the number of neighbours that allow the swap.
fn constraint(x: &[u8], j: usize) -> u8 {
    let left = if j > 0 { x[j - 1] } else { 0 };
    let right = x.get(j + 2).map_or(0, |n| 1 - n);
    left + right
}

fn check(chain: &Fredkin, x: &[u8]) -> Result<()> {
    if x.len() != chain.sites() {
        return Err(Error::SiteCount { expected: chain.sites(), got: x.len() });
    }
    match x.iter().position(|&n| n > 1) {
        Some(site) => Err(Error::StateOutOfRange { row: 0, site, state: x[site].into(), dim: 2 }),
        None => Ok(()),
    }
}

impl Fredkin {
    /// The generator as a sum of local terms, one a bond: the two sites of the bond and its neighbours where
    /// they exist. Element `[x, y]` is the rate x → y (inverse time), diagonals make rows sum to zero.
    pub fn local_terms(&self) -> Vec<LocalTerm> {
        let sites = self.sites();
        let term = |j: usize| {
            let first = j.saturating_sub(1);
            let width = (j + 3).min(sites) - first;
            let bond = j - first;
            let mut matrix = Array2::zeros((1 << width, 1 << width));
            for index in 0..1usize << width {
                let mut x: Vec<u8> = (0..width).rev().map(|bit| (index >> bit & 1) as u8).collect();
                let rate = match (x[bond], x[bond + 1]) {
                    (0, 1) => self.c,
                    (1, 0) => 1.0 - self.c,
                    _ => continue,
                } * f64::from(constraint(&x, bond));
                x.swap(bond, bond + 1);
                let swapped = x.iter().fold(0, |index, &n| index << 1 | usize::from(n));
                matrix[[index, swapped]] += rate;
                matrix[[index, index]] -= rate;
            }
            LocalTerm { first, matrix }
        };
        (0..sites - 1).map(term).collect()
    }

    /// The generator `W` as a matrix-product operator, `dp/dt = p W`: element `(x, y)` is the rate x → y,
    /// rows sum to zero.
    ///
    /// # Errors
    /// None in practice: the terms fit the chain.
    pub fn generator(&self) -> Result<Mpo> {
        Mpo::from_local_terms(&self.dims, &self.local_terms())
    }

    /// Local Metropolis moves, in place: each attempt picks a bond at random and swaps its sites with
    /// probability `min(1, q^{Δk})` where the constraint allows. Reversible for the equilibrium law of the
    /// configuration's sector. Returns the number of accepted swaps; O(1) an attempt.
    ///
    /// # Errors
    /// [`Error::SiteCount`] or [`Error::StateOutOfRange`].
    pub fn metropolis(&self, x: &mut [u8], attempts: usize, rng: &mut impl Rng) -> Result<u64> {
        check(self, x)?;
        let (raise, lower) = (self.log_q.exp().min(1.0), (-self.log_q).exp().min(1.0));
        let mut accepted = 0;
        for _ in 0..attempts {
            let j = rng.random_range(0..x.len() - 1);
            // The constraint is the same before and after the swap, so proposals are symmetric.
            if x[j] == x[j + 1] || constraint(x, j) == 0 {
                continue;
            }
            let acceptance = if x[j] == 0 { raise } else { lower };
            if acceptance == 1.0 || rng.random::<f64>() < acceptance {
                x.swap(j, j + 1);
                accepted += 1;
            }
        }
        Ok(accepted)
    }

    /// Runs the jump process for `time` (inverse rates), in place, and returns the number of events. O(N) to
    /// start, then O(1) an event.
    ///
    /// # Errors
    /// As [`FredkinProcess::new`] and [`FredkinProcess::advance`].
    pub fn evolve(&self, x: &mut [u8], time: f64, rng: &mut impl Rng) -> Result<u64> {
        let mut process = FredkinProcess::new(self, x)?;
        let events = process.advance(time, rng)?;
        x.copy_from_slice(process.state());
        Ok(events)
    }
}

/// A rejection-free trajectory (Bortz, Kalos, Lebowitz 1975; Gillespie 1977) of the Fredkin dynamics.
///
/// Movable bonds are kept in four lists by their rate, `(1−c)`, `2(1−c)`, `c`, `2c`: an event draws a waiting
/// time, a list, a bond, and refreshes five bonds. O(1) an event.
#[derive(Debug, Clone)]
pub struct FredkinProcess {
    x: Vec<u8>,
    rates: [f64; 4],
    lists: [Vec<u32>; 4],
    /// List of each bond ([`IDLE`] for none) and its place therein.
    place: Vec<(u8, u32)>,
    time: f64,
}

/// Mark of a bond that cannot move.
const IDLE: u8 = 4;

impl FredkinProcess {
    /// Starts at time zero in a configuration of any sector. O(N).
    ///
    /// # Errors
    /// [`Error::SiteCount`] or [`Error::StateOutOfRange`].
    pub fn new(chain: &Fredkin, x: &[u8]) -> Result<Self> {
        check(chain, x)?;
        let (raise, lower) = (chain.c, 1.0 - chain.c);
        let mut process = FredkinProcess {
            x: x.to_vec(),
            rates: [lower, 2.0 * lower, raise, 2.0 * raise],
            lists: Default::default(),
            place: vec![(IDLE, 0); x.len() - 1],
            time: 0.0,
        };
        (0..x.len() - 1).for_each(|j| process.refresh(j));
        Ok(process)
    }

    /// The present configuration.
    pub fn state(&self) -> &[u8] {
        &self.x
    }

    /// The present time, in inverse rates.
    pub fn time(&self) -> f64 {
        self.time
    }

    /// Total rate of leaving the present configuration.
    pub fn escape_rate(&self) -> f64 {
        self.lists.iter().zip(self.rates).map(|(list, rate)| list.len() as f64 * rate).sum()
    }

    /// Runs for `time` more and returns the number of events.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a time that is negative or not finite.
    pub fn advance(&mut self, time: f64, rng: &mut impl Rng) -> Result<u64> {
        if !(time >= 0.0 && time.is_finite()) {
            return Err(Error::parameter("time", time, "finite and not negative"));
        }
        let end = self.time + time;
        let mut events = 0;
        loop {
            let total = self.escape_rate();
            if total == 0.0 {
                break;
            }
            // 1 − u lies in (0, 1]: the waiting time is finite. The memoryless law allows a fresh one at each
            // call.
            self.time -= (1.0 - rng.random::<f64>()).ln() / total;
            if self.time > end {
                break;
            }
            self.jump(total, rng);
            events += 1;
        }
        self.time = end;
        Ok(events)
    }

    /// One event: a bond drawn in proportion to its rate.
    fn jump(&mut self, total: f64, rng: &mut impl Rng) {
        let mut u = rng.random::<f64>() * total;
        let mut chosen = None;
        for (class, (list, rate)) in self.lists.iter().zip(self.rates).enumerate() {
            if list.is_empty() {
                continue;
            }
            // The last non-empty list also takes what rounding leaves over.
            chosen = Some(class);
            let share = list.len() as f64 * rate;
            if u < share {
                break;
            }
            u -= share;
        }
        let Some(class) = chosen else { return };
        let list = &self.lists[class];
        let j = list[rng.random_range(0..list.len())] as usize;
        self.x.swap(j, j + 1);
        for bond in j.saturating_sub(2)..(j + 3).min(self.place.len()) {
            self.refresh(bond);
        }
    }

    /// Puts a bond into the list of its present rate.
    fn refresh(&mut self, j: usize) {
        let class = match (self.x[j], self.x[j + 1], constraint(&self.x, j)) {
            (_, _, 0) => IDLE,
            (1, 0, f) => f - 1,
            (0, 1, f) => f + 1,
            _ => IDLE,
        };
        let (old, place) = self.place[j];
        if class == old {
            return;
        }
        if let Some(list) = self.lists.get_mut(usize::from(old)) {
            list.swap_remove(place as usize);
            if let Some(&moved) = list.get(place as usize) {
                self.place[moved as usize].1 = place;
            }
        }
        self.place[j] = (class, 0);
        if let Some(list) = self.lists.get_mut(usize::from(class)) {
            self.place[j].1 = list.len() as u32;
            list.push(j as u32);
        }
    }
}
