//! Faults planted in moves, and the same moves without them: what rank tests must find.

use ndarray::{Array1, Axis, concatenate, s};
use rand::RngExt;
use tensorjump::lattice::Ising;
use tensorjump::mcmc::{Chains, Move, MoveReport, Proposal, Proposed};
use tensorjump::{Configs, Result, Stream, Streams, Target};

/// Proposes with a model and may forget the ratio.
pub struct Forgetful<P>(pub P, pub bool);

impl<P: Proposal> Proposal for Forgetful<P> {
    fn dims(&self) -> &[usize] {
        self.0.dims()
    }
    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        let proposed = self.0.propose(x, streams)?;
        Ok(if self.1 { Proposed::symmetric(proposed.x) } else { proposed })
    }
}

/// Flips sites down with probability .2 and up with .05; the sign says which way round the ratio is taken.
pub struct Flips(pub Vec<usize>, pub f64);

impl Proposal for Flips {
    fn dims(&self) -> &[usize] {
        &self.0
    }
    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        let p = [0.05, 0.2];
        let mut new = x.to_owned();
        let mut log_ratio = Array1::zeros(x.nrows());
        for (row, mut x) in new.outer_iter_mut().enumerate() {
            let mut stream = streams.domain("flips").stream(row);
            for a in &mut x {
                let (here, there): (f64, f64) = (p[usize::from(*a)], p[usize::from(1 - *a)]);
                if stream.random_bool(here) {
                    *a = 1 - *a;
                    log_ratio[row] += self.1 * (there / here).ln();
                }
            }
        }
        Ok(Proposed { log_ratio, ..Proposed::symmetric(new) })
    }
}

/// Two lattices side by side at two temperatures.
pub struct Pair(pub [Ising; 2], pub Vec<usize>);

impl Target for Pair {
    fn dims(&self) -> &[usize] {
        &self.1
    }
    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        let half = x.ncols() / 2;
        Ok(self.0[0].log_weight(x.slice(s![.., ..half]))? + self.0[1].log_weight(x.slice(s![.., half..]))?)
    }
    fn initial(&self, _: &mut Stream) -> Option<Array1<u8>> {
        None
    }
}

/// Exchanges the two, with the sign of the ratio.
pub struct Exchanged(pub f64);

impl Move for Exchanged {
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let x = chains.x().to_owned();
        let half = x.ncols() / 2;
        let swapped = concatenate![Axis(1), x.slice(s![.., half..]), x.slice(s![.., ..half])];
        let new = target.log_weight(swapped.view())?;
        for row in 0..chains.len() {
            let ratio = self.0 * (new[row] - chains.log_weight()[row]);
            if streams.domain("exchange").stream(row).random::<f64>() < ratio.exp() {
                chains.replace(row, swapped.row(row), new[row])?;
            }
        }
        Ok(MoveReport::default())
    }
}

/// Flips a spin of each chain by Metropolis' rule, and may say that the weight has not changed.
pub struct Stale(pub bool);

impl Move for Stale {
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let mut x = chains.x().to_owned();
        let mut choices = Vec::new();
        for (row, mut x) in x.outer_iter_mut().enumerate() {
            let mut stream = streams.domain("stale").stream(row);
            let j = stream.random_range(0..x.len());
            x[j] = 1 - x[j];
            choices.push(stream.random::<f64>());
        }
        let new = target.log_weight(x.view())?;
        for (row, u) in choices.into_iter().enumerate() {
            let old = chains.log_weight()[row];
            if u < (new[row] - old).exp() {
                chains.replace(row, x.row(row), if self.0 { old } else { new[row] })?;
            }
        }
        Ok(MoveReport::default())
    }
}

/// From whom walkers learn their proposals.
#[derive(Clone, Copy, PartialEq)]
pub enum Whose {
    /// The other walker of a pair, held fixed meanwhile: the law of the pair stays as it is.
    Others,
    /// From their own present state, as if what is learned were fixed: a planted fault.
    Own,
}

/// Walkers in pairs. Each proposes new states of four sites at a random place, drawn from a law of independent
/// sites learned from a walker's present state, `q_j(a) = 0.7` for the state that it has there, with the ratio
/// `q(x)/q(x')` of that one law.
pub struct Walkers(pub Whose);

impl Move for Walkers {
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        const P: f64 = 0.7;
        for turn in 0..2 {
            let x = chains.x().to_owned();
            let (mut new, mut log_ratio) = (x.clone(), Array1::<f64>::zeros(x.nrows()));
            let mut choices = vec![0.0; x.nrows()];
            for row in (turn..x.nrows()).step_by(2) {
                let other = if (row ^ 1) < x.nrows() { row ^ 1 } else { row - 1 };
                let learned = x.row(if self.0 == Whose::Own { row } else { other });
                let mut stream = streams.domain("walkers").step(turn as u64).stream(row);
                let log_q = |a: u8, j: usize| if a == learned[j] { P.ln() } else { (1.0 - P).ln() };
                let first = stream.random_range(0..x.ncols());
                for j in (first..first + 4).map(|j| j % x.ncols()) {
                    new[[row, j]] = if stream.random_bool(P) { learned[j] } else { 1 - learned[j] };
                    log_ratio[row] += log_q(x[[row, j]], j) - log_q(new[[row, j]], j);
                }
                choices[row] = stream.random::<f64>();
            }
            let weight = target.log_weight(new.view())?;
            for row in (turn..x.nrows()).step_by(2) {
                if choices[row] < (weight[row] - chains.log_weight()[row] + log_ratio[row]).exp() {
                    chains.replace(row, new.row(row), weight[row])?;
                }
            }
        }
        Ok(MoveReport::default())
    }
}
