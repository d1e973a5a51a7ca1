//! Metropolis and heat bath for Ising models, site by site.
//!
//! With the local field `f = β(Σ J s + h)` a spin `s` flips with probability
//!
//! ```text
//! Metropolis  min(1, e^{−2 s f}),        heat bath  1/(1 + e^{2 s f}).
//! ```
//!
//! Metropolis would flip a spin without a local field at every visit. Visits in a fixed order would only
//! alternate where all local fields vanish: at β = 0, at sites without bonds, and in a checkerboard of 2 × 2
//! blocks on a torus at any temperature. Hence a flip with `β |ΔE| < 0.1` takes the probability of heat bath,
//! one half without a field. Either rule leaves the law invariant. All configurations are then reached:
//! sweeps that never raise the energy end in a minimum, and in checkerboard order one sweep leads from any
//! minimum to any other. (In the other order small lattices were enumerated.)
//!
//! Sites are visited in checkerboard order, first `r + c` even, then odd, where every direction that wraps
//! around has even length, and row after row else: with an odd length two sites of the same colour would be
//! neighbours.
//!
//! Two ways to do it, chosen by the model:
//!
//! * bonds of one strength (or absent), no field, checkerboard order: 64 sites at a time, one bit a site:
//!   0.45 ns a site in many sweeps, 0.9 ns in single ones, which pack and unpack;
//! * anything else: sites whose bonds and field have the same values share a table of 32 probabilities (own
//!   spin, four neighbours), 64 bytes each, at worst one a site for Gaussian couplings. A visit is a look-up
//!   and a comparison, without branches and without exponentials (but for one visit in 65536, which needs
//!   more than 16 random bits): 2.4 ns a site.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rand::Rng;

use super::spins::{Chance, Spins, check_lattice, fast_rng, stride};
use super::words::WordSweep;
use crate::error::{Error, Result};
use crate::lattice::square::geometry::Square;
use crate::lattice::square::ising::Ising;
use crate::mcmc::{Chains, Dynamics, EachChain, Move, MoveReport};
use crate::model::Target;
use crate::rng::{Stream, Streams};

/// `β |ΔE|` below which a flip has the probability of heat bath: there Metropolis would flip more than nine
/// times in ten.
const SOFT: f64 = 0.1;

/// Own spin and four neighbours.
const ENTRIES: usize = 32;

/// Sweeps of Metropolis or heat bath over an [`Ising`] model: a [`Move`] (whose target must be that model), a
/// [`Dynamics`] and a driver on packed [`Spins`] without allocation.
///
/// ```
/// use tensorjump::Streams;
/// use tensorjump::lattice::{Couplings, Geometry, Ising, SpinSweep, Spins, Square, fast_rng};
///
/// let lattice = Square::new(8, 8, Geometry::Torus)?;
/// let ising = Ising::new(Couplings::uniform(lattice, 1.0)?, 0.6)?;
/// let sweep = SpinSweep::heat_bath(&ising)?;
/// let mut spins = Spins::new(lattice, &[1; 64])?;
/// let mut rng = fast_rng(&mut Streams::new(1).stream(0));
/// for _ in 0..100 {
///     sweep.sweep(&mut spins, &mut rng)?;
/// }
/// assert!(spins.ups() > 32); // below the critical temperature
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SpinSweep {
    lattice: Square,
    rule: Rule,
    coding: Coding,
    sweeps: usize,
}

/// The probability of a flip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Metropolis,
    HeatBath,
}

/// How sites are visited.
#[derive(Debug, Clone, PartialEq)]
enum Coding {
    Words(WordSweep),
    Bytes(Tables),
}

/// Flip probabilities by site.
#[derive(Debug, Clone, PartialEq)]
struct Tables {
    lattice: Square,
    rule: Rule,
    /// Table of each site.
    class: Vec<u32>,
    /// The first 16 bits of the flip probabilities, `ENTRIES` a class:
    /// `16·spin + left + 2·right + 4·above + 8·below`.
    flip: Vec<[u16; ENTRIES]>,
    /// The couplings of each class (left, right, above, below) and its field, for the other bits.
    terms: Vec<[f64; 5]>,
}

impl Rule {
    /// The probability of a flip where the spin has the local field `s f`.
    fn probability(self, sf: f64) -> f64 {
        if self.is_soft(sf) { 1.0 / (1.0 + (2.0 * sf).exp()) } else { (-2.0 * sf).exp().min(1.0) }
    }

    /// Whether flips in the field `f` have the probability of heat bath.
    fn is_soft(self, f: f64) -> bool {
        self == Rule::HeatBath || (2.0 * f).abs() < SOFT
    }
}

