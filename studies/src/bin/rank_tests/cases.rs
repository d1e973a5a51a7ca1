//! Targets with exact starts, and the moves that are tested on each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{layers, walkers};
use ndarray::{Array1, Array2, ArrayView1, Axis, concatenate, s, stack};
use rand::{Rng, RngExt};
use tensorjump::lattice::{
    Bond, BoundaryMps, Couplings, Fredkin, FredkinModel, Geometry, Ising, PairModel, SiteHeatBath, SpinSweep, Square,
    SwendsenWang, Windows, Wolff,
};
use tensorjump::mcmc::{
    Chains, Connected, Cycle, Disconnected, EachChain, Exchange, InnerDraws, Level, Local, MetropolisHastings, Mixture,
    Move, MoveReport, Proposal, Repeat, SingleSite, Tempering,
};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Result, Samples, Stream, Streams, Target};

/// A move by name, and whether it is reversible.
pub type Named = (&'static str, bool, Box<dyn Move>);

/// Observables, shape `(samples, observables)`.
pub type Observe = Box<dyn Fn(Configs<'_>) -> Result<Array2<f64>>>;

/// So many configurations.
type Draw = Box<dyn Fn(usize, &Streams) -> Result<Array2<u8>> + Send + Sync>;

/// A target with its moves.
pub struct Case {
    pub name: &'static str,
    pub target: Arc<dyn Target>,
    pub starts: Starts,
    pub observe: Observe,
    pub moves: Vec<Named>,
}

/// Exact draws.
pub struct Starts {
    draw: Draw,
    /// Of the draws that are accepted or not, from the law: zero where all are.
    pub total_variation: f64,
    above: Arc<AtomicUsize>,
}

impl Starts {
    pub fn draw(&self, n: usize, streams: &Streams) -> Result<Array2<u8>> {
        (self.draw)(n, streams)
    }

    /// Draws so far whose weight was above the bound.
    pub fn above(&self) -> usize {
        self.above.load(Ordering::Relaxed)
    }

    /// The same draws as something else.
    pub fn mapped(self, map: fn(Array2<u8>) -> Array2<u8>) -> Self {
        let draw = self.draw;
        Starts { draw: Box::new(move |n, streams| Ok(map(draw(n, streams)?))), ..self }
    }

    /// Draws of a law that is the target's.
    fn exact(law: impl Model + 'static) -> Self {
        let draw = move |n: usize, streams: &Streams| Ok(law.draw(n, streams)?.x);
        Starts { draw: Box::new(draw), total_variation: 0.0, above: Arc::default() }
    }

    /// Draws of a law that is nearly the target's, accepted in proportion to their weights.
    pub fn accepted(law: BoundaryMps, target: Arc<dyn Target>) -> Result<Self> {
        const TRIALS: usize = 4096;
        let trials = law.draw(TRIALS, &Streams::new(0).domain("trials"))?;
        let weights = trials.log_importance_weights(&*target)?;
        let most = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let w = weights.mapv(|w| (w - most).exp());
        let mean = w.mean().unwrap_or(1.0);
        let total_variation = 0.5 * w.mapv(|w| (w / mean - 1.0).abs()).mean().unwrap_or(0.0);
        let (bound, above) = (most + 1.05f64.ln(), Arc::new(AtomicUsize::new(0)));
        let count = above.clone();
        let draw = move |n: usize, streams: &Streams| {
            let mut x = Array2::zeros((0, law.dims().len()));
            for round in 0.. {
                if x.nrows() >= n {
                    break;
                }
                let streams = streams.step(round);
                let samples: Samples = law.draw((n - x.nrows()).max(256), &streams)?;
                let weights = samples.log_importance_weights(&*target)?;
                let mut u = streams.domain("accept").stream(0);
                let keep: Vec<usize> = (0..weights.len())
                    .filter(|&row| {
                        count.fetch_add(usize::from(weights[row] > bound), Ordering::Relaxed);
                        u.random::<f64>() < (weights[row] - bound).exp()
                    })
                    .collect();
                let missing = n - x.nrows();
                let kept = samples.x.select(Axis(0), &keep[..keep.len().min(missing)]);
                x = concatenate![Axis(0), x, kept];
            }
            Ok(x)
        };
        Ok(Starts { draw: Box::new(draw), total_variation, above })
    }
}

/// All targets; small ones are a matter of seconds.
pub fn all(small: bool) -> Result<Vec<Case>> {
    let side = |large: usize, little: usize| if small { little } else { large };
    let mut cases = vec![
        fredkin(side(400, 40))?,
        ferromagnet(side(32, 8))?,
        glass(side(16, 6))?,
        torus(side(16, 6))?,
        potts(side(12, 5))?,
        walkers::case()?,
    ];
    cases.extend(layers::all(side(8, 4))?);
    Ok(cases)
}

fn metropolis<P: Proposal + 'static>(proposal: P) -> Box<dyn Move> {
    Box::new(MetropolisHastings::new(proposal))
}

fn noise(sites: usize, time: f64) -> Result<tensorjump::noise::Kernel> {
    Noise::new(Rates::binary_flip(sites, 1.0, 0.7)?, Schedule::default()).kernel(0.0, time)
}

/// Paths: area, and heights at a quarter and a half.
fn fredkin(sites: usize) -> Result<Case> {
    let chain = Fredkin::new(sites, 0.48)?;
    let law = FredkinModel::new(&chain)?;
    let rough = FredkinModel::truncated(&chain, 24.min(sites / 4))?;
    let connected = |law: &FredkinModel| Connected::new(law.clone(), noise(sites, 0.05)?);
    let (swaps, jumps) = (chain.clone(), chain.clone());
    let swap = move |x: &mut [u8], rng: &mut Stream| {
        let accepted = swaps.metropolis(x, 4 * x.len(), rng)? as usize;
        Ok((4 * x.len(), accepted))
    };
    let jump = move |x: &mut [u8], rng: &mut Stream| {
        let events = jumps.evolve(x, 1.0, rng)? as usize;
        Ok((events, events))
    };
    let moves: Vec<Named> = vec![
        ("local Metropolis", true, Box::new(Local::new(swap))),
        ("jump process", true, Box::new(Local::new(jump))),
        ("disconnected, truncated", true, metropolis(Disconnected::new(rough.clone()))),
        ("connected", true, metropolis(connected(&law)?)),
        ("connected, truncated", true, metropolis(connected(&rough)?)),
        ("inner draws", true, Box::new(InnerDraws::new(connected(&rough)?, 2)?)),
        (
            "exchange of neighbours",
            true,
            Box::new(Repeat::new(MetropolisHastings::new(Exchange::chain(law.dims())?), 32)?),
        ),
    ];
    let of_paths = chain.clone();
    let observe = move |x: Configs<'_>| -> Result<Array2<f64>> {
        let heights = of_paths.heights(x)?.mapv(f64::from);
        Ok(stack![
            Axis(1),
            of_paths.area(x)?.mapv(|area| area as f64),
            heights.column(sites / 4),
            heights.column(sites / 2)
        ])
    };
    Ok(Case {
        name: "Fredkin chain",
        target: Arc::new(chain),
        starts: Starts::exact(law),
        observe: Box::new(observe),
        moves,
    })
}

