//! Stationary Markov chains of which much is known exactly at any length: marginals at every distance,
//! entropies of random subsets, the divergence of samplers that draw one site after the other.

use ndarray::{Array1, Array2, Array3, Axis, s};
use rand::RngExt;
use rayon::prelude::*;
use tensorjump::diffusion::Denoiser;
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::noise::Noise;
use tensorjump::{Configs, Result, Streams};

/// Deviation from the stationary law at which a chain has forgotten where it was.
const FORGOTTEN: f64 = 1e-13;

/// Distances at most until then.
const MAX_LAG: usize = 4096;

/// A chain with positive transition probabilities `M(a, b)`, started from its stationary law `π`.
#[derive(Debug, Clone)]
pub struct Chain {
    stationary: Array1<f64>,
    /// `M^r`, `r = 1, 2, …` until the chain has forgotten.
    powers: Vec<Array2<f64>>,
}

impl Chain {
    /// The chain with these weights of transitions, rows normalised.
    pub fn new(weights: &Array2<f64>) -> Self {
        let step = weights / &weights.sum_axis(Axis(1)).insert_axis(Axis(1));
        let mut powers = vec![step.clone()];
        loop {
            let last = &powers[powers.len() - 1];
            let mean = last.mean_axis(Axis(0)).unwrap_or_default();
            let spread = last.outer_iter().flat_map(|row| (&row - &mean).mapv(f64::abs).to_vec()).fold(0.0, f64::max);
            if spread < FORGOTTEN || powers.len() == MAX_LAG {
                return Chain { stationary: &mean / mean.sum(), powers };
            }
            let next = last.dot(&step);
            powers.push(next);
        }
    }

    /// A chain of 27 symbols of our own making, in the manner of text: symbol 0 a space, five vowels, 21
    /// consonants; `M(a, b) ∝ f_b k(a, b) e^{g_ab}` with `f_b = 1/(1 + rank)`, `k` 6 from consonants to vowels,
    /// 4 from vowels to consonants, 1/2 between vowels, 1/20 from space to space, else 1, and `g` uniform in
    /// (−1.5, 1.5).
    pub fn letters(seed: u64) -> Self {
        let mut stream = Streams::new(seed).domain("letters").stream(0);
        let kind = |a: usize| if a == 0 { 0 } else { 1 + usize::from(a > 5) };
        let weight = |(a, b): (usize, usize)| {
            let follows = match (kind(a), kind(b)) {
                (2, 1) => 6.0,
                (1, 2) => 4.0,
                (1, 1) => 0.5,
                (0, 0) => 0.05,
                _ => 1.0,
            };
            let rank = if b == 0 { 0 } else { 1 + (b * 7) % 26 };
            follows / (1.0 + rank as f64) * (3.0 * stream.random::<f64>() - 1.5).exp()
        };
        Chain::new(&Array2::from_shape_fn((27, 27), weight))
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        self.stationary.len()
    }

    /// `π`.
    pub fn stationary(&self) -> &Array1<f64> {
        &self.stationary
    }

    /// `M^r`, `r ≥ 1`; the same from where the chain has forgotten on.
    pub fn lag(&self, r: usize) -> &Array2<f64> {
        &self.powers[r.clamp(1, self.powers.len()) - 1]
    }

    /// The law of `sites` sites.
    ///
    /// # Errors
    /// As [`PositiveMps::chain`].
    pub fn law(&self, sites: usize) -> Result<PositiveMps> {
        let flat = vec![0.0; self.states()];
        let first = self.stationary.mapv(f64::ln).to_vec();
        let sites: Vec<_> = (0..sites).map(|j| if j == 0 { first.clone() } else { flat.clone() }).collect();
        PositiveMps::chain(&sites, &vec![self.lag(1).mapv(f64::ln); sites.len() - 1], Boundary::Open)
    }

    /// `H(x_{j+r} | x_j)` in nats.
    pub fn conditional_entropy(&self, r: usize) -> f64 {
        self.stationary.iter().zip(self.lag(r).outer_iter()).map(|(p, row)| p * entropy(row.iter())).sum()
    }

