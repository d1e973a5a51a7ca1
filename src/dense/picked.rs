//! Steps that move chosen sites, by enumeration of what may be chosen and drawn.
//!
//! Candidates of all sites are drawn, then some sites are chosen by score. Where the scores are those of the
//! sites, whatever was drawn, candidates of sites that stay sum to one and are left out.

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::law::states;
use crate::diffusion::reverse::Picks;
use crate::model::Configs;

/// Adds where steps that move chosen sites take the mass of each row of `y`.
pub(super) fn picked(picks: &Picks, (y, mass): (Configs<'_>, &[f64]), dims: &[usize], next: &mut [f64]) {
    for (k, &mass) in mass.iter().enumerate() {
        let row = Row::new(picks, y, k, dims);
        let drawn = if row.scores_are_of_sites() { Drawn::Chosen } else { Drawn::All };
        row.add(picks.temperature, mass, drawn, next);
    }
}

/// Whose candidates are summed over.
enum Drawn {
    /// Those of the chosen sites: what the others would have become is not seen.
    Chosen,
    /// Those of all sites.
    All,
}

/// A configuration of which `count` of the `open` sites move, with laws and scores of their candidates.
struct Row<'a> {
    x: ArrayView1<'a, u8>,
    laws: ArrayView2<'a, f64>,
    scores: ArrayView2<'a, f64>,
    open: Vec<usize>,
    dims: &'a [usize],
    count: usize,
}

impl<'a> Row<'a> {
    fn new(picks: &'a Picks, y: Configs<'a>, k: usize, dims: &'a [usize]) -> Self {
        let laws = picks.candidates.index_axis(Axis(0), k);
        let open = (0..dims.len()).filter(|&j| laws.row(j).sum() > 0.0).collect();
        let scores = picks.scores.index_axis(Axis(0), k);
        Row { x: y.index_axis_move(Axis(0), k), laws, scores, open, dims, count: picks.counts[k] }
    }

    /// First symbol that a site may get.
    fn symbol(&self, j: usize) -> usize {
        self.laws.row(j).iter().position(|p| *p > 0.0).unwrap_or(0)
    }

    /// Whether each open site has one score, whatever its candidate.
    fn scores_are_of_sites(&self) -> bool {
        let of_site = |&j: &usize| {
            let score = self.scores[[j, self.symbol(j)]];
            self.laws.row(j).iter().zip(self.scores.row(j)).all(|(p, s)| *p == 0.0 || *s == score)
        };
        self.open.iter().all(of_site)
    }

    /// Adds where `mass` goes: a sum over the sites chosen, and over candidates.
    fn add(&self, temperature: f64, mass: f64, drawn: Drawn, next: &mut [f64]) {
        let scores = |symbol: &dyn Fn(usize) -> usize| -> Vec<f64> {
            self.open.iter().map(|&j| self.scores[[j, symbol(j)]]).collect()
        };
        match drawn {
            Drawn::Chosen => {
                choices(
                    &scores(&|j| self.symbol(j)),
                    temperature,
                    self.count,
                    mass,
                    &mut vec![],
                    &mut |chosen, mass| {
                        let chosen: Vec<usize> = chosen.iter().map(|&k| self.open[k]).collect();
                        self.candidates(&chosen, mass, &mut |x, mass| next[index(x, self.dims)] += mass);
                    },
                );
            }
            Drawn::All => self.candidates(&self.open, mass, &mut |candidate, mass| {
                let scores = scores(&|j| usize::from(candidate[j]));
                choices(&scores, temperature, self.count, mass, &mut vec![], &mut |chosen, mass| {
                    let mut x = self.x.to_vec();
                    chosen.iter().map(|&k| self.open[k]).for_each(|j| x[j] = candidate[j]);
                    next[index(&x, self.dims)] += mass;
                });
            }),
        }
    }

