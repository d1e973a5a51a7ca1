//! Small laws for tests, with their tables by direct multiplication of the tensors, and site weights of every
//! form.
#![allow(dead_code)]

use ndarray::{Array2, Array3};
use rand::RngExt;
use tensorjump::tn::Mps;
use tensorjump::{Configs, SiteWeights, Stream, Streams};

use super::common::all_configs;

/// `v(x)` for every configuration by multiplying the tensors one after the other.
pub fn table(mps: &Mps) -> Vec<f64> {
    let value = |x: ndarray::ArrayView1<'_, u8>| {
        let mut v = vec![mps.log_scale().exp()];
        for (a, &x) in mps.tensors().iter().zip(x) {
            let (l, _, r) = a.dim();
            v = (0..r).map(|k| (0..l).map(|i| v[i] * a[[i, x.into(), k]]).sum()).collect();
        }
        v[0]
    };
    all_configs(mps.dims()).outer_iter().map(value).collect()
}

/// Local dimensions and bond of the small systems.
pub fn systems() -> Vec<(Vec<usize>, usize)> {
    vec![(vec![2; 7], 4), (vec![2, 3, 2, 4, 3], 5), (vec![3; 5], 3), (vec![4; 4], 6), (vec![3], 1), (vec![2, 2], 9)]
}

pub fn stream(name: &str) -> Stream {
    Streams::new(20_261_122).domain(name).stream(0)
}

/// Weights of one form, owning their arrays.
pub enum Weights {
    Uniform,
    Shared(Array2<f64>),
    Observed { tables: Array3<f64>, dims_in: Vec<usize>, dims_out: Vec<usize>, y: Array2<u8> },
    PerRow(Array3<f64>),
}

impl Weights {
    pub fn get(&self) -> SiteWeights<'_> {
        match self {
            Weights::Uniform => SiteWeights::Uniform,
            Weights::Shared(w) => SiteWeights::Shared(w.view()),
            Weights::Observed { tables, dims_in, dims_out, y } => {
                SiteWeights::Observed { tables: tables.view(), dims_in, dims_out, y: y.view() }
            }
            Weights::PerRow(w) => SiteWeights::PerRow(w.view()),
        }
    }
}

/// Weights of every form for `rows` rows: asymmetric, with an occasional zero and (observed) one symbol more
/// than the states. Rows repeat with period `period`, so that a batch can hold every configuration under each
/// of them.
pub fn every_form(dims: &[usize], rows: usize, period: usize, rng: &mut Stream) -> Vec<Weights> {
    let d_max = *dims.iter().max().unwrap();
    let n = dims.len();
    let mut weight = |j: usize, a: usize| {
        if a >= dims[j] {
            return 0.0;
        }
        let u: f64 = rng.random();
        if u < 0.05 && a > 0 { 0.0 } else { u * u }
    };
    let shared = Array2::from_shape_fn((n, d_max), |(j, a)| weight(j, a));
    let tables = Array3::from_shape_fn((n, d_max, d_max + 1), |(j, a, b)| if b > dims[j] { 0.0 } else { weight(j, a) });
    let few = Array3::from_shape_fn((period, n, d_max), |(_, j, a)| weight(j, a));
    let per_row = Array3::from_shape_fn((rows, n, d_max), |(i, j, a)| few[[i % period, j, a]]);
    let few = Array2::from_shape_fn((period, n), |(_, j)| rng.random_range(0..=dims[j] as u8));
    let y = Array2::from_shape_fn((rows, n), |(i, j)| few[[i % period, j]]);
    let dims_out = dims.iter().map(|d| d + 1).collect();
    vec![
        Weights::Uniform,
        Weights::Shared(shared),
        Weights::Observed { tables, dims_in: dims.to_vec(), dims_out, y },
        Weights::PerRow(per_row),
    ]
}

/// Law over all configurations under the weights of `row`, normalised, and the sum before normalisation.
pub fn tilted_law(p: &[f64], dims: &[usize], w: &SiteWeights<'_>, row: usize) -> (Vec<f64>, f64) {
    let x = all_configs(dims);
    let weigh = |(p, x): (&f64, ndarray::ArrayView1<'_, u8>)| {
        p * x.iter().enumerate().map(|(j, &a)| w.get(row, j, a.into())).product::<f64>()
    };
    let law: Vec<f64> = p.iter().zip(x.outer_iter()).map(weigh).collect();
    let total: f64 = law.iter().sum();
    (law.iter().map(|p| p / total).collect(), total)
}

/// Each configuration `period` times in a row.
pub fn repeated(x: Configs<'_>, period: usize) -> Array2<u8> {
    Array2::from_shape_fn((x.nrows() * period, x.ncols()), |(i, j)| x[[i / period, j]])
}
