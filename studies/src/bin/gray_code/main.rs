//! Seven laws on the plane, Gray-coded as 32 bits, learned as Born laws (arXiv 2505.17741 Table 3 for other
//! methods).
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin gray_code                              # all seven
//! cargo run --release -p tensorjump-studies --bin gray_code -- --data moons --chi 48 --json
//! ```
//!
//! The negative log-likelihood is compared with the entropy of the true law at the same `int_scale`, draw by
//! draw, on fresh draws; the maximum mean discrepancy (kernel `e^{−0.1 Hamming}`, all values × 10⁴) with that
//! of two true samples. `mmd_exact` has the model's side contracted exactly and 16,384 true draws on the
//! other, `mmd_protocol` the mean of ten runs with 4000 draws each. Published rows stand beside for
//! orientation: their int_scale differs.

mod code;
#[path = "../../../../tests/common/planar.rs"]
mod planar;

use std::time::Instant;

use ndarray::{Array2, Array3};
use plotters::prelude::RGBColor;
use rayon::prelude::*;
use serde::Serialize;
use tensorjump::learn::{BornMethod, BornOptions, Data, Start, SweepStep, Training, Validation};
use tensorjump::linalg::matmul;
use tensorjump::model::BornMps;
use tensorjump::tn::Truncation;
use tensorjump::{ExactModel, Model, Result, SiteWeights, Streams};

use code::{SITES, encode, kernel, mean_kernel, mmd, words};
use planar::{NAMES, Planar};
use tensorjump_studies::output::{Folder, print};
use tensorjump_studies::plotting::{BLUE, INK};
use tensorjump_studies::raster::{Image, figure};
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

/// Best published NLL and MMD × 10⁴ of each data set, and the method (arXiv 2505.17741 Table 3).
const PUBLISHED: [(f64, f64, &str); 7] = [
    (20.039, 0.120, "ED-Bern"),
    (19.982, 0.014, "EB-GFN/ED-Bern"),
    (20.517, 0.137, "EB-DNFS/ED-Bern"),
    (19.710, 0.088, "ED-Bern"),
    (19.554, 0.046, "EB-GFN/ED-Bern"),
    (20.084, 0.045, "ED-Bern"),
    (20.679, 0.716, "ED-Bern/EB-DNFS"),
];

options! {
    /// Seven Gray-coded laws on the plane, learned as Born laws
    struct Options [seed, threads, json, out "out/gray_code"] {
        /// One data set (default: all seven)
        data: Option<String>,
        /// Largest bond dimension
        chi: usize = 24,
        /// Draws to learn from
        samples: usize = 2_000_000,
        /// Draws a sweep
        batch: usize = 200_000,
        /// Sweeps
        sweeps: usize = 8,
        /// Sweeps at the start that keep insignificant bonds
        explore: usize = 2,
        /// Noise levels below which a singular value is discarded after that
        significance: f64 = 2.0,
        /// Fraction of a full step in the first sweep
        rate: f64 = 0.7,
        /// Sweeps after which the fraction has halved
        slowing: f64 = 4.0,
        /// Fresh draws for the comparison with the true law
        fresh: usize = 1_000_000,
    }
}