    /// Calls `tell(x, mass)` for all candidates of `sites`, the other sites as they are.
    fn candidates(&self, sites: &[usize], mass: f64, tell: &mut dyn FnMut(&[u8], f64)) {
        let widths: Vec<usize> = sites.iter().map(|&j| self.dims[j]).collect();
        let totals: Vec<f64> = sites.iter().map(|&j| self.laws.row(j).sum()).collect();
        for index in 0..widths.iter().product() {
            let (symbols, mut x) = (states(&widths, index), self.x.to_vec());
            let mut mass = mass;
            for ((&j, &a), total) in sites.iter().zip(&symbols).zip(&totals) {
                x[j] = a;
                mass *= self.laws[[j, usize::from(a)]] / total;
            }
            if mass > 0.0 {
                tell(&x, mass);
            }
        }
    }
}

/// Place of a configuration in a table.
fn index(x: &[u8], dims: &[usize]) -> usize {
    x.iter().zip(dims).fold(0, |i, (&a, &d)| i * d + usize::from(a))
}

/// Calls `tell(chosen, probability)` for each order in which `count` of the scored are chosen without
/// replacement, each time in proportion to `e^{score/T}` among those that are left.
fn choices(
    scores: &[f64],
    temperature: f64,
    count: usize,
    mass: f64,
    chosen: &mut Vec<usize>,
    tell: &mut dyn FnMut(&[usize], f64),
) {
    let left: Vec<usize> = (0..scores.len()).filter(|k| !chosen.contains(k)).collect();
    if count == 0 || left.is_empty() {
        return tell(chosen, mass);
    }
    // The first of the largest score.
    let best = left.iter().fold(left[0], |best, &k| if scores[k] > scores[best] { k } else { best });
    let weight = |k: usize| match temperature > 0.0 && scores[best] > f64::NEG_INFINITY {
        true => ((scores[k] - scores[best]) / temperature).exp(),
        false => f64::from(u8::from(k == best)),
    };
    let total: f64 = left.iter().map(|&k| weight(k)).sum();
    for &k in left.iter().filter(|&&k| weight(k) > 0.0) {
        chosen.push(k);
        choices(scores, temperature, count - 1, mass * weight(k) / total, chosen, tell);
        chosen.pop();
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3};
    use rand::RngExt;

    use super::*;
    use crate::Streams;

    /// Random laws with zeros, scores of sites with ties and −∞: candidates left out or not, at temperatures
    /// with and without ties. Scores that depend on the candidate are told apart, and would give another law.
    #[test]
    fn candidates_that_stay_sum_out() {
        let mut rng = Streams::new(1).domain("picked").stream(0);
        let dims = [2, 3, 2, 3];
        let size = dims.iter().product();
        let mut far = 0;
        for case in 0..200 {
            let x = Array2::from_shape_fn((1, 4), |(_, j)| rng.random_range(0..dims[j]) as u8);
            let mut candidates = Array3::zeros((1, 4, 3));
            for (j, &d) in dims.iter().enumerate() {
                let open = rng.random_bool(0.8);
                for a in 0..d {
                    let possible = open && rng.random_bool(0.8);
                    candidates[[0, j, a]] = if possible { rng.random() } else { 0.0 };
                }
            }
            let of_site: Vec<f64> =
                (0..4).map(|_| [0.0, 0.0, -0.7, 1.3, f64::NEG_INFINITY][rng.random_range(0..5)]).collect();
            let mut picks = Picks {
                scores: Array3::from_shape_fn((1, 4, 3), |(_, j, _)| of_site[j]),
                candidates,
                temperature: [0.0, 0.5, 1.0][case % 3],
                counts: vec![rng.random_range(0..4)],
            };
            let law = |picks: &Picks, drawn: Drawn| {
                let mut law = vec![0.0; size];
                Row::new(picks, x.view(), 0, &dims).add(picks.temperature, 0.7, drawn, &mut law);
                law
            };
            let apart = |picks: &Picks| {
                let (a, b) = (law(picks, Drawn::Chosen), law(picks, Drawn::All));
                assert!((b.iter().sum::<f64>() - 0.7).abs() < 1e-14);
                a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
            };
            assert!(Row::new(&picks, x.view(), 0, &dims).scores_are_of_sites());
            assert!(apart(&picks) < 1e-14);
            picks.scores.mapv_inplace(|score| score + rng.random::<f64>());
            if !Row::new(&picks, x.view(), 0, &dims).scores_are_of_sites() {
                far += usize::from(apart(&picks) > 1e-3);
            }
        }
        assert!(far > 20, "{far}");
    }
}
