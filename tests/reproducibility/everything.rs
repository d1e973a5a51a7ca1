//! One golden case for every sampler: a refactoring that keeps these changes no draw.
//!
//! A case puts what it drew into a 64-bit FNV-1a hash, which is compared with the line of its name in
//! `everything.txt`: configurations and counts to the bit, real numbers to nine digits (learning: eight). The
//! log-probabilities of single-precision laws are left out, whose last digits follow the machine's vectors.
//! A failing family prints the lines as they would have to be.
//!
//! Changing a line is a change of behaviour that belongs into the changelog.

mod chains;
mod diffusion;
mod learn;
mod lines;
mod models;
mod square;
mod tempering;

use std::collections::HashMap;

use ndarray::Array2;
use tensorjump::mcmc::MoveReport;
use tensorjump::{Configs, Samples, Streams};

/// The expected hashes: a name and a hash a line. Read when a test runs, so that new lines need no new build.
const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reproducibility/everything.txt");

/// Real numbers below this are the rounding of a zero.
const ZERO: f64 = 1e-12;

fn streams() -> Streams {
    Streams::new(20_260_701)
}

/// Rows of a pattern that visits every state of every site; neighbouring rows come in pairs.
fn pattern(dims: &[usize], rows: usize) -> Array2<u8> {
    Array2::from_shape_fn((rows, dims.len()), |(i, j)| ((i / 2 * (j + 1) + j) % dims[j]) as u8)
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Fnv {
    fn bytes(&mut self, bytes: impl IntoIterator<Item = u8>) {
        self.0 = bytes.into_iter().fold(self.0, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.bytes().chain([0]));
    }

    fn count(&mut self, n: u64) {
        self.bytes(n.to_le_bytes());
    }

    /// Shape and states.
    fn x(&mut self, x: Configs<'_>) {
        self.count(x.nrows() as u64);
        self.count(x.ncols() as u64);
        self.bytes(x.iter().copied());
    }

    /// Numbers rounded to `digits` significant digits.
    fn rounded<'a>(&mut self, digits: usize, values: impl IntoIterator<Item = &'a f64>) {
        for &v in values {
            let v = if v.abs() < ZERO { 0.0 } else { v };
            self.text(&format!("{v:.0$e}", digits - 1));
        }
    }

    /// Numbers to nine digits.
    fn numbers<'a>(&mut self, values: impl IntoIterator<Item = &'a f64>) {
        self.rounded(9, values);
    }

    fn samples(&mut self, samples: &Samples) {
        self.x(samples.x.view());
        self.numbers(&samples.log_prob);
    }

    fn report(&mut self, report: &MoveReport) {
        let MoveReport { proposed, accepted, moved, unsupported, impossible, parts } = report;
        for &n in [proposed, accepted, moved, unsupported, impossible] {
            self.count(n as u64);
        }
        parts.iter().for_each(|part| self.report(part));
    }
}

/// The cases of one sampler, or of several that are compared together.
#[must_use = "a family says nothing before `check`"]
struct Family {
    name: &'static str,
    found: Vec<(String, u64)>,
}

impl Family {
    fn of(name: &'static str) -> Self {
        Family { name, found: vec![] }
    }

    /// Hashes what `draw` puts in.
    fn case(mut self, name: &str, draw: impl FnOnce(&mut Fnv)) -> Self {
        let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
        draw(&mut hash);
        self.found.push((format!("{}/{name}", self.name), hash.0));
        self
    }

    /// The cases of another one too.
    fn and(mut self, other: Family) -> Self {
        self.found.extend(other.found);
        self
    }

    /// Compares with the expected hashes.
    fn check(self) {
        let expected: HashMap<String, u64> = lines().into_iter().collect();
        let differ = self.found.iter().filter(|(name, hash)| expected.get(name) != Some(hash));
        let lines: Vec<String> = differ.map(|(name, hash)| format!("{name} {hash:016x}")).collect();
        assert!(lines.is_empty(), "other draws than in everything.txt; now\n{}\n", lines.join("\n"));
    }
}

/// Names and hashes, in the order of the file.
fn lines() -> Vec<(String, u64)> {
    let line = |line: &str| {
        let (name, hash) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), u64::from_str_radix(hash, 16).unwrap())
    };
    std::fs::read_to_string(EXPECTED).unwrap().lines().map(line).collect()
}
