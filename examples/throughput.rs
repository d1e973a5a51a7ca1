//! scratch
use ndarray::Array2;
use std::time::Instant;
use tensorjump::model::{Model, PositiveMps, SiteWeights};
use tensorjump::noise::Kernel;
use tensorjump::rng::Streams;
fn gemm() -> f64 {
    let (n, k) = (512, 64);
    let a = vec![0.5f64; n * k];
    let b = vec![0.25; k * k];
    let mut c = vec![0.0; n * k];
    let mut best = f64::MAX;
    for _ in 0..300 {
        let t = Instant::now();
        faer::linalg::matmul::matmul(
            faer::MatMut::from_row_major_slice_mut(&mut c, n, k),
            faer::Accum::Replace,
            faer::MatRef::from_row_major_slice(&a, n, k),
            faer::MatRef::from_row_major_slice(&b, k, k),
            1.0,
            faer::Par::Seq,
        );
        best = best.min(t.elapsed().as_secs_f64());
    }
    2.0 * (n * k * k) as f64 / best / 1e9
}
fn report(name: &str, chi: usize, model: &dyn Model, w: &SiteWeights, n: usize, factor: f64) {
    let mut best = f64::MAX;
    let s = Streams::new(3);
    let g0 = gemm();
    for k in 0..40 {
        let t = Instant::now();
        model.sample(w, n, &s.step(k)).unwrap();
        best = best.min(t.elapsed().as_secs_f64());
    }
    let g = gemm().max(g0);
    let rate = n as f64 / best;
    let macs = 100.0 * (chi * chi) as f64 * factor;
    println!(
        "{name:16} chi {chi}: {rate:9.0}/s  {:.1} GF of {g:.1}: {:.3}   {:.1} ns/site-sample",
        rate * macs * 2e-9,
        rate * macs * 2e-9 / g,
        best / n as f64 * 1e7
    );
}
fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    for chi in [64, 16] {
        let m = PositiveMps::random(&[2; 100], chi, &mut Streams::new(1).stream(0)).unwrap();
        let f = m.single_precision();
        report("linear", chi, &m, &SiteWeights::Uniform, 1024, 1.0);
        report("linear f32", chi, &f, &SiteWeights::Uniform, 1024, 1.0);
        let x = m.sample(&SiteWeights::Uniform, 1024, &Streams::new(2)).unwrap();
        let k =
            Kernel::new(&vec![Array2::from_shape_fn((2, 2), |(a, b)| if a == b { 0.9 } else { 0.1 }); 100]).unwrap();
        let y = k.sample(x.x.view(), &Streams::new(5)).unwrap();
        report("tilted", chi, &m, &k.likelihood(y.view()), 1024, 2.1);
        report("tilted f32", chi, &f, &k.likelihood(y.view()), 1024, 2.1);
    }
}
