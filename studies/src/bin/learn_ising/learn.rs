//! One model: stages, learning, and what is measured of the result.

use std::ops::ControlFlow;
use std::time::Instant;

use cpu_time::ProcessTime;
use serde::Serialize;
use tensorjump::lattice::{Couplings, Geometry, Ising, SnakeMps, SpinSweep, Square, Wolff};
use tensorjump::learn::{LoopOptions, LoopRound, Stage, Symmetry};
use tensorjump::mcmc::{Assessment, Cycle, Move};
use tensorjump::model::{BornMps, Permuted};
use tensorjump::{Streams, Target};

use tensorjump_studies::Failure;

/// Independent draws by which the final model is measured.
const MEASURED: usize = 100_000;

/// How much is spent on a model.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Draws of the model a round, where not by size and bond.
    pub draws: Option<usize>,
    /// Rounds of steps of all sites at β with all bonds, likewise.
    pub rounds: Option<usize>,
    pub seed: u64,
    pub verbose: bool,
}

/// The report of `--json`; what is not a finite number is null.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub rows: usize,
    pub cols: usize,
    pub beta: f64,
    pub chi: usize,
    pub acceptance: f64,
    pub acceptance_stderr: f64,
    /// Of the optimal truncation, where asked for.
    pub optimal_acceptance: Option<f64>,
    pub importance_ess_fraction: f64,
    pub max_log_weight: f64,
    pub kl_per_site: f64,
    pub log_z: f64,
    pub log_z_stderr: f64,
    pub chain_acceptance: f64,
    pub rounds: usize,
    pub seconds: f64,
    pub cpu_seconds: f64,
}

impl Report {
    pub fn text(&self) -> String {
        let optimal = self.optimal_acceptance.map_or(String::new(), |a| format!("optimal truncation: {a:.4}\n"));
        format!(
            "{optimal}cylinder of {} rows and {} columns, β = {:.6}, χ = {}\n\
             acceptance of the disconnected move  {:.4} ± {:.4}  (last round of the chains: {:.4})\n\
             importance ESS/n                     {:.4}\n\
             largest log w/w̄                      {:.2}\n\
             KL(P‖π) per site                     {:.2e} nats\n\
             log Z                                {:.5} ± {:.5}\n\
             {} rounds, {:.0} s of wall clock, {:.0} s of CPU time\n",
            self.rows,
            self.cols,
            self.beta,
            self.chi,
            self.acceptance,
            self.acceptance_stderr,
            self.chain_acceptance,
            self.importance_ess_fraction,
            self.max_log_weight,
            self.kl_per_site,
            self.log_z,
            self.log_z_stderr,
            self.rounds,
            self.seconds,
            self.cpu_seconds,
        )
    }
}

/// `β_c = ln(1 + √2)/2`.
pub fn critical() -> f64 {
    (1.0 + 2f64.sqrt()).ln() / 2.0
}

/// The ferromagnet with J = 1 on a cylinder.
pub fn cylinder(rows: usize, cols: usize, beta: f64) -> Result<Ising, Failure> {
    Ok(Ising::new(Couplings::uniform(Square::new(rows, cols, Geometry::Cylinder)?, 1.0)?, beta)?)
}

/// Spin flip, reflections, and translations by powers of two along the ring: applied with probability ½ each
/// they are every symmetry with nearly the same probability (exactly, for a circumference that is a power of
/// two).
fn symmetries(square: Square) -> Result<Vec<Symmetry>, Failure> {
    let (rows, cols) = (square.rows(), square.cols());
    let moved = |f: &dyn Fn(usize, usize) -> (usize, usize)| {
        let from = (0..square.sites()).map(|j| {
            let (r, c) = square.place(j);
            let (r, c) = f(r, c);
            square.site(r, c)
        });
        Symmetry::sites(from.collect())
    };
    let mut all = vec![moved(&|r, c| (r, c))?.with_states(vec![vec![1, 0]; square.sites()])?];
    all.push(moved(&|r, c| (rows - 1 - r, c))?);
    all.push(moved(&|r, c| (r, cols - 1 - c))?);
    let mut shift = 1;
    while shift < cols {
        all.push(moved(&|r, c| (r, (c + shift) % cols))?);
        shift *= 2;
    }
    Ok(all)
}

/// A heat-bath sweep and, for ferromagnets, a Wolff cluster.
fn local(ising: &Ising) -> Result<Box<dyn Move>, Failure> {
    let sweep = SpinSweep::heat_bath(ising)?.with_sweeps(2)?;
    Ok(match Wolff::new(ising) {
        Ok(wolff) => Box::new(Cycle::new(vec![Box::new(sweep), Box::new(wolff)])?),
        Err(_) => Box::new(sweep),
    })
}

