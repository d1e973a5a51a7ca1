//! Connected moves with boundary states in the fields of the noisy configuration: tuning.

use cpu_time::ProcessTime;
use ndarray::Array2;
use tensorjump::lattice::BoundaryMps;
use tensorjump::mcmc::{Chains, TuneOptions, TunedConnected};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Result, Streams};

use crate::common::ising::measure::{CONNECTED_CHI, Plan};
use crate::common::ising::system::System;
use crate::common::table::{number, render};

/// Bond dimension of the draws from which chains start.
const START_CHI: usize = 8;

/// Jumps to each other state at rate one.
pub fn noise(system: &System) -> Result<Noise> {
    let (sites, states) = (system.lattice().sites(), system.states());
    Ok(Noise::new(Rates::uniform(&vec![states; sites], states as f64)?, Schedule::constant(1.0)?))
}

/// Tries moves on chains that start in equilibrium but for the truncation at χ = 8.
pub fn measured(system: &System, chis: &[usize], chains: usize, options: &TuneOptions) -> Result<TunedConnected> {
    let models =
        chis.iter().map(|&chi| BoundaryMps::proposal(system.model(), chi)).collect::<Result<Vec<BoundaryMps>>>()?;
    let laws: Vec<&dyn Model> = models.iter().map(|model| model as &dyn Model).collect();
    let start =
        BoundaryMps::proposal(system.model(), START_CHI)?.draw(chains, &Streams::new(options.seed).domain("start"))?;
    let mut chains = Chains::new(system.model(), start.x)?;
    let observe = |x: Configs<'_>| {
        // Of the magnetisation its size: its sign is a symmetry, not a slow mode.
        let all = system.observe(x)?;
        Ok(Array2::from_shape_fn((x.nrows(), 2), |(i, k)| all[[i, 2 * k]].abs()))
    };
    let clock = || ProcessTime::now().as_duration().as_secs_f64();
    options.tune(system.model(), &laws, &noise(system)?, &mut chains, observe, clock)
}

/// Noise time, bond dimension (of 2 and 4, unless one was given) and number of inner draws; and the bond
/// dimensions tried.
pub fn tune(system: &System, plan: &Plan) -> Result<(TunedConnected, Vec<usize>)> {
    let chis = plan.given_chi.map_or(vec![CONNECTED_CHI, 2 * CONNECTED_CHI], |chi| vec![chi]);
    let options = TuneOptions { updates: 8, seed: plan.seed, ..TuneOptions::default() };
    Ok((measured(system, &chis, crate::common::ising::measure::CHAINS, &options)?, chis))
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