    /// `−Σ P log P` of `sites` sites, in nats.
    pub fn entropy(&self, sites: usize) -> f64 {
        entropy(self.stationary.iter()) + (sites as f64 - 1.0) * self.conditional_entropy(1)
    }

    /// The mean entropy `h(m)` of `m` random sites among `sites`, `m = 0 … N`: a gap of `l` stands
    /// `(N − l) C(N − l − 1, m − 2)/C(N, m)` times between neighbours of a subset in the mean.
    pub fn subset_entropies(&self, sites: usize) -> Vec<f64> {
        let lags: Vec<f64> = (1..=sites).map(|l| self.conditional_entropy(l)).collect();
        let n = sites as f64;
        let mean = |m: usize| {
            let (mut sum, mut weight) = (0.0, (m * (m - 1)) as f64 / n);
            for (l, lag) in (1..).zip(&lags).take(sites + 1 - m) {
                sum += weight * lag;
                weight *= (sites + 1 - m - l) as f64 / (sites - l).max(1) as f64;
            }
            entropy(self.stationary.iter()) + sum
        };
        [0.0].into_iter().chain((1..=sites).map(mean)).collect()
    }

    /// `KL(P ‖ law)` given the order, in nats, in the mean over the orders, where one site after the other is
    /// drawn from `changed` of its exact conditional given what is known: by the chain rule, over the nearest
    /// known sites on both sides and their distances. The law, a mixture over orders, is nearer than that.
    pub fn random_order_divergence(&self, sites: usize, changed: &dyn Fn(&[f64]) -> Vec<f64>) -> f64 {
        let (n, far) = (sites, self.powers.len());
        // With n masked between: the last to be drawn of n + 1, n + 2, n + 3 sites at random times.
        let none = |n: usize| 1.0 / (n + 1) as f64;
        let one = |n: usize| none(n) / (n + 2) as f64;
        let both = |n: usize| 2.0 * one(n) / (n + 3) as f64;
        let pi = &self.stationary;
        let gap = |law: &[f64]| divergence(law, &changed(law));
        let mut sum = gap(pi.as_slice().unwrap_or(&[])); // N sites, each first with 1/N
        let (mut left, mut right) = (vec![0.0; far + 1], vec![0.0; far + 1]);
        let mut pairs = Array2::<f64>::zeros((far + 1, far + 1));
        for r in 1..n {
            let weight: f64 = (1..=n - r).map(|j| one(j - 1 + r - 1)).sum();
            left[r.min(far)] += weight;
            right[r.min(far)] += weight;
            for l in 1..n - r {
                pairs[[l.min(far), r.min(far)]] += (n - l - r) as f64 * both(l + r - 2);
            }
        }
        for r in 1..=far {
            let m = self.lag(r);
            let forward: f64 = pi.iter().zip(m.outer_iter()).map(|(p, row)| p * gap(&row.to_vec())).sum();
            let backward = |b: usize| -> Vec<f64> { (0..pi.len()).map(|a| pi[a] * m[[a, b]] / pi[b]).collect() };
            let backward: f64 = (0..pi.len()).map(|b| pi[b] * gap(&backward(b))).sum();
            sum += left[r] * forward + right[r] * backward;
        }
        for ((l, r), weight) in pairs.indexed_iter().filter(|(_, weight)| **weight > 0.0) {
            let (to, from) = (self.lag(l), self.lag(r));
            for a in 0..pi.len() {
                for b in 0..pi.len() {
                    let law: Vec<f64> = (0..pi.len()).map(|x| to[[a, x]] * from[[x, b]]).collect();
                    let total: f64 = law.iter().sum();
                    let law: Vec<f64> = law.iter().map(|p| p / total).collect();
                    sum += weight * pi[a] * total * gap(&law);
                }
            }
        }
        sum
    }
}

