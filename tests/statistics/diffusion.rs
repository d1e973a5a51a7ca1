//! Laws of denoising draws: in one shot, to an intermediate time, chained.
//!
//! [`check_draws`] takes any exact model: the tests of the tensor-network models call it too.

use ndarray::{Array2, ArrayView1};
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::{Bridge, Denoise, ExactDiffusion};
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::noise::{Kernel, Noise, Rates, Schedule};
use tensorjump::tn::Mps;
use tensorjump::{ExactModel, Streams, Target};

use crate::common::random::{random_law, random_rates};
use crate::common::{assert_law, counts};
use crate::laws::{stream, table};

const DRAWS: usize = 40_000;

/// χ² of `P(x_0|y)`, `P(x_s|y)` and the end of a chain, each with twins that must fail: the denoiser without
/// its kernel factor (the prior), the denoiser of another observation, the noised law without the
/// observation.
pub fn check_draws<M: ExactModel + ?Sized>(
    model: &M,
    truth: &DenseLaw,
    noise: &Noise,
    (s, t): (f64, f64),
    (y, other): (&[u8], &[u8]),
    seed: u64,
) {
    let streams = Streams::new(seed);
    let kernel = noise.kernel(0.0, t).unwrap();
    let rows: Array2<u8> = ArrayView1::from(y).broadcast((DRAWS, y.len())).unwrap().to_owned();
    let clean = truth.posterior(&kernel, y).unwrap();
    let draws = counts(&model.denoise(&kernel, rows.view(), &streams).unwrap().x, truth.dims());
    assert_law(&draws, clean.p(), truth.p());
    assert_law(&draws, clean.p(), truth.posterior(&kernel, other).unwrap().p());

    let bridge = Bridge::of(noise, s, t).unwrap();
    let between = truth.posterior_between(bridge.to_s(), bridge.s_to_t(), y).unwrap();
    let draws = counts(&model.denoise_to(&bridge, rows.view(), &streams.step(1)).unwrap().x, between.dims());
    assert_law(&draws, between.p(), truth.noised(bridge.to_s()).unwrap().p());
    // A bridge that forgets the observation: x_0 from its posterior, then noise to s.
    assert_law(&draws, between.p(), clean.noised(bridge.to_s()).unwrap().p());

    let path = model.denoise_through(noise, &[t, s, 0.5 * s, 0.0], rows.view(), &streams.step(2)).unwrap();
    assert_law(&counts(&path.states[1], between.dims()), between.p(), truth.noised(bridge.to_s()).unwrap().p());
    assert_law(&counts(&path.states[3], truth.dims()), clean.p(), truth.p());
}

/// The kernel of the transposed rates.
fn transposed_kernel(rates: &[Array2<f64>], t: f64) -> Kernel {
    let twin = |q: &Array2<f64>| {
        let mut q = q.t().to_owned();
        for a in 0..q.nrows() {
            q[[a, a]] = 0.0;
            q[[a, a]] = -q.row(a).sum();
        }
        q
    };
    let rates = Rates::new(rates.iter().map(twin).collect()).unwrap();
    Noise::new(rates, Schedule::default()).kernel(0.0, t).unwrap()
}

#[test]
fn dense_draws() {
    let dims = [2, 3, 2];
    let law = random_law(&dims, 31);
    let general = Noise::new(Rates::new(random_rates(&dims, 31)).unwrap(), Schedule::linear(0.5, 1.5, 1.0).unwrap());
    check_draws(&law, &law, &general, (0.2, 0.7), (&[1, 2, 0], &[0, 2, 0]), 1);
    let mask = Noise::new(Rates::mask(&dims, 0.8).unwrap(), Schedule::default());
    check_draws(&law, &law, &mask, (0.4, 1.2), (&[2, 3, 1], &[2, 3, 0]), 2);
}

/// Linear and Born networks, to times 0 and 0 < s < t, by general noise and by masks.
#[test]
fn network_draws() {
    for (dims, bond, seed, y, other) in [
        (vec![2, 3, 2], 3, 34, [1u8, 2, 0], [1u8, 2, 1]),
        (vec![4, 2, 3], 4, 35, [3, 1, 1], [3, 0, 1]),
        (vec![2, 2, 2], 2, 36, [0, 1, 1], [0, 1, 0]),
    ] {
        let rates = Rates::new(random_rates(&dims, seed)).unwrap();
        let general = Noise::new(rates, Schedule::linear(0.5, 1.5, 1.0).unwrap());
        let mask = Noise::new(Rates::mask(&dims, 0.8).unwrap().on_sites(&[0, 2]).unwrap(), Schedule::default());
        let masked = |y: [u8; 3]| [dims[0] as u8, y[1], y[2]];
        let name = format!("network draws {seed}");
        let positive = Mps::random_positive(&dims, bond, &mut stream(&name)).unwrap();
        let truth = DenseLaw::new(&dims, &table(&positive)).unwrap();
        let model = PositiveMps::new(&positive).unwrap();
        check_draws(&model, &truth, &general, (0.2, 0.7), (&y, &other), seed);
        check_draws(&model, &truth, &mask, (0.4, 1.2), (&masked(y), &masked(other)), seed);
        let psi = Mps::random_real(&dims, bond, &mut stream(&name)).unwrap();
        let square: Vec<f64> = table(&psi).iter().map(|v| v * v).collect();
        let truth = DenseLaw::new(&dims, &square).unwrap();
        let model = BornMps::new(&psi).unwrap();
        check_draws(&model, &truth, &general, (0.2, 0.7), (&y, &other), seed);
    }
}

#[test]
fn denoising_knows_the_direction_of_the_kernel() {
    let dims = [2, 3, 2];
    let law = random_law(&dims, 32);
    let rates = random_rates(&dims, 32);
    let kernel = Noise::new(Rates::new(rates.clone()).unwrap(), Schedule::default()).kernel(0.0, 0.7).unwrap();
    let y = [1u8, 2, 0];
    let rows: Array2<u8> = ArrayView1::from(&y).broadcast((DRAWS, 3)).unwrap().to_owned();
    let draws = counts(&law.denoise(&kernel, rows.view(), &Streams::new(3)).unwrap().x, &dims);
    let twin = law.posterior(&transposed_kernel(&rates, 0.7), &y).unwrap();
    assert_law(&draws, law.posterior(&kernel, &y).unwrap().p(), twin.p());
}

/// Noise and denoise: the pair (x_0, y) → x_0' leaves the law invariant, with one set of streams for both
/// (their domains differ). The twin is the law of y.
#[test]
fn noising_and_denoising_leaves_the_law_invariant() {
    let dims = [2, 3, 2];
    let law = random_law(&dims, 33);
    let kernel =
        Noise::new(Rates::new(random_rates(&dims, 33)).unwrap(), Schedule::default()).kernel(0.0, 0.4).unwrap();
    let streams = Streams::new(4);
    let x = tensorjump::Model::sample(&law, &tensorjump::SiteWeights::Uniform, DRAWS, &streams).unwrap().x;
    let y = kernel.sample(x.view(), &streams).unwrap();
    let back = law.denoise(&kernel, y.view(), &streams.step(1)).unwrap().x;
    assert_law(&counts(&back, &dims), law.p(), law.noised(&kernel).unwrap().p());
    assert_law(&counts(&y, &dims), law.noised(&kernel).unwrap().p(), law.p());
}
