//! Random cases, and asymmetric data for tests, fixed by a seed.

use ndarray::Array2;
use rand::RngExt;
use tensorjump::dense::DenseLaw;
use tensorjump::{Stream, Streams};

/// Checks a property for so many random cases; the number of one that fails is printed.
///
/// `check(&mut random_case(number))` repeats it.
pub fn random_cases(cases: usize, check: impl Fn(&mut Stream)) {
    for case in 0..cases {
        let run = std::panic::AssertUnwindSafe(|| check(&mut random_case(case)));
        if let Err(failure) = std::panic::catch_unwind(run) {
            eprintln!("random case {case} of {cases} failed");
            std::panic::resume_unwind(failure);
        }
    }
}

/// The draws of one case of [`random_cases`].
pub fn random_case(case: usize) -> Stream {
    Streams::new(2407).domain("random cases").stream(case)
}

/// One asymmetric rate matrix a site, rates between 0.05 and 1.
pub fn random_rates(dims: &[usize], seed: u64) -> Vec<Array2<f64>> {
    let mut stream = Streams::new(seed).domain("test rates").stream(0);
    let mut matrix = |d: usize| {
        let mut q = Array2::from_shape_fn((d, d), |_| 0.05 + 0.95 * stream.random::<f64>());
        for a in 0..d {
            q[[a, a]] = 0.0;
            q[[a, a]] = -q.row(a).sum();
        }
        q
    };
    dims.iter().map(|&d| matrix(d)).collect()
}

/// A law without structure, probabilities between 0.1 and 1 before normalisation.
pub fn random_law(dims: &[usize], seed: u64) -> DenseLaw {
    let mut stream = Streams::new(seed).domain("test law").stream(0);
    let weights: Vec<f64> = (0..dims.iter().product()).map(|_| 0.1 + 0.9 * stream.random::<f64>()).collect();
    DenseLaw::new(dims, &weights).unwrap()
}