/// The exact denoiser of a chain under masks: `c_j(x) ∝ M^l(a, x) M^r(x, b)` between the nearest known
/// sites, `a` at distance `l` and `b` at `r`. `O(N d)` a row, where the passes of a matrix-product law take
/// `O(N d³)`.
pub struct Between<'a> {
    chain: &'a Chain,
    noise: &'a Noise,
}

impl<'a> Between<'a> {
    /// Of a chain as long as the noise has sites, all of them masked at one rate.
    pub fn new(chain: &'a Chain, noise: &'a Noise) -> Self {
        Between { chain, noise }
    }
}

impl Denoiser for Between<'_> {
    fn noise(&self) -> &Noise {
        self.noise
    }

    fn cavities(&self, _: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let d = self.chain.states();
        let mut cavities = Array3::zeros((y.nrows(), y.ncols(), d));
        let rows = cavities.outer_iter_mut().into_par_iter().zip(y.outer_iter().into_par_iter());
        rows.for_each(|(mut cavities, y)| {
            let known = |j: &usize| usize::from(y[*j]) < d;
            let mut right: Vec<Option<usize>> = vec![None; y.len()];
            for j in (0..y.len() - 1).rev() {
                right[j] = if known(&(j + 1)) { Some(j + 1) } else { right[j + 1] };
            }
            let mut left = None;
            for (j, mut c) in cavities.outer_iter_mut().enumerate() {
                match left {
                    Some(i) => c.assign(&self.chain.lag(j - i).row(y[i].into())),
                    None => c.assign(&self.chain.stationary),
                }
                if let Some(k) = right[j] {
                    c *= &self.chain.lag(k - j).column(y[k].into());
                    c /= c.sum();
                }
                left = if known(&j) { Some(j) } else { left };
            }
        });
        Ok(cavities)
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let (alpha, d) = (self.noise.signal(t)?, self.chain.states());
        let mut p = Array3::from_elem((y.nrows(), y.ncols(), d + 1), 1.0 - alpha);
        p.slice_mut(s![.., .., ..d]).assign(&(self.cavities(t, y)? * alpha));
        Ok(p)
    }
}

/// `−Σ p log p` in nats.
pub fn entropy<'a>(p: impl Iterator<Item = &'a f64>) -> f64 {
    p.filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum()
}

/// `Σ p log(p/q)` in nats.
pub fn divergence(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln()).sum()
}

/// A law to the power `1/T`.
pub fn tempered(p: &[f64], temperature: f64) -> Vec<f64> {
    let powers: Vec<f64> = p.iter().map(|p| p.powf(1.0 / temperature)).collect();
    let total: f64 = powers.iter().sum();
    powers.iter().map(|p| p / total).collect()
}

#[cfg(test)]
mod tests {
    use tensorjump::Target;
    use tensorjump::dense::DenseLaw;
    use tensorjump::diffusion::ExactDenoiser;
    use tensorjump::noise::Rates;

    use super::*;

    /// Sums of some 10³ terms.
    const TOLERANCE: f64 = 1e-12;
    const SITES: usize = 5;

    fn chain() -> Chain {
        Chain::new(&ndarray::array![[0.2, 1.0, 0.4], [2.0, 0.1, 0.5], [0.3, 0.9, 1.7]])
    }

    /// Marginal of a table on the sites of a mask.
    fn marginal(law: &DenseLaw, sites: &[usize]) -> std::collections::BTreeMap<Vec<u8>, f64> {
        let mut sums = std::collections::BTreeMap::new();
        for (i, p) in law.p().iter().enumerate() {
            let x = law.config(i);
            *sums.entry(sites.iter().map(|&j| x[j]).collect()).or_insert(0.0) += p;
        }
        sums
    }

    #[test]
    fn entropies_of_subsets_are_those_of_the_table() {
        let chain = chain();
        let law = DenseLaw::of(&chain.law(SITES).unwrap()).unwrap();
        let (table, ours) = (law.subset_entropies().unwrap(), chain.subset_entropies(SITES));
        assert!(table.iter().zip(&ours).all(|(a, b)| (a - b).abs() < TOLERANCE), "{table:?} {ours:?}");
        assert!((ours[SITES] - chain.entropy(SITES)).abs() < TOLERANCE);
        // The twin: independent sites.
        assert!((table[3] - 3.0 * table[1]).abs() > 0.01);
    }

