//! Populations and walkers that learn: population annealing as exact draws by rejection, and walkers that
//! propose what they learned from other walkers, or from themselves, which is wrong.

use std::sync::Arc;

use ndarray::{Array1, Array2, Axis, s, stack};
use rand::{Rng, RngExt};
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, SpinSweep, Square};
use tensorjump::mcmc::{Annealing, Chains, Level, Move, MoveReport};
use tensorjump::{Configs, Model, Result, Samples, Streams, Target};

use crate::cases::{Case, Named, Starts};
use crate::planted::{Walkers, Whose};

const SIDE: usize = 6;

/// The coldest level of the populations.
pub const BETA: f64 = 0.7;

pub fn glass(beta: f64) -> Result<Ising> {
    Ising::new(Couplings::plus_minus(Square::new(SIDE, SIDE, Geometry::Open)?, 7), beta)
}

pub fn case() -> Result<Case> {
    let ising = glass(BETA)?;
    let law = BoundaryMps::new(&ising, 32)?;
    let moves: Vec<Named> = vec![
        ("population annealing", false, Box::new(Annealed::new(0.5, true)?)),
        ("the same, resampled at each level", false, Box::new(Annealed::new(1.0, true)?)),
        ("walkers that learn from others", false, Box::new(Walkers(Whose::Others))),
    ];
    let target = ising.clone();
    Ok(Case {
        name: "±J, populations",
        target: Arc::new(target.clone()),
        starts: Starts::accepted(law, Arc::new(target))?,
        observe: Box::new(move |x| observe(&ising, x)),
        moves,
    })
}

pub fn observe(ising: &Ising, x: Configs<'_>) -> Result<Array2<f64>> {
    let corner = x.outer_iter().map(|x| f64::from(u8::from(x[0] == x[SIDE + 1])));
    Ok(stack![Axis(1), ising.energy(x)?, ising.magnetisation(x)?, corner.collect::<Array1<f64>>()])
}

/// A population of [`Annealed::SIZE`] has an unbiased mean weight `Ŵ`, and `E Ŵ f(x) = Z π(f)` for `x` picked
/// by weight: accepted with probability `Ŵ/M`, `x` is an exact draw of the last target, as long as no mean
/// weight is above `M`. Each chain is replaced by such a draw. Where the weights are forgotten, any member
/// of any population is taken.
pub struct Annealed {
    annealing: Annealing<Ising, SpinSweep>,
    law: BoundaryMps,
    log_bound: f64,
    weighed: bool,
}

impl Annealed {
    const SIZE: usize = 6;

    pub fn new(threshold: f64, weighed: bool) -> Result<Self> {
        let level = |beta: f64| {
            let target = glass(beta)?;
            Ok(Level { parameter: beta, dynamics: SpinSweep::heat_bath(&target)?, target })
        };
        let levels = [0.35, 0.45, 0.57, BETA].map(level).into_iter().collect::<Result<_>>()?;
        let annealing = Annealing::new(levels)?.resample_below(threshold)?;
        let law = BoundaryMps::new(&glass(0.35)?, 16)?;
        let mut annealed = Annealed { annealing, law, log_bound: 0.0, weighed };
        // Thrice the largest mean weight of 4000 populations; one that is above all the same is an error.
        let weights = annealed.populations(4000, &Streams::new(0).domain("bound"))?;
        annealed.log_bound = weights.iter().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max) + 3f64.ln();
        Ok(annealed)
    }

    /// Mean weight and a configuration picked by weight, of `n` populations.
    fn populations(&self, n: usize, streams: &Streams) -> Result<Vec<(f64, Array1<u8>)>> {
        let draws = self.law.draw(n * Self::SIZE, streams)?;
        let mut stream = streams.domain("pick").stream(0);
        let one = |k: usize| {
            let own = s![k * Self::SIZE..(k + 1) * Self::SIZE, ..];
            let log_prob = draws.log_prob.slice(s![k * Self::SIZE..(k + 1) * Self::SIZE]).to_owned();
            let population =
                self.annealing.run(Samples { x: draws.x.slice(own).to_owned(), log_prob }, stream.next_u64())?;
            let most = population.log_weight.fold(f64::NEG_INFINITY, |m, &w| m.max(w));
            let w = population.log_weight.mapv(|w| if self.weighed { (w - most).exp() } else { 1.0 });
            let mut left = stream.random::<f64>() * w.sum();
            let picked = w.iter().position(|w| {
                left -= w;
                left < 0.0
            });
            Ok((population.log_z(), population.x.row(picked.unwrap_or(Self::SIZE - 1)).to_owned()))
        };
        (0..n).map(one).collect()
    }
}

impl Move for Annealed {
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let mut accept = streams.domain("accept").stream(0);
        let (mut row, mut round) = (0, 0);
        while row < chains.len() {
            for (log_mean, x) in self.populations(chains.len() - row + 16, &streams.domain("annealed").step(round))? {
                if log_mean > self.log_bound {
                    let message = format!("{log_mean} of a population is above {}", self.log_bound);
                    return Err(tensorjump::Error::callable("log_bound", message));
                }
                let accepted = !self.weighed || accept.random::<f64>() < (log_mean - self.log_bound).exp();
                if row < chains.len() && accepted {
                    let log_weight = target.log_weight(x.view().insert_axis(Axis(0)))?[0];
                    chains.replace(row, x.view(), log_weight)?;
                    row += 1;
                }
            }
            round += 1;
        }
        Ok(MoveReport::default())
    }
}
