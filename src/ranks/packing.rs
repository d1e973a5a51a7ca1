//! Configurations as numbers: 52 bits of states in each, which are exact integers in double precision.

use ndarray::Array2;

use super::agreement::{Message, garbled};
use crate::error::Result;
use crate::model::{Configs, check_configs};

const BITS: u32 = 52;

/// Bits that a site with `d` states needs.
fn width(d: usize) -> u32 {
    usize::BITS - d.saturating_sub(1).leading_zeros()
}

/// For each number of a row how many sites it holds: sites are never split.
fn fields(dims: &[usize]) -> Vec<usize> {
    let (mut fields, mut used) = (vec![], BITS);
    for &d in dims {
        if used + width(d) > BITS || fields.is_empty() {
            fields.push(0);
            used = 0;
        }
        used += width(d);
        *fields.last_mut().expect("one was pushed") += 1;
    }
    fields
}

/// Appends configurations, shape `(rows, sites)`: 52 spins a number, each row from a number of its own.
pub(crate) fn pack(x: Configs<'_>, dims: &[usize], numbers: &mut Vec<f64>) {
    let fields = fields(dims);
    numbers.reserve(x.nrows() * fields.len());
    for x in x.outer_iter() {
        let mut sites = x.iter().zip(dims);
        for &n in &fields {
            let word = sites.by_ref().take(n).fold(0u64, |word, (&a, &d)| word << width(d) | u64::from(a));
            numbers.push(word as f64);
        }
    }
}

/// Configurations that [`pack`] has written.
pub(crate) fn unpack(message: &mut Message<'_>, rows: usize, dims: &[usize]) -> Result<Array2<u8>> {
    let fields = fields(dims);
    let mut x = Array2::zeros((rows, dims.len()));
    for mut x in x.outer_iter_mut() {
        let words = message.take(fields.len())?;
        let mut site = 0;
        for (&word, &n) in words.iter().zip(&fields) {
            let mut word = word as u64;
            for j in (site..site + n).rev() {
                let width = width(dims[j]);
                x[j] = (word & ((1 << width) - 1)) as u8;
                word >>= width;
            }
            site += n;
        }
    }
    check_configs(x.view(), dims).map_err(|_| garbled(message.rank))?;
    Ok(x)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand::RngExt;

    use super::*;
    use crate::rng::Streams;

    /// Lattices of any dimensions, among them sites of one and of 256 states, and rows that fill their last
    /// number.
    #[test]
    fn packed_configurations_come_back() {
        let mut rng = Streams::new(3).domain("packing").stream(0);
        for case in 0..200 {
            let n = if case == 0 { 52 } else { rng.random_range(1..200) };
            let dims: Vec<usize> = match case % 3 {
                0 => vec![2; n],
                1 => (0..n).map(|_| rng.random_range(1..=256)).collect(),
                _ => vec![256; n],
            };
            let x = Array2::from_shape_fn((3, n), |(_, j)| rng.random_range(0..dims[j]) as u8);
            let mut numbers = vec![];
            pack(x.view(), &dims, &mut numbers);
            assert!(numbers.iter().all(|v| *v < 2f64.powi(52)));
            if case == 0 {
                assert_eq!(numbers.len(), 3);
            }
            let mut message = Message::new(0, &numbers);
            assert_eq!(unpack(&mut message, 3, &dims).unwrap(), x);
            assert!(message.is_empty());
            assert!(unpack(&mut Message::new(0, &numbers[1..]), 3, &dims).is_err(), "the twin is not seen");
        }
    }
}