    /// Over all orders and all that is known, from the table.
    #[test]
    fn the_divergence_of_random_order_is_the_mean_over_the_orders() {
        let chain = chain();
        let law = DenseLaw::of(&chain.law(SITES).unwrap()).unwrap();
        let changed = |p: &[f64]| tempered(p, 0.6);
        let mut sum = 0.0;
        for known in 0..1usize << SITES {
            let sites: Vec<usize> = (0..SITES).filter(|j| known >> j & 1 == 1).collect();
            // The share of orders in which these come first, and then j.
            let binomial = (0..sites.len()).fold(1.0, |c, k| c * (SITES - k) as f64 / (k + 1) as f64);
            let share = 1.0 / (binomial * (SITES - sites.len()).max(1) as f64);
            for j in (0..SITES).filter(|j| known >> j & 1 == 0) {
                let joint = marginal(&law, &[&sites[..], &[j]].concat());
                for (y, p) in marginal(&law, &sites) {
                    let conditional: Vec<f64> =
                        (0..law.dims()[j] as u8).map(|a| joint[&[&y[..], &[a]].concat()] / p).collect();
                    sum += share * p * divergence(&conditional, &changed(&conditional));
                }
            }
        }
        let ours = chain.random_order_divergence(SITES, &changed);
        assert!((ours - sum).abs() < TOLERANCE, "{ours} {sum}");
        assert!(chain.random_order_divergence(SITES, &|p| p.to_vec()).abs() < TOLERANCE);
        // The twin: left to right.
        let pi = chain.stationary().to_vec();
        let rows: f64 = pi
            .iter()
            .zip(chain.lag(1).outer_iter())
            .map(|(p, row)| p * divergence(&row.to_vec(), &changed(&row.to_vec())))
            .sum();
        let ordered = divergence(&pi, &changed(&pi)) + (SITES - 1) as f64 * rows;
        assert!((ordered - sum).abs() > 0.01, "{ordered} {sum}");
    }

    /// Every configuration of five sites, against the passes of the matrix-product law.
    #[test]
    fn between_known_sites_is_the_exact_denoiser() {
        let chain = chain();
        let noise = Noise::from(Rates::mask(&[3; SITES], 0.8).unwrap());
        let exact = ExactDenoiser::new(chain.law(SITES).unwrap(), &noise).unwrap();
        let y = Array2::from_shape_fn((1024, SITES), |(i, j)| (i >> (2 * j) & 3) as u8);
        let (ours, between) = (exact.cavities(0.7, y.view()).unwrap(), Between::new(&chain, &noise));
        let far = |a: &Array3<f64>, b: &Array3<f64>| (a - b).iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        assert!(far(&between.cavities(0.7, y.view()).unwrap(), &ours) < TOLERANCE);
        let (p, q) = (between.conditional_marginals(0.7, y.view()), exact.conditional_marginals(0.7, y.view()));
        assert!(far(&p.unwrap(), &q.unwrap()) < TOLERANCE);
        // The twin: the chain backwards.
        let backwards = Chain::new(&chain.lag(1).t().to_owned());
        assert!(far(&Between::new(&backwards, &noise).cavities(0.7, y.view()).unwrap(), &ours) > 0.1);
    }

    #[test]
    fn letters_are_a_chain_that_forgets() {
        let letters = Chain::letters(1);
        assert!(letters.powers.len() < 200, "{}", letters.powers.len());
        assert!((letters.stationary().sum() - 1.0).abs() < TOLERANCE);
        let moved = letters.stationary().dot(letters.lag(1)) - letters.stationary();
        assert!(moved.iter().all(|v| v.abs() < TOLERANCE));
        assert!((1.5..3.2).contains(&letters.conditional_entropy(1)), "{}", letters.conditional_entropy(1));
    }
}
