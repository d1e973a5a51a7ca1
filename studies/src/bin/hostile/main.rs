//! Damaged files of every format that the library reads, through the public loaders: none may panic, abort,
//! or take memory beyond what the file justifies.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin hostile -- --inputs 10000000
//! ```
//!
//! Input `k` of a format depends on the seed and `k` alone: a valid file with one to three kinds of damage
//! (bits, cuts, lengths, extreme numbers, pieces of other files, words of headers changed with the rest in
//! order). Panics are caught and counted, the first of a format told with its input; an abort ends the program
//! and leaves the input in the folder. Memory is the high-water mark of the process (`VmHWM`, set back before
//! each format, Linux only) above what it held before; it may grow by 16 MiB, with files of some 64 KiB. With
//! `ulimit -v` around the program a claim of more ends it even where the memory is never touched.

mod formats;
mod mutate;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus as Rng;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;
use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

use formats::Format;

options! {
    /// Damaged files of every format, through the public loaders
    struct Options [seed, threads, json] {
        /// Inputs over all formats
        inputs: usize = 100_000,
        /// Only formats whose name has this in it
        only: Option<String>,
        /// The first input of each format
        first: usize = 0,
        /// Folder for the files (default: /dev/shm, where it is)
        folder: Option<String>,
    }
}

/// Inputs that one folder sees.
const BLOCK: usize = 1000;

/// Growth of the process that no file here justifies.
const LIMIT_KIB: u64 = 16 * 1024;

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

/// What became of the inputs of a format.
#[derive(Default, Serialize)]
struct Row {
    format: &'static str,
    inputs: usize,
    loaded: usize,
    refused: usize,
    panics: usize,
    /// The first input that panicked, and what it said.
    first_panic: Option<(usize, String)>,
    largest_file: usize,
    peak_kib: Option<u64>,
    slowest_ms: f64,
    seconds: f64,
}

impl Row {
    fn joined(self, other: Row) -> Row {
        Row {
            format: self.format,
            inputs: self.inputs + other.inputs,
            loaded: self.loaded + other.loaded,
            refused: self.refused + other.refused,
            panics: self.panics + other.panics,
            first_panic: match (self.first_panic, other.first_panic) {
                (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
                (a, b) => a.or(b),
            },
            largest_file: self.largest_file.max(other.largest_file),
            peak_kib: self.peak_kib,
            slowest_ms: self.slowest_ms.max(other.slowest_ms),
            seconds: self.seconds,
        }
    }
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::positive("inputs", o.inputs)?;
    options::set_threads(o.threads)?;
    let shared = Path::new("/dev/shm");
    let base = o
        .folder
        .clone()
        .map_or_else(|| if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() }, PathBuf::from);
    let folder = base.join(format!("tensorjump-hostile-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let wanted = o.only.clone().unwrap_or_default();
    let formats: Vec<Format> = formats::all(&folder)?.into_iter().filter(|f| f.name.contains(&wanted)).collect();
    // What panics say: the program tells it in its own words.
    static SAID: Mutex<String> = Mutex::new(String::new());
    set_hook(Box::new(|info| {
        if let Ok(mut said) = SAID.lock() {
            *said = info.to_string();
        }
    }));
    let shares: f64 = formats.iter().map(|format| format.share).sum();
    let bar = progress::bar(o.inputs as u64);
    let mut rows = Vec::new();
    for format in &formats {
        let inputs = ((o.inputs as f64 * format.share / shares) as usize).max(1);
        for seed in &format.seeds {
            (format.load)(&folder, seed).map_err(|error| format!("{}: a valid file: {error}", format.name))?;
        }
        let before = reset_peak();
        let clock = Instant::now();
        let block = |block: usize| {
            let folder = folder.join(format!("{block}"));
            fs::create_dir_all(&folder)?;
            let mut row = Row { format: format.name, ..Row::default() };
            for k in block * BLOCK..inputs.min((block + 1) * BLOCK) {
                let k = o.first + k;
                let mut rng = Rng::seed_from_u64(o.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (k as u64) << 8);
                let bytes = mutate::mutate(&format.seeds, &mut rng);
                let clock = Instant::now();
                match catch_unwind(AssertUnwindSafe(|| (format.load)(&folder, &bytes))) {
                    Ok(Ok(())) => row.loaded += 1,
                    Ok(Err(_)) => row.refused += 1,
                    Err(_) => {
                        row.panics += 1;
                        let said = SAID.lock().map(|said| said.clone()).unwrap_or_default();
                        row.first_panic.get_or_insert((k, said));
                    }
                }
                row.slowest_ms = row.slowest_ms.max(1e3 * clock.elapsed().as_secs_f64());
                row.inputs += 1;
                row.largest_file = row.largest_file.max(bytes.len());
            }
            bar.inc(row.inputs as u64);
            fs::remove_dir_all(folder)?;
            Ok(row)
        };
        let blocks = (0..inputs.div_ceil(BLOCK)).into_par_iter().map(block);
        let empty = || Row { format: format.name, ..Row::default() };
        let row: Result<Row, std::io::Error> = blocks.try_reduce(empty, |a, b| Ok(a.joined(b)));
        let peak_kib = before.zip(peak()).map(|(before, peak)| peak.saturating_sub(before));
        rows.push(Row { peak_kib, seconds: clock.elapsed().as_secs_f64(), ..row? });
    }
    bar.finish_and_clear();
    fs::remove_dir_all(&folder)?;
    let header = ["format", "inputs", "loaded", "refused", "panics", "largest file", "peak MiB", "slowest ms", "s"];
    let cells = |row: &Row| {
        vec![
            row.format.to_owned(),
            row.inputs.to_string(),
            row.loaded.to_string(),
            row.refused.to_string(),
            row.panics.to_string(),
            row.largest_file.to_string(),
            row.peak_kib.map_or("–".into(), |kib| number(kib as f64 / 1024.0, 2)),
            number(row.slowest_ms, 2),
            number(row.seconds, 3),
        ]
    };
    let total = |count: fn(&Row) -> usize| rows.iter().map(count).sum::<usize>();
    let (inputs, panics) = (total(|row| row.inputs), total(|row| row.panics));
    print(&if o.json {
        options::json(&o, &json!({ "rows": rows, "inputs": inputs, "panics": panics, "limit_kib": LIMIT_KIB }))?
    } else {
        let lines = render(&header, &rows.iter().map(cells).collect::<Vec<_>>());
        format!("{lines}\n{inputs} inputs, {panics} panics; memory above that before the format\n")
    })?;
    for row in &rows {
        if let Some((k, said)) = &row.first_panic {
            return Err(format!("{}: input {k} panicked: {said}", row.format).into());
        }
        if let Some(kib) = row.peak_kib.filter(|kib| *kib > LIMIT_KIB) {
            return Err(format!("{}: {kib} KiB for files of {} bytes", row.format, row.largest_file).into());
        }
    }
    Ok(())
}

/// Sets the high-water mark of the memory back; what is held now, in KiB.
fn reset_peak() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    peak()
}

/// The high-water mark of the memory in KiB.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