impl SpinSweep {
    /// Metropolis sweeps, one in each update; flips that cost next to nothing as the module says.
    ///
    /// # Errors
    /// [`Error::Entry`] where the local field of a site is not finite; [`Error::Parameter`] for diagonal
    /// bonds ([`SiteHeatBath`](crate::lattice::SiteHeatBath) has them).
    pub fn metropolis(ising: &Ising) -> Result<Self> {
        SpinSweep::new(ising, Rule::Metropolis)
    }

    /// Heat-bath (Glauber) sweeps, one in each update.
    ///
    /// # Errors
    /// As [`SpinSweep::metropolis`].
    pub fn heat_bath(ising: &Ising) -> Result<Self> {
        SpinSweep::new(ising, Rule::HeatBath)
    }

    /// Makes `sweeps` sweeps in each update of a [`Move`].
    ///
    /// # Errors
    /// [`Error::Parameter`] if `sweeps` is zero.
    pub fn with_sweeps(self, sweeps: usize) -> Result<Self> {
        if sweeps == 0 {
            return Err(Error::parameter("sweeps", sweeps, "at least one"));
        }
        Ok(SpinSweep { sweeps, ..self })
    }

    fn new(ising: &Ising, rule: Rule) -> Result<Self> {
        let lattice = ising.lattice();
        lattice.check_nearest("none for sweeps over packed spins (SiteHeatBath has them)")?;
        let tables = Tables::new(ising, rule)?;
        let words = is_checkerboard(lattice)
            .then(|| WordSweep::new(ising, |f| rule.is_soft(f), |sf| rule.probability(sf)))
            .flatten();
        let coding = words.map_or(Coding::Bytes(tables), Coding::Words);
        Ok(SpinSweep { lattice, rule, coding, sweeps: 1 })
    }

    /// Whether sites are visited in checkerboard order; else row after row.
    pub fn is_checkerboard(&self) -> bool {
        is_checkerboard(self.lattice)
    }

    /// Visits every site once; returns the number of flips. Where many sweeps follow each other,
    /// [`SpinSweep::sweeps`] is faster.
    ///
    /// # Errors
    /// [`Error::Parameter`] for spins of another lattice.
    pub fn sweep(&self, spins: &mut Spins, rng: &mut impl Rng) -> Result<usize> {
        self.sweeps(spins, 1, rng)
    }

    /// As many sweeps, one after the other; returns the number of flips.
    ///
    /// # Errors
    /// As [`SpinSweep::sweep`].
    pub fn sweeps(&self, spins: &mut Spins, count: usize, rng: &mut impl Rng) -> Result<usize> {
        check_lattice(self.lattice, spins.lattice())?;
        Ok(match &self.coding {
            Coding::Words(words) => words.sweeps(spins, count, rng),
            Coding::Bytes(tables) => (0..count).map(|_| tables.sweep(spins, rng)).sum(),
        })
    }
}

/// Whether sites of one colour of the checkerboard are never neighbours.
fn is_checkerboard(lattice: Square) -> bool {
    let even = |n: usize, wraps: bool| !wraps || n.is_multiple_of(2);
    even(lattice.rows(), lattice.wraps_rows()) && even(lattice.cols(), lattice.wraps_cols())
}

