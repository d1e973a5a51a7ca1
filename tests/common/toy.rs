//! A model that is a table over all configurations: every law by enumeration, in a few lines.

use ndarray::{Array1, Array2};
use rand::RngExt;
use tensorjump::model::check_configs;
use tensorjump::{Configs, Error, Model, Result, Samples, SiteWeights, Stream, Streams, Target};

use crate::common::{all_configs, index_of};

/// `q(x|w) ∝ p(x) ∏_j w_j(x_j)^power`. Power 1 is the Bayes posterior; any other is a known law that is not
/// one.
pub struct Toy {
    dims: Vec<usize>,
    /// Normalised; zeros allowed.
    pub p: Vec<f64>,
    configs: Array2<u8>,
    power: f64,
}

impl Toy {
    pub fn new(dims: &[usize], table: &[f64], power: f64) -> Self {
        let sum: f64 = table.iter().sum();
        let p = table.iter().map(|v| v / sum).collect();
        Toy { dims: dims.to_vec(), p, configs: all_configs(dims), power }
    }

    /// `q(·|w)` for one row, or `None` for zero evidence.
    pub fn law(&self, w: &SiteWeights<'_>, row: usize) -> Option<Vec<f64>> {
        let weights = |(j, &d): (usize, &usize)| (0..d).map(|a| w.get(row, j, a).powf(self.power)).collect();
        let weights: Vec<Vec<f64>> = self.dims.iter().enumerate().map(weights).collect();
        let weight = |(x, p): (ndarray::ArrayView1<'_, u8>, &f64)| {
            x.iter().zip(&weights).fold(*p, |p, (&a, w)| p * w[usize::from(a)])
        };
        let mut law: Vec<f64> = self.configs.outer_iter().zip(&self.p).map(weight).collect();
        let sum: f64 = law.iter().sum();
        law.iter_mut().for_each(|v| *v /= sum);
        (sum > 0.0).then_some(law)
    }

    fn laws(&self, w: &SiteWeights<'_>, n: usize) -> Result<Vec<Vec<f64>>> {
        w.check(&self.dims, Some(n))?;
        (0..n).map(|row| self.law(w, row).ok_or(Error::ZeroEvidence { row })).collect()
    }
}

impl Target for Toy {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        Ok(x.outer_iter().map(|x| self.p[index_of(x, &self.dims)].ln()).collect())
    }

    fn initial(&self, _: &mut Stream) -> Option<Array1<u8>> {
        self.p.iter().position(|&p| p > 0.0).map(|i| self.configs.row(i).to_owned())
    }
}

impl Toy {
    fn draw(&self, laws: &[Vec<f64>], streams: &Streams) -> Samples {
        let n = laws.len();
        let mut samples = Samples { x: Array2::zeros((n, self.dims.len())), log_prob: Array1::zeros(n) };
        for (row, law) in laws.iter().enumerate() {
            let mut u: f64 = streams.domain("model").stream(row).random();
            let last = law.iter().rposition(|&p| p > 0.0).unwrap();
            let chosen = (0..last)
                .find(|&i| {
                    u -= law[i];
                    u < 0.0
                })
                .unwrap_or(last);
            samples.x.row_mut(row).assign(&self.configs.row(chosen));
            samples.log_prob[row] = law[chosen].ln();
        }
        samples
    }

    fn score(&self, x: Configs<'_>, laws: &[Vec<f64>]) -> Array1<f64> {
        x.outer_iter().zip(laws).map(|(x, law)| law[index_of(x, &self.dims)].ln()).collect()
    }
}

impl Model for Toy {
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        Ok(self.draw(&self.laws(w, n)?, streams))
    }

    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        Ok(self.score(x, &self.laws(w, x.nrows())?))
    }

    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)> {
        check_configs(old, &self.dims)?;
        let laws = self.laws(w, old.nrows())?;
        Ok((self.draw(&laws, streams), self.score(old, &laws)))
    }
}
