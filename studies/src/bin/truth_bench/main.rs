//! Samplers of discrete diffusion on laws that are known: what the sampler is wrong by, and what the denoiser
//! is wrong by, apart.
//!
//! ```text
//! # every sampler with every denoiser on one small law: nothing is estimated
//! cargo run --release -p tensorjump-studies --bin truth_bench -- --law ring --noise uniform
//! # a law of your own (written by PositiveMps::write, BornMps::write)
//! cargo run --release -p tensorjump-studies --bin truth_bench -- --law file --mps FILE
//! # 27 letters, 128 sites: the protocol of arXiv 2602.19619, and what it does not see
//! cargo run --release -p tensorjump-studies --bin truth_bench -- --part letters
//! cargo run --release -p tensorjump-studies --bin truth_bench -- --part blind
//! # orders of convergence with exact rates; guided laws by particles
//! cargo run --release -p tensorjump-studies --bin truth_bench -- --part orders
//! cargo run --release -p tensorjump-studies --bin truth_bench -- --part particles
//! ```
//!
//! A denoiser of your own is one more line in `denoisers::all`.

mod blind;
mod denoisers;
mod exact;
mod laws;
mod letters;
mod orders;
mod particles;
mod pictures;
mod samplers;
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use laws::{Kind, Law, System};
use letters::Letters;
use tensorjump_studies::output::finish;
use tensorjump_studies::{Failure, choices, options, progress};

choices! {
    /// What is measured.
    pub enum Part {
        /// samplers and denoisers on one small law, by enumeration
        Table = "table",
        /// a chain of 27 letters, from draws
        Letters = "letters",
        /// letters with a hidden topic: right pairs, wrong distance
        Blind = "blind",
        /// orders of convergence with exact rates
        Orders = "orders",
        /// guided laws by weighted particles
        Particles = "particles",
    }
}

options! {
    /// Samplers of discrete diffusion on laws that are known
    struct Options [seed, threads, json, out "out/truth_bench"] {
        /// What is measured
        part: Part,
        /// Law of the table
        law: Law,
        /// Noise of the table
        noise: Kind,
        /// Law of the table, a safetensors file of a Born or a positive law (default: none)
        mps: Option<PathBuf>,
        /// Numbers of steps of table and letters (default: 4,8,16,32,64; of letters 8,32,128)
        steps: Option<Vec<usize>>,
        /// Letters in a row
        sites: usize = 128,
        /// Samples of letters; runs of particles are a tenth
        samples: usize = 1000,
        /// Only the smaller laws of the orders, fewer particles
        quick: bool,
    }
}

fn main() -> ExitCode {
    tensorjump_studies::exit(run())
}

/// What a part found: the text, the record, the pictures.
type Found = (String, Value, Vec<(&'static str, String)>);

fn run() -> Result<(), Failure> {
    let mut o: Options = options::parse()?;
    options::set_threads(o.threads)?;
    let foreign: &[&str] = match o.part {
        Part::Table => &["sites", "samples", "quick"],
        Part::Letters => &["law", "noise", "mps", "quick"],
        Part::Blind => &["law", "noise", "mps", "quick", "steps"],
        Part::Orders => &["law", "noise", "mps", "steps", "sites", "samples"],
        Part::Particles => &["law", "noise", "mps", "steps", "sites"],
    };
    options::refuse(&mut o, foreign, "does not apply to this part")?;
    if o.mps.is_some() && o.law != Law::File {
        return Err("--mps: needs --law file".into());
    }
    if let Some(steps) = o.steps.iter().flatten().find(|k| !(4..=4096).contains(*k)) {
        return Err(format!("--steps {steps}: between 4 and 4096").into());
    }
    if !(4..=4096).contains(&o.sites) {
        return Err(format!("--sites {}: between 4 and 4096", o.sites).into());
    }
    if !(20..=1_000_000).contains(&o.samples) {
        return Err(format!("--samples {}: between 20 and 1000000", o.samples).into());
    }
    let folder = o.out.open(o.json)?;
    let (text, report, files) = match o.part {
        Part::Table => run_table(&o)?,
        Part::Letters => run_letters(&o)?,
        Part::Blind => run_blind(&o)?,
        Part::Orders => run_orders(&o)?,
        Part::Particles => run_particles(&o)?,
    };
    let text = if o.json { options::json(&o, &report)? } else { text };
    finish(&text, folder.as_ref(), || Ok(files))
}

fn steps_of(o: &Options, default: &[usize]) -> Vec<usize> {
    let mut steps = o.steps.clone().unwrap_or_else(|| default.to_vec());
    steps.sort_unstable();
    steps.dedup();
    steps
}

fn run_table(o: &Options) -> Result<Found, Failure> {
    let system = System::new(o.law, o.noise, o.mps.as_deref())?;
    let (rows, gaps, left_out) = exact::measure(&system, &steps_of(o, &[4, 8, 16, 32, 64]), o.seed)?;
    let text = tables::exact(&rows, &gaps, &left_out);
    let files = pictures::of_table(&rows)?;
    Ok((text, json!({ "exact": rows, "nelbo": gaps, "left_out": left_out }), files))
}

fn run_letters(o: &Options) -> Result<Found, Failure> {
    let bench = Letters::new(o.sites, o.samples, o.seed)?;
    let steps: Vec<usize> = steps_of(o, &[8, 32, 128]).into_iter().filter(|&k| k <= o.sites).collect();
    let (sequential, schedules) = (bench.sequential(o.seed)?, bench.schedules(&steps)?);
    let bar = progress::bar(Letters::parts(&steps));
    let rows = bench.measure(&steps, &mut || bar.inc(1))?;
    bar.finish_and_clear();
    let text = tables::letters(&rows, &schedules, &sequential, bench.entropy_rate());
    let report = json!({
        "estimated": rows, "exact_schedules": schedules, "sequential": sequential, "entropy_rate": bench.entropy_rate(),
    });
    Ok((text, report, pictures::of_letters(&rows)?))
}

fn run_blind(o: &Options) -> Result<Found, Failure> {
    let found = blind::measure(o.sites, o.samples, o.seed)?;
    Ok((tables::blind(&found), json!({ "blind": found }), pictures::of_blind(&found)?))
}

fn run_orders(o: &Options) -> Result<Found, Failure> {
    let bar = progress::bar(orders::laws(o.quick));
    let lines = orders::measure(o.seed, o.quick, &mut || bar.inc(1))?;
    bar.finish_and_clear();
    Ok((tables::orders(&lines), json!({ "orders": lines }), vec![]))
}

fn run_particles(o: &Options) -> Result<Found, Failure> {
    let most = if o.quick { 1024 } else { usize::MAX };
    let bar = progress::bar(particles::PARTS);
    let lines = particles::measure((o.samples / 10).max(2), most, o.seed, &mut || bar.inc(1))?;
    bar.finish_and_clear();
    Ok((tables::particles(&lines), json!({ "particles": lines }), vec![]))
}
