//! Connected moves with boundary states in the fields of the noisy configuration: tuning, and the table of `--moves`.

use cpu_time::ProcessTime;
use ndarray::Array2;
use tensorjump::lattice::square::BoundaryMps;
use tensorjump::mcmc::{Chains, TuneOptions, TunedConnected, tune_connected};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Result, Streams};

use crate::common::output::print;
use crate::common::table::{number, render};
use crate::common::{Failure, options};
use crate::measure::Plan;
use crate::options::{CONNECTED_CHI, Options};
use crate::system::{OBSERVABLES, System};

/// Noise times of the table: those of the literature.
const TIMES: [f64; 3] = [0.2, 0.5, 1.0];
/// Chains and updates behind each row of the table.
const CHAINS: usize = 64;
const UPDATES: usize = 20;
/// Bond dimension of the draws from which chains start.
const START_CHI: usize = 8;

/// Jumps to each other state at rate one.
pub fn noise(system: &System) -> Result<Noise> {
    let (sites, states) = (system.lattice().sites(), system.states());
    Ok(Noise::new(Rates::uniform(&vec![states; sites], states as f64)?, Schedule::constant(1.0)?))
}

/// Tries moves on chains that start in equilibrium but for the truncation at χ = 8.
fn measured(system: &System, chis: &[usize], chains: usize, options: &TuneOptions) -> Result<TunedConnected> {
    let models = chis.iter().map(|&chi| system.proposal(chi)).collect::<Result<Vec<BoundaryMps>>>()?;
    let laws: Vec<&dyn Model> = models.iter().map(|model| model as &dyn Model).collect();
    let start = system.proposal(START_CHI)?.draw(chains, &Streams::new(options.seed).domain("start"))?;
    let mut chains = Chains::new(system.target(), start.samples.x)?;
    let observe = |x: Configs<'_>| {
        // Of the magnetisation its size: its sign is a symmetry, not a slow mode.
        let all = system.observe(x).unwrap_or_else(|_| Array2::from_elem((x.nrows(), OBSERVABLES), f64::NAN));
        Array2::from_shape_fn((x.nrows(), 2), |(i, k)| all[[i, 2 * k]].abs())
    };
    let mut clock = || ProcessTime::now().as_duration().as_secs_f64();
    tune_connected(system.target(), &laws, &noise(system)?, options, &mut chains, &observe, &mut clock)
}

/// Noise time, bond dimension (of 2 and 4, unless one was given) and number of inner draws; and the bond dimensions tried.
pub fn tune(system: &System, plan: &Plan) -> Result<(TunedConnected, Vec<usize>)> {
    let chis = plan.given_chi.map_or(vec![CONNECTED_CHI, 2 * CONNECTED_CHI], |chi| vec![chi]);
    let options = TuneOptions { updates: 8, seed: plan.seed, ..TuneOptions::default() };
    Ok((measured(system, &chis, crate::measure::CHAINS, &options)?, chis))
}

/// The trials, `model` standing for the bond dimension.
pub fn table(tuned: &TunedConnected) -> String {
    let header = ["T", "χ", "draws", "acceptance", "squared jump", "CPU ms", "jump/s"];
    let row = |(i, t): (usize, &tensorjump::mcmc::Trial)| {
        vec![
            format!("{}{}", number(t.time, 2), if i == tuned.best { " *" } else { "" }),
            t.model.to_string(),
            t.draws.to_string(),
            number(t.acceptance, 4),
            number(t.squared_jump, 3),
            number(1e3 * t.seconds, 3),
            number(t.rate, 3),
        ]
    };
    render(&header, &tuned.trials.iter().enumerate().map(row).collect::<Vec<_>>())
        + "T: noise time; draws: proposals for each noisy configuration; squared jump of the slower of E and |m|, 1 for an independent configuration; \
           CPU ms\nan update of one chain; * chosen for the largest jump a second.\n"
}

/// The table of `--moves`.
pub fn run(system: &System, o: &Options) -> std::result::Result<(), Failure> {
    options::set_threads(Some(1))?;
    let chis = [o.chi.unwrap_or(CONNECTED_CHI)];
    options::positive("chi", chis[0])?;
    let options = TuneOptions { times: TIMES.to_vec(), draws: vec![1, 4], updates: UPDATES, seed: o.seed };
    let mut tuned = measured(system, &chis, CHAINS, &options)?;
    tuned.trials.iter_mut().for_each(|trial| trial.model = chis[trial.model]);
    let text = if o.json {
        let row = |t: &tensorjump::mcmc::Trial| {
            serde_json::json!({
                "noise_time": t.time, "chi": t.model, "draws": t.draws, "acceptance": t.acceptance,
                "squared_jump": t.squared_jump, "milliseconds": 1e3 * t.seconds,
            })
        };
        let rows: Vec<_> = tuned.trials.iter().map(row).collect();
        serde_json::to_string_pretty(&serde_json::json!({ "rows": rows, "best": tuned.best }))? + "\n"
    } else {
        let proposals = CHAINS * UPDATES;
        format!("{}, {CHAINS} chains, {proposals} noisy configurations a row, one thread\n\n", system.name())
            + &table(&tuned)
    };
    print(&text)
}
