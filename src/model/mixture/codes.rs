//! Configurations packed for additive scores: neighbouring sites in groups of at most 256 joint states, one
//! look-up a group.

use std::ops::Range;

use ndarray::Array2;

use crate::model::Configs;

/// A fixed set of configurations, group-major.
#[derive(Debug, Clone)]
pub(crate) struct Codes {
    dims: Vec<usize>,
    groups: Vec<Range<usize>>,
    /// `codes[g · n + i]`: the joint state of the sites of group `g` in configuration `i`, first site most
    /// significant.
    codes: Vec<u8>,
    n: usize,
}

impl Codes {
    /// Packs checked configurations of `dims[j]` states each.
    pub(crate) fn new(x: Configs<'_>, dims: &[usize]) -> Self {
        // A table larger than the set of configurations would not pay.
        let limit = x.nrows().min(256);
        let (mut groups, mut first) = (Vec::new(), 0);
        while first < dims.len() {
            let mut size = dims[first];
            let mut end = first + 1;
            while end < dims.len() && size * dims[end] <= limit {
                size *= dims[end];
                end += 1;
            }
            groups.push(first..end);
            first = end;
        }
        let code = |g: &Range<usize>, i: usize| {
            g.clone().fold(0, |code, j| code * dims[j] + usize::from(x[[i, j]])) as u8 // below 256
        };
        let codes = groups.iter().flat_map(|g| (0..x.nrows()).map(move |i| code(g, i))).collect();
        Codes { dims: dims.to_vec(), groups, codes, n: x.nrows() }
    }

    /// Adds `Σ_j value(j, x_i^j)` to each entry of `sums`.
    pub(crate) fn add(&self, value: impl Fn(usize, usize) -> f64, sums: &mut [f64]) {
        let (mut table, mut values) = ([0.0; 256], [0.0; 256]);
        for (group, codes) in self.groups.iter().zip(self.codes.chunks_exact(self.n)) {
            let mut size = 1;
            table[0] = 0.0;
            for j in group.clone() {
                let d = self.dims[j];
                values[..d].iter_mut().enumerate().for_each(|(a, v)| *v = value(j, a));
                // From the back, so that nothing is overwritten before it is read.
                (0..size * d).rev().for_each(|code| table[code] = table[code / d] + values[code % d]);
                size *= d;
            }
            sums.iter_mut().zip(codes).for_each(|(sum, &code)| *sum += table[usize::from(code)]);
        }
    }

    /// Calls `visit(j, a, Σ_{i: x_i^j = a} p_i)` for each site and state.
    pub(crate) fn totals(&self, p: &[f64], mut visit: impl FnMut(usize, usize, f64)) {
        for (group, codes) in self.groups.iter().zip(self.codes.chunks_exact(self.n)) {
            let mut bins = [0.0; 256];
            codes.iter().zip(p).for_each(|(&code, p)| bins[usize::from(code)] += p);
            let size: usize = self.dims[group.clone()].iter().product();
            let mut stride = size;
            for j in group.clone() {
                stride /= self.dims[j];
                let mut sums = vec![0.0; self.dims[j]];
                (0..size).for_each(|code| sums[code / stride % self.dims[j]] += bins[code]);
                sums.iter().enumerate().for_each(|(a, &sum)| visit(j, a, sum));
            }
        }
    }
}

/// The distinct rows in lexicographic order, and the place of each row among them.
pub(crate) fn distinct(x: Configs<'_>) -> (Array2<u8>, Vec<usize>) {
    let mut order: Vec<usize> = (0..x.nrows()).collect();
    order.sort_by(|&i, &k| x.row(i).iter().cmp(x.row(k).iter()));
    let mut place = vec![0; x.nrows()];
    let mut kept: Vec<usize> = Vec::new();
    for &i in &order {
        if kept.last().is_none_or(|&k| x.row(k) != x.row(i)) {
            kept.push(i);
        }
        place[i] = kept.len() - 1;
    }
    (x.select(ndarray::Axis(0), &kept), place)
}