impl Tables {
    fn new(ising: &Ising, rule: Rule) -> Result<Self> {
        let lattice = ising.lattice();
        let mut classes: HashMap<[u64; 5], u32> = HashMap::new();
        // Tables in the order of the visits: where each site has its own, memory is read as a stream.
        let colour = |j: &usize| {
            let (r, c) = lattice.place(*j);
            is_checkerboard(lattice) && (r + c) % 2 == 1
        };
        let mut order: Vec<usize> = (0..lattice.sites()).collect();
        order.sort_by_key(colour);
        let mut tables = Tables { lattice, rule, class: vec![0; lattice.sites()], flip: vec![], terms: vec![] };
        for j in order {
            let [right, left, below, above] = lattice.nearest(j).map(|n| n.map_or(0.0, |n| ising.reduced(n.bond)));
            let terms = [left, right, above, below, ising.beta() * ising.couplings().field()[j]];
            let reach: f64 = terms.iter().map(|t| t.abs()).sum();
            if !reach.is_finite() {
                let place = lattice.site_name("local field", j);
                return Err(Error::Entry { place, value: reach, expected: "finite" });
            }
            tables.class[j] = match classes.entry(terms.map(f64::to_bits)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    tables.terms.push(terms);
                    let class = tables.terms.len() - 1;
                    tables.flip.push(std::array::from_fn(|i| tables.chance(class, i).high()));
                    *new.insert(class as u32)
                }
            };
        }
        Ok(tables)
    }

    /// Entry `i` of a class, to all its bits.
    fn chance(&self, class: usize, i: usize) -> Chance {
        Chance::new(self.rule.probability(aligned_field(&self.terms[class], i)))
    }

    /// Visits every site once; returns the number of flips.
    fn sweep(&self, spins: &mut Spins, rng: &mut impl Rng) -> usize {
        let (rows, cols) = (self.lattice.rows(), self.lattice.cols());
        let mut flips = 0;
        if is_checkerboard(self.lattice) {
            for colour in 0..2 {
                for r in 0..rows {
                    flips += self.visit::<2>(spins, r, (colour + r) % 2, cols, rng);
                    spins.wrap_row(r);
                }
            }
        } else {
            for r in 0..rows {
                // The first site is a neighbour of the last, which must see its new value.
                flips += self.visit::<1>(spins, r, 0, 1, rng);
                spins.wrap_row(r);
                flips += self.visit::<1>(spins, r, 1, cols, rng);
                spins.wrap_row(r);
            }
        }
        flips
    }

    /// Visits every `STEP`-th site of row `r` from column `first` up to `end`; returns the number of flips.
    #[inline(always)]
    fn visit<const STEP: usize>(
        &self,
        spins: &mut Spins,
        r: usize,
        first: usize,
        end: usize,
        rng: &mut impl Rng,
    ) -> usize {
        let (cols, stride) = (self.lattice.cols(), stride(self.lattice));
        let (before, rest) = spins.padded.split_at_mut((r + 1) * stride);
        let (row, after) = rest.split_at_mut(stride);
        let (above, below) = (&before[r * stride..], &after[..stride]);
        let class = &self.class[r * cols..(r + 1) * cols];
        let entry = |a: u8, s: u8, b: u8, u: u8, d: u8| {
            let neighbours = u32::from(a) | u32::from(b) << 1 | u32::from(u) << 2 | u32::from(d) << 3;
            (usize::from(s) << 4 | neighbours as usize & 15) % ENTRIES
        };
        let (mut flips, mut c) = (0, first);
        // Sites of one colour do not see each other: four at a time, from one random number.
        while STEP == 2 && c + 6 < end {
            let (row, class) = (&mut row[c..c + 9], &class[c..c + 7]);
            let (above, below) = (&above[c..c + 9], &below[c..c + 9]);
            let at: [(usize, usize); 4] = std::array::from_fn(|k| {
                let i = 2 * k + 1;
                (class[i - 1] as usize, entry(row[i - 1], row[i], row[i + 1], above[i], below[i]))
            });
            let bits = rng.next_u64();
            let low: [u16; 4] = std::array::from_fn(|k| (bits >> (16 * k)) as u16);
            let high = at.map(|(class, i)| self.flip[class][i]);
            let mut flip: [bool; 4] = std::array::from_fn(|k| low[k] < high[k]);
            if (0..4).fold(false, |tie, k| tie | (low[k] == high[k])) {
                flip = std::array::from_fn(|k| self.chance(at[k].0, at[k].1).happens(low[k], rng));
            }
            for (k, &flip) in flip.iter().enumerate() {
                row[2 * k + 1] ^= u8::from(flip);
                flips += usize::from(flip);
            }
            c += 8;
        }
        while c < end {
            let (class, i) = (class[c] as usize, entry(row[c], row[c + 1], row[c + 2], above[c + 1], below[c + 1]));
            let (low, high) = ((rng.next_u64() >> 48) as u16, self.flip[class][i]);
            let flip = if low == high { self.chance(class, i).happens(low, rng) } else { low < high };
            row[c + 1] ^= u8::from(flip);
            flips += usize::from(flip);
            c += STEP;
        }
        flips
    }
}

/// `s f` for entry `i` of a table, `terms` the left, right, upper, lower reduced couplings and the reduced
/// field.
fn aligned_field(terms: &[f64; 5], i: usize) -> f64 {
    let sign = |bit: usize| if i >> bit & 1 == 1 { 1.0 } else { -1.0 };
    let field = terms[4] + (0..4).map(|k| terms[k] * sign(k)).sum::<f64>();
    sign(4) * field
}

impl Dynamics for SpinSweep {
    type State = Spins;

    fn enter(&self, x: &[u8]) -> Result<Spins> {
        Spins::new(self.lattice, x)
    }

    /// Counts sites visited as proposals; flips as accepted for Metropolis, all visits for heat bath.
    fn step(&self, spins: &mut Spins, stream: &mut Stream) -> Result<(usize, usize)> {
        let flips = self.sweeps(spins, self.sweeps, &mut fast_rng(stream))?;
        let visits = self.sweeps * self.lattice.sites();
        Ok((visits, if self.rule == Rule::HeatBath { visits } else { flips }))
    }

    fn leave(&self, spins: &Spins, x: &mut [u8]) -> Result<()> {
        spins.write(x)
    }

    fn fits(&self, spins: &Spins) -> bool {
        spins.lattice() == self.lattice
    }
}

impl Move for SpinSweep {
    /// # Errors
    /// Another number of sites, or of states, than the Ising model has.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        EachChain(self).update(chains, target, streams)
    }
}
