//! Laws of noise draws and of jump paths.

use ndarray::{Array2, ArrayView1};
use tensorjump::Streams;
use tensorjump::dense::kernel_matrix;
use tensorjump::noise::{Noise, Path, Rates, Schedule};

use crate::common::random::random_rates;
use crate::common::{assert_law, counts, index_of};

const DRAWS: usize = 60_000;

fn repeat(x: &[u8]) -> Array2<u8> {
    ArrayView1::from(x).broadcast((DRAWS, x.len())).unwrap().to_owned()
}

/// The noise of the transposed rates, rows completed to zero.
fn transposed(rates: &[Array2<f64>], schedule: &Schedule) -> Noise {
    let twin = |q: &Array2<f64>| {
        let mut q = q.t().to_owned();
        for a in 0..q.nrows() {
            q[[a, a]] = 0.0;
            q[[a, a]] = -q.row(a).sum();
        }
        q
    };
    Noise::new(Rates::new(rates.iter().map(twin).collect()).unwrap(), schedule.clone())
}

#[test]
fn noise_draws() {
    let (dims, x) = ([2, 3, 4], [1u8, 0, 2]);
    let rates = random_rates(&dims, 21);
    let schedule = Schedule::linear(0.2, 1.5, 1.0).unwrap();
    let noise = Noise::new(Rates::new(rates.clone()).unwrap(), schedule.clone());
    let kernel = noise.kernel(0.1, 0.8).unwrap();
    let y = kernel.sample(repeat(&x).view(), &Streams::new(1)).unwrap();
    let law =
        |noise: &Noise| kernel_matrix(&noise.kernel(0.1, 0.8).unwrap()).unwrap().row(index_of(&x, &dims)).to_vec();
    assert_law(&counts(&y, &dims), &law(&noise), &law(&transposed(&rates, &schedule)));
}

/// Masks: states of probability zero are never drawn (a hit fails the test); the twin has the noise time of
/// another schedule.
#[test]
fn mask_draws() {
    let (dims, x) = ([2, 3, 2], [1u8, 0, 1]);
    let rates = Rates::mask(&dims, 0.7).unwrap().on_sites(&[0, 1]).unwrap();
    let noise = Noise::new(rates, Schedule::default());
    let kernel = noise.kernel(0.0, 0.8).unwrap();
    let y = kernel.sample(repeat(&x).view(), &Streams::new(2)).unwrap();
    let law = |t: f64| {
        let matrix = kernel_matrix(&noise.kernel(0.0, t).unwrap()).unwrap();
        matrix.row(index_of(&x, &dims)).to_vec()
    };
    assert_law(&counts(&y, kernel.dims_out()), &law(0.8), &law(0.9));
}

fn last_states(paths: &[Path]) -> Array2<u8> {
    let rows: Vec<_> = paths.iter().map(|path| path.last.view()).collect();
    ndarray::stack(ndarray::Axis(0), &rows).unwrap()
}

#[test]
fn ends_of_paths() {
    let (dims, x) = ([2, 3, 4], [1u8, 0, 2]);
    let rates = random_rates(&dims, 22);
    let schedules = [
        Schedule::linear(0.2, 1.5, 0.5).unwrap(),
        Schedule::geometric(0.1, 2.0, 1.0).unwrap(),
        Schedule::user(|t| 3.0 * t * t, |t| t * t * t).unwrap(),
    ];
    for (k, schedule) in schedules.into_iter().enumerate() {
        let noise = Noise::new(Rates::new(rates.clone()).unwrap(), schedule.clone());
        let paths = noise.paths(repeat(&x).view(), 0.1, 0.9, &Streams::new(3).step(k as u64)).unwrap();
        let law =
            |noise: &Noise| kernel_matrix(&noise.kernel(0.1, 0.9).unwrap()).unwrap().row(index_of(&x, &dims)).to_vec();
        assert_law(&counts(&last_states(&paths), &dims), &law(&noise), &law(&transposed(&rates, &schedule)));
    }
}

/// Where the paths are in between, through their jump times: the state at time 0.5 of paths to 0.9. The twin
/// reads jump times without the schedule, as if the homogeneous time ran uniformly.
#[test]
fn paths_at_intermediate_times() {
    let (dims, x) = ([2, 3], [1u8, 0]);
    let rates = Rates::new(random_rates(&dims, 23)).unwrap();
    let noise = Noise::new(rates.clone(), Schedule::geometric(0.1, 4.0, 0.9).unwrap());
    let paths = noise.paths(repeat(&x).view(), 0.0, 0.9, &Streams::new(4)).unwrap();
    let mut middle = repeat(&x);
    for (path, mut state) in paths.iter().zip(middle.outer_iter_mut()) {
        path.jumps.iter().filter(|jump| jump.time <= 0.5).for_each(|jump| state[jump.site] = jump.state);
    }
    let law = |noise: &Noise, t| kernel_matrix(&noise.kernel(0.0, t).unwrap()).unwrap().row(3).to_vec();
    let mean = noise.schedule().integral(0.9).unwrap() / 0.9;
    let uniform = Noise::new(rates, Schedule::constant(mean).unwrap());
    assert_eq!(index_of(&x, &dims), 3);
    assert_law(&counts(&middle, &dims), &law(&noise, 0.5), &law(&uniform, 0.5));
}