/// Draws a round: several for each of the `sites χ²` numbers that matter, as far as time and memory for their
/// environments allow; more rounds where they are fewer.
fn defaults(sites: usize, chi: usize) -> (usize, usize) {
    let numbers = sites * chi * chi;
    let draws = (4 * numbers).clamp(1 << 17, 1 << 18).min((1 << 31) / (sites * chi)).max(1024);
    (draws, (20 * numbers).div_ceil(1 << 18).clamp(20, 60))
}

/// Learns a model of `ising` and measures it.
pub fn learn(ising: &Ising, chi: usize, budget: &Budget) -> Result<(Report, Permuted<BornMps>), Failure> {
    let (clock, cpu) = (Instant::now(), ProcessTime::now());
    let square = ising.lattice();
    let warm = cylinder(square.rows(), square.cols(), 0.8 * ising.beta())?;
    let (warm_move, own_move) = (local(&warm)?, local(ising)?);
    // Two-site sweeps make bonds grow, steps of all sites find the best law of these bonds.
    let stage = |target, local, max_bond, rounds, polish| Stage {
        target,
        local,
        max_bond,
        rounds,
        polish,
        rate: 0.4,
        enough: (0.999, 0.999),
    };
    let (draws, rounds) = defaults(square.sites(), chi);
    let (draws, rounds, updates) = (budget.draws.unwrap_or(draws), budget.rounds.unwrap_or(rounds), 4);
    let stages = [
        stage(&warm as &dyn Target, warm_move.as_ref(), chi.div_ceil(4), 3, 0),
        stage(ising, own_move.as_ref(), chi.div_ceil(2), 1, 6),
        stage(ising, own_move.as_ref(), chi, 1, rounds),
    ];
    let options = LoopOptions {
        order: Some(square.snake()),
        draws,
        chains: (draws / 4 / updates).max(1),
        updates,
        warm_up: 20,
        first: (8, 6),
        symmetries: symmetries(square)?,
        keep: 0.25,
        significance: 0.03,
        seed: budget.seed,
        ..LoopOptions::default()
    };
    let learned = options.learn_with_progress(&stages, |round| {
        if budget.verbose {
            tell(round, cpu.elapsed().as_secs_f64());
        }
        ControlFlow::Continue(())
    })?;
    let found = Assessment::of(ising, &learned.model, MEASURED, &Streams::new(budget.seed).domain("measure"))?;
    let chains = learned.rounds.last().and_then(|round| round.chains.parts.first()).map(|part| part.acceptance());
    let report = Report {
        rows: square.rows(),
        cols: square.cols(),
        beta: ising.beta(),
        chi,
        acceptance: found.acceptance.mean,
        acceptance_stderr: found.acceptance.error,
        optimal_acceptance: None,
        importance_ess_fraction: found.ess_fraction,
        max_log_weight: found.max_log_weight,
        kl_per_site: found.kl() / square.sites() as f64,
        log_z: found.log_z.mean,
        log_z_stderr: found.log_z.error,
        chain_acceptance: chains.unwrap_or(f64::NAN),
        rounds: learned.rounds.len(),
        seconds: clock.elapsed().as_secs_f64(),
        cpu_seconds: cpu.elapsed().as_secs_f64(),
    };
    Ok((report, learned.model))
}

/// The optimal truncation of the same amplitude, measured alike.
pub fn optimal(ising: &Ising, chi: usize, seed: u64) -> Result<Assessment, Failure> {
    Ok(Assessment::of(ising, &SnakeMps::new(ising, chi)?, MEASURED, &Streams::new(seed).domain("optimal"))?)
}

fn tell(round: &LoopRound, cpu: f64) {
    let bond = round.bonds.iter().copied().max().unwrap_or(1);
    eprintln!(
        "{} {:2}  χ {bond:3}  rate {:.3}  acceptance {:.4}  ESS {:.4}  KL {:.4} / {:.4}  chains {:.3}  τ {:.1}  cut {:.1e}  {cpu:.1} s",
        round.stage,
        round.round,
        round.rate,
        round.model.acceptance.mean,
        round.model.ess_fraction,
        round.model.kl(),
        round.kl_chains,
        round.chains.parts.first().map_or(f64::NAN, |part| part.acceptance()),
        round.autocorrelation.tau,
        round.truncation_error,
    );
}