/// Log-weight, number of sites in state 0, and the last bonds of rows and columns, which close a ring.
fn observe(model: PairModel) -> Observe {
    Box::new(move |x| {
        let lattice = model.lattice();
        let (rows, cols) = (lattice.rows(), lattice.cols());
        let (across, down) = (lattice.horizontal_cols(), lattice.vertical_rows());
        let weight = |bond, a: u8, b: u8| model.bond_log_weights(bond)[[usize::from(a), usize::from(b)]];
        let last = |x: ArrayView1<'_, u8>| -> [f64; 2] {
            let of_row = |r: usize| {
                let ends = (x[r * cols + across - 1], x[r * cols + across % cols]);
                weight(Bond::Horizontal(r * across + across - 1), ends.0, ends.1)
            };
            let of_col = |c: usize| {
                let ends = (x[(down - 1) * cols + c], x[down % rows * cols + c]);
                weight(Bond::Vertical((down - 1) * cols + c), ends.0, ends.1)
            };
            [(0..rows).map(of_row).sum(), (0..cols).map(of_col).sum()]
        };
        let last: Vec<[f64; 2]> = x.outer_iter().map(last).collect();
        let zeros = x.outer_iter().map(|x| x.iter().filter(|a| **a == 0).count() as f64);
        Ok(stack![
            Axis(1),
            model.log_weight(x)?,
            zeros.collect::<Array1<f64>>(),
            last.iter().map(|l| l[0]).collect::<Array1<f64>>(),
            last.iter().map(|l| l[1]).collect::<Array1<f64>>()
        ])
    })
}

