//! Time of the samplers, in configurations a second: `cargo bench -p tensorjump-benches`, about a minute. One
//! thread; fractions of the machine's own matrix products are in the study `throughput`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use tensorjump::diffusion::{Denoiser, ExactDenoiser};
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::noise::{Kernel, Noise, Rates, Schedule};
use tensorjump::{Model, Result, SiteWeights, Streams};

/// Sites of the matrix-product models.
const SITES: usize = 100;
/// Bond dimension.
const BOND: usize = 64;
/// Configurations a draw.
const BATCH: usize = 1024;

/// Draws `batch` configurations an iteration, plainly or given `kernel`'s noisy version of a draw.
fn draws(c: &mut Criterion, name: &str, model: &dyn Model, kernel: Option<&Kernel>, batch: usize) -> Result<()> {
    let streams = Streams::new(1);
    let clean = model.draw(batch, &streams)?.x;
    let noisy: Option<Array2<u8>> = kernel.map(|kernel| kernel.sample(clean.view(), &streams)).transpose()?;
    let weights = match (kernel, &noisy) {
        (Some(kernel), Some(y)) => kernel.likelihood(y.view()),
        _ => SiteWeights::Uniform,
    };
    let mut group = c.benchmark_group("sampling");
    group.throughput(Throughput::Elements(batch as u64));
    let mut step = 0;
    group.bench_function(name, |b| {
        b.iter(|| {
            step += 1;
            black_box(model.sample(black_box(&weights), batch, &streams.step(step)))
        })
    });
    group.finish();
    Ok(())
}

/// All cases.
fn cases(c: &mut Criterion) -> Result<()> {
    let mut stream = Streams::new(7).stream(0);
    let linear = PositiveMps::random(&[2; SITES], BOND, &mut stream)?;
    let born = BornMps::random(&[2; SITES], BOND, &mut stream)?;
    let single = linear.single_precision();
    let noise = Noise::new(Rates::binary_flip(SITES, 1.0, 1.0)?, Schedule::constant(1.0)?);
    // A tenth of the symbols flipped: (1 − e^{−2t})/2 = 1/10.
    let kernel = noise.kernel(0.0, 0.5 * 1.25f64.ln())?;
    draws(c, "linear 100x64", &linear, None, BATCH)?;
    draws(c, "linear f32 100x64", &single, None, BATCH)?;
    draws(c, "born 100x64", &born, None, BATCH)?;
    draws(c, "linear tilted 100x64", &linear, Some(&kernel), BATCH)?;

    // All N(d − 1) reverse rates against a tilted draw: `cargo run --release -p tensorjump-studies --bin
    // reverse_time -- --ratio` prints the ratio.
    let small = PositiveMps::random(&[2; 64], 16, &mut stream)?;
    let noise = Noise::new(Rates::binary_flip(64, 1.0, 1.0)?, Schedule::constant(1.0)?);
    let t = 0.5 * 1.25f64.ln();
    let kernel_64 = noise.kernel(0.0, t)?;
    draws(c, "linear tilted 64x16", &small, Some(&kernel_64), BATCH)?;
    let denoiser = ExactDenoiser::new(&small, &noise)?;
    let y = kernel_64.sample(small.draw(BATCH, &Streams::new(1))?.x.view(), &Streams::new(1))?;
    c.benchmark_group("sampling")
        .throughput(Throughput::Elements(BATCH as u64))
        .bench_function("reverse rates 64x16", |b| {
            b.iter(|| black_box(denoiser.reverse_rates(t, black_box(y.view()))))
        });

    let fredkin = FredkinModel::new(&Fredkin::new(SITES, 0.5)?)?;
    draws(c, "fredkin 100", &fredkin, None, BATCH)?;
    draws(c, "fredkin tilted 100", &fredkin, Some(&kernel), BATCH)?;

    let x = Array2::zeros((BATCH, SITES));
    let streams = Streams::new(3);
    let mut step = 0;
    c.benchmark_group("noise").throughput(Throughput::Elements(BATCH as u64)).bench_function("flips 100", |b| {
        b.iter(|| {
            step += 1;
            black_box(kernel.sample(x.view(), &streams.step(step)))
        })
    });
    Ok(())
}

fn sampling(c: &mut Criterion) {
    if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(1).build_global() {
        eprintln!("more than one thread: {error}");
    }
    cases(c).expect("the models of the bench are valid");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .without_plots();
    targets = sampling
}
criterion_main!(benches);
