//! Golden values: a seed means the same draws in every version. Configurations to the bit; log-probabilities
//! to 1e-12, because the order of a sum follows the width of the machine's vectors.
//!
//! Changing these numbers is a change of behaviour that belongs into the changelog.

use ndarray::{Array1, Array2};
use rand::Rng;
use tensorjump::model::{BornMps, Boundary, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Model, Streams};

/// One digit a site, one word a row.
fn digits(x: &Array2<u8>) -> String {
    let row = |x: ndarray::ArrayView1<'_, u8>| x.iter().map(|a| char::from(b'0' + a)).collect::<String>();
    x.outer_iter().map(row).collect::<Vec<_>>().join(" ")
}

fn assert_golden(x: &Array2<u8>, log_prob: &Array1<f64>, expected: &str, logs: &[f64]) {
    assert_eq!(digits(x), expected, "log-probabilities {:?}", log_prob.to_vec());
    assert_eq!(log_prob.len(), logs.len(), "{:?}", log_prob.to_vec());
    for (got, log) in log_prob.iter().zip(logs) {
        assert!((got / log - 1.0).abs() < 1e-12, "{got:?} against {log:?}");
    }
}

/// Plain and tilted draws of four rows, as `(plain, plain logs, tilted, tilted logs)`.
fn check(model: &dyn Model, plain: (&str, [f64; 4]), tilted: (&str, [f64; 4])) {
    let streams = Streams::new(20_260_101);
    let draws = model.draw(4, &streams.step(1)).unwrap();
    let kernel = Noise::new(Rates::uniform(model.dims(), 0.8).unwrap(), Schedule::default()).kernel(0.0, 0.7).unwrap();
    let again = model.sample(&kernel.likelihood(draws.x.view()), 4, &streams.step(2)).unwrap();
    assert_golden(&draws.x, &draws.log_prob, plain.0, &plain.1);
    assert_golden(&again.x, &again.log_prob, tilted.0, &tilted.1);
}

#[test]
fn streams() {
    let mut rng = Streams::new(1).domain("model").step(3).stream(5);
    let words: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
    assert_eq!(words, [9_728_115_003_475_496_978, 9_265_648_621_817_804_928, 5_785_669_479_439_188_030]);
    assert_eq!(Streams::new(0).stream(0).next_u64(), 15_438_444_565_445_410_878);
}

#[test]
fn noise() {
    let noise = Noise::new(Rates::mask(&[2, 3, 4, 2, 3, 4, 2, 3], 0.9).unwrap(), Schedule::default());
    let x = Array2::from_shape_fn((4, 8), |(i, j)| ((i + j) % 2) as u8);
    let masked = noise.kernel(0.0, 0.5).unwrap().sample(x.view(), &Streams::new(20_260_101)).unwrap();
    assert_eq!(digits(&masked), "01423401 20421020 21420101 13401013");
    let noise = Noise::new(Rates::binary_flip(8, 1.0, 0.3).unwrap(), Schedule::default());
    let flipped = noise.kernel(0.0, 0.5).unwrap().sample(x.view(), &Streams::new(20_260_101)).unwrap();
    assert_eq!(digits(&flipped), "01111100 10111010 11110101 11101011");
}

#[test]
fn positive_law() {
    let model = PositiveMps::random(&[2, 3, 2, 4, 2, 3, 2, 2], 5, &mut Streams::new(11).stream(0)).unwrap();
    check(
        &model,
        (
            "00001010 01110200 11021100 02010100",
            [-7.476473235196933, -6.085282395913862, -6.781150986952119, -6.098673187720717],
        ),
        (
            "02001000 00100200 00121101 02010001",
            [-4.424089916850966, -5.287039740954981, -7.106214582604212, -5.605372795285232],
        ),
    );
}

#[test]
fn ising_ring() {
    let j: Vec<f64> = (0..12).map(|j| 0.5 + 0.125 * f64::from(j % 5)).collect();
    let h: Vec<f64> = (0..12).map(|j| 0.25 - 0.0625 * f64::from(j)).collect();
    let model = PositiveMps::ising(0.75, &j, &h, Boundary::Ring).unwrap();
    check(
        &model,
        (
            "111010111111 000000000000 110011000000 111100000001",
            [-9.451811853719239, -3.0768118537192386, -6.451811853719239, -4.858061853719238],
        ),
        (
            "101110111111 000000000000 111000010000 111100000001",
            [-5.869891177724643, -0.4797391780012825, -7.605900948213275, -1.2959221912844503],
        ),
    );
}

#[test]
fn born_law() {
    let model = BornMps::random(&[2, 3, 2, 4, 2, 3, 2, 2], 5, &mut Streams::new(12).stream(0)).unwrap();
    check(
        &model,
        (
            "02001110 00100001 00021000 01101101",
            [-6.68287269344157, -5.6007332933557255, -6.903523115043433, -4.470416879975281],
        ),
        (
            "02001100 02100000 01111111 01101101",
            [-2.1917359975110644, -4.795211564867471, -9.952525145124413, -0.8107576564934829],
        ),
    );
}