fn case(name: &'static str, target: Arc<dyn Target>, law: BoundaryMps, moves: Vec<Named>) -> Result<Case> {
    let observe = observe(law.model().clone());
    Ok(Case { name, starts: Starts::accepted(law, target.clone())?, target, observe, moves })
}

fn single(sites: usize, times: usize) -> Result<Box<dyn Move>> {
    Ok(Box::new(Repeat::new(MetropolisHastings::new(SingleSite::new(&vec![2; sites])?), times)?))
}

fn ferromagnet(side: usize) -> Result<Case> {
    let ising = Ising::new(Couplings::uniform(Square::new(side, side, Geometry::Open)?, 1.0)?, 0.4)?;
    let law = BoundaryMps::new(&ising, 32)?;
    let moves: Vec<Named> = vec![
        ("Metropolis sweep", false, Box::new(SpinSweep::metropolis(&ising)?)),
        ("heat-bath sweep", false, Box::new(SpinSweep::heat_bath(&ising)?)),
        ("site heat bath", false, Box::new(EachChain(SiteHeatBath::new(&ising)?))),
        ("single site", true, single(side * side, 64)?),
        ("Wolff", true, Box::new(Wolff::new(&ising)?)),
        ("Swendsen–Wang", true, Box::new(SwendsenWang::new(&ising)?)),
        ("windows, two at random", false, Box::new(Windows::new(ising.clone(), side / 4, side / 4, 4)?.with_count(2)?)),
        ("windows and flip", false, Box::new(Windows::new(ising.clone(), side / 4, side / 4, 4)?.with_flip()?)),
    ];
    case("Ising, open", Arc::new(ising), law, moves)
}

fn spin_glass(side: usize, geometry: Geometry, beta: f64) -> Result<Ising> {
    Ising::new(Couplings::plus_minus(Square::new(side, side, geometry)?, 5), beta)
}

fn glass(side: usize) -> Result<Case> {
    let ising = spin_glass(side, Geometry::Open, 0.8)?;
    let (law, sites) = (BoundaryMps::new(&ising, 32)?, side * side);
    let rough = Arc::new(BoundaryMps::proposal(&ising, 2)?);
    let connected = || Connected::new(rough.clone(), noise(sites, 0.1)?);
    let pairs: Vec<(usize, usize)> = ising.lattice().bonds().map(|(_, i, j)| (i, j)).collect();
    let exchange = Exchange::new(&vec![2; sites], &pairs)?;
    let proposals = || -> Result<Vec<(f64, Box<dyn Proposal>)>> {
        Ok(vec![(0.5, Box::new(Disconnected::new(rough.clone()))), (0.5, Box::new(connected()?))])
    };
    let parts = || -> Result<Vec<Box<dyn Move>>> {
        Ok(vec![Box::new(SpinSweep::metropolis(&ising)?), metropolis(Disconnected::new(rough.clone()))])
    };
    let moves: Vec<Named> = vec![
        ("heat-bath sweep", false, Box::new(SpinSweep::heat_bath(&ising)?)),
        ("disconnected", true, metropolis(Disconnected::new(rough.clone()))),
        ("connected", true, metropolis(connected()?)),
        ("inner draws", true, Box::new(InnerDraws::new(connected()?, 2)?)),
        ("exchange", true, Box::new(Repeat::new(MetropolisHastings::new(exchange), 64)?)),
        ("mixture of proposals", false, metropolis(Mixture::new(proposals()?)?)),
        ("mixture of moves", false, Box::new(Mixture::new([0.5, 0.5].into_iter().zip(parts()?).collect())?)),
        ("cycle", false, Box::new(Cycle::new(parts()?)?)),
    ];
    case("±J, open", Arc::new(ising), law, moves)
}

