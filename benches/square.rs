//! Time of the dynamics on square lattices at the critical point: `cargo bench -p tensorjump-benches --bench
//! square`, about a minute. One thread.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tensorjump::lattice::{
    BoundaryMps, Couplings, FreeFermions, Geometry, Ising, PairModel, SiteHeatBath, SpinSweep, Spins, Square, Wolff,
    fast_rng,
};
use tensorjump::mcmc::{Connected, Proposal};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Model, Result, Streams};

/// Sweeps in one iteration: the packing of the spins before and after is shared.
const SWEEPS: usize = 16;
/// Clusters in one iteration.
const CLUSTERS: usize = 64;
/// Draws in one iteration.
const DRAWS: usize = 512;

fn beta_c() -> f64 {
    0.5 * (1.0 + 2f64.sqrt()).ln()
}

/// Seconds of a site visit: uniform, ±J and Gaussian couplings.
fn sweeps(c: &mut Criterion) -> Result<()> {
    let mut group = c.benchmark_group("sweep");
    for l in [16, 64, 256] {
        let lattice = Square::new(l, l, Geometry::Open)?;
        group.throughput(Throughput::Elements((SWEEPS * l * l) as u64));
        for (name, couplings) in [
            ("ferro", Couplings::uniform(lattice, 1.0)?),
            ("pmj", Couplings::plus_minus(lattice, 1)),
            ("gauss", Couplings::gaussian(lattice, 1)),
        ] {
            let ising = Ising::new(couplings, beta_c())?;
            for (kind, sweep) in
                [("metropolis", SpinSweep::metropolis(&ising)?), ("heat bath", SpinSweep::heat_bath(&ising)?)]
            {
                let mut spins = Spins::new(lattice, &vec![1; l * l])?;
                let mut rng = fast_rng(&mut Streams::new(1).stream(0));
                group.bench_function(BenchmarkId::new(format!("{kind} {name}"), l), |b| {
                    b.iter(|| sweep.sweeps(&mut spins, SWEEPS, &mut rng));
                });
            }
        }
    }
    group.finish();
    Ok(())
}

/// Seconds of a site visit with tables of pair weights: the Potts model of three states at its critical
/// point.
fn site_heat_bath(c: &mut Criterion) -> Result<()> {
    let l = 64;
    let couplings = Couplings::uniform(Square::new(l, l, Geometry::Open)?, 1.0)?;
    let potts = PairModel::potts(&couplings, 3, 3f64.sqrt().ln_1p())?;
    let (dynamics, mut x) = (SiteHeatBath::new(&potts).unwrap(), vec![0; l * l]);
    let mut rng = fast_rng(&mut Streams::new(1).stream(0));
    let mut group = c.benchmark_group("sweep");
    group.throughput(Throughput::Elements((l * l) as u64));
    group
        .bench_function(BenchmarkId::new("site heat bath potts 3", l), |b| b.iter(|| dynamics.sweep(&mut x, &mut rng)));
    group.finish();
    Ok(())
}

/// Clusters per second of Wolff's algorithm, and its sites.
fn clusters(c: &mut Criterion) -> Result<()> {
    let mut group = c.benchmark_group("wolff");
    for l in [16, 64, 256] {
        let lattice = Square::new(l, l, Geometry::Open)?;
        let ising = Ising::new(Couplings::uniform(lattice, 1.0)?, beta_c())?;
        let wolff = Wolff::new(&ising)?;
        let mut spins = Spins::new(lattice, &vec![1; l * l])?;
        let mut rng = fast_rng(&mut Streams::new(1).stream(0));
        group.throughput(Throughput::Elements(CLUSTERS as u64));
        group.bench_function(BenchmarkId::new("clusters", l), |b| {
            b.iter(|| {
                (0..CLUSTERS)
                    .try_fold(0, |sites, _| Ok::<_, tensorjump::Error>(sites + wolff.cluster(&mut spins, &mut rng)?))
            });
        });
    }
    group.finish();
    Ok(())
}

/// Independent draws of the boundary MPS with their log-probabilities, at χ = 8.
fn draws(c: &mut Criterion) -> Result<()> {
    let mut group = c.benchmark_group("boundary mps");
    for l in [16, 64] {
        let couplings = Couplings::uniform(Square::new(l, l, Geometry::Open)?, 1.0)?;
        let model = BoundaryMps::new(&Ising::new(couplings, beta_c())?, 8)?;
        let (streams, mut step) = (Streams::new(1), 0);
        group.throughput(Throughput::Elements(DRAWS as u64));
        group.bench_function(BenchmarkId::new("draws", l), |b| {
            b.iter(|| {
                step += 1;
                model.draw(DRAWS, &streams.step(step))
            });
        });
    }
    group.finish();
    Ok(())
}

/// Connected moves: a contraction in the fields of each noisy configuration at χ = 2, one draw and one score.
fn redraws(c: &mut Criterion) -> Result<()> {
    const ROWS: usize = 16;
    let mut group = c.benchmark_group("connected");
    for l in [16, 32] {
        let couplings = Couplings::uniform(Square::new(l, l, Geometry::Open)?, 1.0)?;
        let model = BoundaryMps::new(&Ising::new(couplings, beta_c())?, 2)?;
        let kernel = Noise::new(Rates::binary_flip(l * l, 1.0, 1.0)?, Schedule::constant(1.0)?).kernel(0.0, 0.5)?;
        let (streams, mut step) = (Streams::new(1), 0);
        let x = model.draw(ROWS, &streams)?.x;
        group.throughput(Throughput::Elements(ROWS as u64));
        group.bench_function(BenchmarkId::new("proposals", l), |b| {
            let connected = Connected::new(&model, kernel.clone()).expect("the kernel fits");
            b.iter(|| {
                step += 1;
                connected.propose(x.view(), &streams.step(step))
            });
        });
    }
    group.finish();
    Ok(())
}

/// Exact log Z with two derivatives.
fn fermions(c: &mut Criterion) -> Result<()> {
    let mut group = c.benchmark_group("free fermions");
    for l in [32, 64] {
        let couplings = Couplings::plus_minus(Square::new(l, l, Geometry::Open)?, 1);
        let ising = Ising::new(couplings, 1.0)?;
        group.bench_function(BenchmarkId::new("log Z, energy, specific heat", l), |b| {
            b.iter(|| FreeFermions::new(&ising))
        });
    }
    group.finish();
    Ok(())
}

fn square(c: &mut Criterion) {
    if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(1).build_global() {
        eprintln!("more than one thread: {error}");
    }
    for bench in [sweeps, site_heat_bath, clusters, draws, redraws, fermions] {
        bench(c).expect("the models of the bench are valid");
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots();
    targets = square
}
criterion_main!(benches);