/// What was measured on one data set; NLL and entropies in nats, MMD × 10⁴.
#[derive(Debug, Clone, Serialize)]
struct Measured {
    data: String,
    chi: usize,
    nll_validation: f64,
    entropy_floor: f64,
    nll_gap: f64,
    nll_gap_stderr: f64,
    mmd_exact: f64,
    mmd_protocol: f64,
    mmd_null_sd: f64,
    int_scale: f64,
    seconds: f64,
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> std::result::Result<(), Failure> {
    let options: Options = options::parse()?;
    options::set_threads(options.threads)?;
    for (name, value) in
        [("chi", options.chi), ("batch", options.batch), ("sweeps", options.sweeps), ("fresh", options.fresh)]
    {
        options::positive(name, value)?;
    }
    let names: Vec<&str> = match &options.data {
        Some(name) => vec![name],
        None => NAMES.to_vec(),
    };
    if let Some(name) = names.iter().find(|name| Planar::new(name).is_none()) {
        return Err(format!("--data {name}: not one of {}", NAMES.join(", ")).into());
    }
    let folder = options.out.open(options.json)?;
    let measured: Vec<Measured> =
        names.iter().map(|name| measure(name, &options, folder.as_ref())).collect::<std::result::Result<_, _>>()?;
    if options.json {
        return print(&match &measured[..] {
            [one] => options::json(&options, one)?,
            all => options::json(&options, &serde_json::json!({ "rows": all }))?,
        });
    }
    let header = [
        "data",
        "NLL",
        "floor",
        "gap",
        "± σ",
        "MMD exact",
        "protocol",
        "null σ",
        "int_scale",
        "s",
        "published NLL",
        "MMD",
        "by",
    ];
    let row = |m: &Measured| {
        let published =
            NAMES.iter().position(|n| *n == m.data).map(|i| PUBLISHED[i]).unwrap_or((f64::NAN, f64::NAN, ""));
        let fixed = |v: f64, digits: usize| format!("{v:.digits$}");
        vec![
            m.data.clone(),
            fixed(m.nll_validation, 4),
            fixed(m.entropy_floor, 4),
            fixed(m.nll_gap, 4),
            fixed(m.nll_gap_stderr, 4),
            fixed(m.mmd_exact, 3),
            fixed(m.mmd_protocol, 3),
            fixed(m.mmd_null_sd, 3),
            number(m.int_scale, 5),
            number(m.seconds, 3),
            fixed(published.0, 3),
            fixed(published.1, 3),
            published.2.into(),
        ]
    };
    print(&render(&header, &measured.iter().map(row).collect::<Vec<_>>()))
}

/// Draws with their points; row `i` from stream `i`.
fn draws(law: &Planar, n: usize, scale: f64, streams: &Streams) -> (Array2<u8>, Vec<[f64; 2]>) {
    let points: Vec<[f64; 2]> = (0..n).into_par_iter().map(|i| law.sample(&mut streams.stream(i))).collect();
    let mut x = Array2::zeros((n, SITES));
    x.outer_iter_mut().zip(&points).for_each(|(mut row, &v)| row.assign(&ndarray::arr1(&encode(v, scale))));
    (x, points)
}

fn measure(name: &str, options: &Options, folder: Option<&Folder>) -> std::result::Result<Measured, Failure> {
    let Some(law) = Planar::new(name) else {
        return Err(format!("--data {name}: not one of {}", NAMES.join(", ")).into());
    };
    let clock = Instant::now();
    let streams = Streams::new(options.seed).domain(name);
    let scale_draws = streams.domain("scale");
    let largest = (0..5000).flat_map(|i| law.sample(&mut scale_draws.stream(i))).fold(0.0f64, |m, v| m.max(v.abs()));
    let int_scale = 32_768.0 / (largest + 2.0);
    let model = learn_law(&law, int_scale, options, &streams)?;
    let (gap, error, floor) = compare(&law, &model, int_scale, options.fresh, &streams.domain("fresh"))?;

    let sets = |what: &str, n: usize, step: u64| words(&draws(&law, n, int_scale, &streams.domain(what).step(step)).0);
    let runs: Vec<f64> = (0..10)
        .map(|k| {
            let own = model.draw(4000, &streams.domain("own").step(k))?.x;
            Ok(mmd(&words(&own), &sets("protocol", 4000, k)))
        })
        .collect::<Result<_>>()?;
    let null: Vec<f64> = (0..30).map(|k| mmd(&sets("null a", 4000, k), &sets("null b", 4000, k))).collect();
    // Of the mean of ten runs, like the value beside it.
    let null_sd = (null.iter().map(|v| v * v).sum::<f64>() / null.len() as f64 / 10.0).sqrt();
    let exact = exact_mmd(&model, &draws(&law, 16_384, int_scale, &streams.domain("exact")).0)?;
    if let Some(folder) = folder {
        picture(name, &law, &model, int_scale, &streams, folder)?;
    }
    Ok(Measured {
        data: name.into(),
        chi: model.amplitude().max_bond(),
        nll_validation: floor + gap,
        entropy_floor: floor,
        nll_gap: gap,
        nll_gap_stderr: error,
        mmd_exact: 1e4 * exact,
        mmd_protocol: 1e4 * runs.iter().sum::<f64>() / 10.0,
        mmd_null_sd: 1e4 * null_sd,
        int_scale,
        seconds: clock.elapsed().as_secs_f64(),
    })
}

/// Two-site sweeps, each on its own draws, with a falling rate.
fn learn_law(law: &Planar, scale: f64, options: &Options, streams: &Streams) -> std::result::Result<BornMps, Failure> {
    let set = |what: &str, n: usize| Data::new(draws(law, n, scale, &streams.domain(what)).0, &[2; SITES]);
    let data = set("training", options.samples)?;
    let learning = BornOptions {
        method: BornMethod::TwoSite {
            truncation: Truncation { max_bond: options.chi, cutoff: 1e-12 },
            significance: options.significance,
            explore: options.explore,
            step: SweepStep { iterations: 2, rate: options.rate, slowing: options.slowing },
        },
        start: Start::Random { bond: 4 },
        training: Training {
            rounds: options.sweeps,
            patience: options.sweeps,
            batch: options.batch,
            validation: Validation::Given(set("validation", 100_000.min(options.fresh))?),
            seed: options.seed,
            ..Training::default()
        },
    };
    let bar = progress::bar(options.sweeps as u64);
    let fit = learning.fit_with_progress(&data, |event| {
        bar.set_message(format!("NLL {:.4}, bond {}", event.round.score(), event.round.max_bond()));
        bar.inc(1);
        std::ops::ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    Ok(fit.model)
}

/// Samples of the model beside draws of the law, as counts on a grid.
fn picture(
    name: &str,
    law: &Planar,
    model: &BornMps,
    scale: f64,
    streams: &Streams,
    folder: &Folder,
) -> std::result::Result<(), Failure> {
    const CELLS: usize = 110;
    const DRAWS: usize = 100_000;
    let own = model.draw(DRAWS, &streams.domain("picture"))?.x;
    let (truth, _) = draws(law, DRAWS, scale, &streams.domain("picture law"));
    let half = 32_768.0 / scale;
    let cells = |x: &Array2<u8>| {
        let mut counts = vec![vec![0u32; CELLS]; CELLS];
        for row in x.outer_iter() {
            let [i, j] = code::decode(row, scale).map(|v| ((v / half + 1.0) / 2.0 * CELLS as f64) as usize);
            counts[CELLS - 1 - j.min(CELLS - 1)][i.min(CELLS - 1)] += 1;
        }
        let top = f64::from(*counts.iter().flatten().max().unwrap_or(&1)).sqrt();
        // From white through blue to ink, by the root of the count, in 12 shades.
        let shade = |n: &u32| {
            let t = (f64::from(*n).sqrt() / top * 12.0).ceil() / 12.0;
            let mix = |a: u8, b: u8, t: f64| (f64::from(a) + (f64::from(b) - f64::from(a)) * t) as u8;
            let (from, to, t) =
                if t < 0.5 { (RGBColor(255, 255, 255), BLUE, 2.0 * t) } else { (BLUE, INK, 2.0 * t - 1.0) };
            RGBColor(mix(from.0, to.0, t), mix(from.1, to.1, t), mix(from.2, to.2, t))
        };
        counts.iter().map(|row| row.iter().map(shade).collect()).collect::<Vec<Vec<_>>>()
    };
    let image = |title, x| Image { title, cells: cells(x), x_label: "x", x_ticks: Vec::new(), key: Vec::new() };
    let svg = figure((900, 560), "y", &[], &[image("learned", &own), image("law", &truth)])?;
    folder.write(&[(&format!("{name}.svg"), svg)])?;
    Ok(())
}

/// NLL of the model minus that of the true law on the same draws, its standard error, and the entropy of the
/// true law on cells.
fn compare(
    law: &Planar,
    model: &BornMps,
    scale: f64,
    n: usize,
    streams: &Streams,
) -> std::result::Result<(f64, f64, f64), Failure> {
    let (mut sum, mut square, mut floor) = (0.0, 0.0, 0.0);
    for (step, first) in (0..n).step_by(1 << 17).enumerate() {
        let (x, points) = draws(law, (n - first).min(1 << 17), scale, &streams.step(step as u64));
        let log = model.log_prob(x.view())?;
        let truth: Vec<f64> = points.par_iter().map(|&v| law.density(v).ln() - 2.0 * scale.ln()).collect();
        for (own, truth) in log.iter().zip(truth) {
            sum += truth - own;
            square += (truth - own) * (truth - own);
            floor -= truth;
        }
    }
    let n = n as f64;
    Ok((sum / n, ((square / n - (sum / n).powi(2)) / n).sqrt(), floor / n))
}

/// Squared discrepancy of the model from draws of the law: the model's side exact, the draws' side unbiased.
fn exact_mmd(model: &BornMps, x: &Array2<u8>) -> Result<f64> {
    let draws = words(x);
    let k = [kernel(0), kernel(1)];
    let weight = |(i, j, a): (usize, usize, usize)| k[usize::from(usize::from(x[[i, j]]) != a)];
    let weights = Array3::from_shape_fn((x.nrows(), SITES, 2), weight);
    let cross = model.log_evidence(&SiteWeights::PerRow(weights.view()))?.mapv(f64::exp).mean().unwrap_or(f64::NAN);
    Ok(self_kernel(model) + mean_kernel(&draws, &draws, true) - 2.0 * cross)
}

/// `E k(x, x′)` for two independent draws of the model: `k = Σ_s λ_s h_s h_sᵗ` at each site with `h = (1,
/// ±1)`, so the pair of laws is contracted by `T ← Σ_s λ_s E_sᵗ T E_s`, `E_s = Σ_x h_s(x) A_x ⊗ A_x`. Costs
/// `χ⁶` a site.
fn self_kernel(model: &BornMps) -> f64 {
    let q = kernel(1);
    let mut t = Array2::<f64>::ones((1, 1));
    for a in model.amplitude().tensors() {
        let (l, _, r) = a.dim();
        let mut next = Array2::<f64>::zeros((r * r, r * r));
        for (lambda, sign) in [((1.0 + q) / 2.0, 1.0), ((1.0 - q) / 2.0, -1.0)] {
            let e = Array2::from_shape_fn((l * l, r * r), |(left, right)| {
                let (i, j, k, m) = (left / l, left % l, right / r, right % r);
                a[[i, 0, k]] * a[[j, 0, m]] + sign * a[[i, 1, k]] * a[[j, 1, m]]
            });
            next.scaled_add(lambda, &matmul(e.t(), matmul(t.view(), e.view()).view()));
        }
        t = next;
    }
    t[[0, 0]]
}