/// The torus, and three temperatures of it side by side.
fn torus(side: usize) -> Result<Case> {
    let ising = spin_glass(side, Geometry::Torus, 0.5)?;
    let (law, window) = (BoundaryMps::new(&ising, 16)?, (side / 2, side / 2));
    let rough = BoundaryMps::proposal(&ising, 4)?;
    let moves: Vec<Named> = vec![
        ("Metropolis sweep", false, Box::new(SpinSweep::metropolis(&ising)?)),
        ("heat-bath sweep", false, Box::new(SpinSweep::heat_bath(&ising)?)),
        ("disconnected", true, metropolis(Disconnected::new(rough))),
        ("windows", false, Box::new(Windows::new(ising.clone(), window.0, window.1, 4)?)),
        ("tempering", false, Box::new(Beside::new(&ising)?)),
    ];
    case("±J, torus", Arc::new(ising), law, moves)
}

fn potts(side: usize) -> Result<Case> {
    let couplings = Couplings::uniform(Square::new(side, side, Geometry::Torus)?, 1.0)?;
    let potts = PairModel::potts(&couplings, 3, 0.9)?;
    let law = BoundaryMps::new(&potts, 24)?;
    let moves: Vec<Named> = vec![
        ("Swendsen–Wang", true, Box::new(SwendsenWang::new(&potts)?)),
        ("site heat bath", false, Box::new(EachChain(SiteHeatBath::new(&potts)?))),
        ("disconnected", true, metropolis(Disconnected::new(BoundaryMps::proposal(&potts, 8)?))),
        ("windows", false, Box::new(Windows::new(potts.clone(), side / 2, side / 2, 4)?)),
    ];
    case("Potts q = 3, torus", Arc::new(potts), law, moves)
}

/// Two updates of a ladder of three temperatures, the chain at the first of them; the others are drawn exactly
/// at the start of each update, so that the whole leaves the law of the first one invariant.
struct Beside {
    tempering: Tempering<Ising, SpinSweep>,
    others: Vec<Starts>,
}

impl Beside {
    fn new(first: &Ising) -> Result<Self> {
        let levels = [1.0, 1.1, 1.2].map(|factor| {
            let target = Ising::new(first.couplings().clone(), factor * first.beta())?;
            Ok(Level { parameter: target.beta(), dynamics: SpinSweep::heat_bath(&target)?, target })
        });
        let levels: Vec<Level<Ising, SpinSweep>> = levels.into_iter().collect::<Result<_>>()?;
        let others = levels[1..].iter().map(|level| {
            let target: Arc<dyn Target> = Arc::new(level.target.clone());
            Starts::accepted(BoundaryMps::new(&level.target, 16)?, target)
        });
        let others = others.collect::<Result<_>>()?;
        Ok(Beside { tempering: Tempering::new(levels)?.proportional()?, others })
    }
}

impl Move for Beside {
    fn update(&self, chains: &mut Chains, _: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let copies = chains.len();
        let mut x = vec![chains.x().to_owned()];
        for (k, starts) in self.others.iter().enumerate() {
            x.push(starts.draw(copies, &streams.domain("others").step(k as u64))?);
        }
        let mut replicas = self.tempering.start_at(x, streams.domain("ladder").stream(0).next_u64())?;
        self.tempering.advance(&mut replicas, 2)?;
        let (x, log_weight) = (replicas.level(0)?, replicas.log_weight(0)?);
        for row in 0..copies {
            chains.replace(row, x.slice(s![row, ..]), log_weight[row])?;
        }
        Ok(MoveReport::default())
    }
}
