//! A law learned from samples, stopped, taken up again, saved, loaded, and put to use as a proposal:
//! `cargo run --release --example learn_and_resume`.

use std::ops::ControlFlow;

use tensorjump::io::{Checkpoint, Interval};
use tensorjump::learn::{BornOptions, Data, Training};
use tensorjump::mcmc::WeightSummary;
use tensorjump::model::{BornMps, Boundary, PositiveMps};
use tensorjump::prelude::*;

const SITES: usize = 24;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let truth = PositiveMps::ising(0.6, &[1.0; SITES], &[0.0; SITES], Boundary::Ring)?;
    let data = Data::new(truth.draw(10_000, &Streams::new(1))?.x, truth.dims())?;

    let folder = std::env::temp_dir().join(format!("tensorjump learn {}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let checkpoint = Some(Checkpoint { path: folder.join("state.safetensors"), every: Interval::Steps(1) });
    let training = Training { rounds: 20, checkpoint, ..Training::default() };
    let options = BornOptions { training, ..BornOptions::default() };

    // The callback may stop the fit at any round; what has been learned is in the checkpoint.
    let fit = options.fit_with_progress(&data, |event| {
        println!("round {:2}: NLL {:.4}, bond {}", event.index, event.round.score(), event.round.max_bond());
        if event.index == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    println!("stopped: {:?} after {} rounds", fit.stopped, fit.history.rounds.len());
    // The same call again goes on where the checkpoint stands, bit for bit.
    let fit = options.fit(&data)?;
    println!("ended: {:?} after {} rounds, best {}", fit.stopped, fit.history.rounds.len(), fit.best);

    let path = folder.join("model.safetensors");
    fit.model.write(&path)?;
    let model = BornMps::read(&path)?;

    // Draws of the learned law, weighed against the truth: how good a proposal it is.
    let draws = model.draw(20_000, &Streams::new(2))?;
    let summary = WeightSummary::of(draws.log_importance_weights(&truth)?.view())?;
    println!(
        "effective fraction of the draws {:.4}, largest over the mean e^{:.2}",
        summary.fraction, summary.max_log_relative
    );
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
