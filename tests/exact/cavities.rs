//! Cavities against their definition where weights and laws have many zeros: defined whatever the weight of
//! the site itself.

use ndarray::{Array2, Array3, s};
use rand::RngExt;
use tensorjump::dense::DenseLaw;
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::model::{BornMps, KernelMixture, LabelLeg, Permuted, PositiveMps};
use tensorjump::{Error, ExactModel, Result, SiteWeights, Stream};

use super::common::{all_configs, law};
use super::laws::stream;

/// `Σ_{x: x_j = a} P(x) ∏_{i≠j} w_i(x_i)`, normalised over `a`; the error of the first row with a sum of zero
/// at some site.
fn by_definition(p: &[f64], dims: &[usize], w: &SiteWeights<'_>, rows: usize) -> Result<Array3<f64>> {
    let mut cavities = Array3::zeros((rows, dims.len(), *dims.iter().max().unwrap()));
    for row in 0..rows {
        for j in 0..dims.len() {
            for (p, x) in p.iter().zip(all_configs(dims).outer_iter()) {
                let others = (0..dims.len()).filter(|&i| i != j).map(|i| w.get(row, i, x[i].into()));
                cavities[[row, j, x[j].into()]] += p * others.product::<f64>();
            }
            let mut law = cavities.slice_mut(s![row, j, ..]);
            if law.sum() == 0.0 {
                return Err(Error::ZeroEvidence { row });
            }
            law /= law.sum();
        }
    }
    Ok(cavities)
}

/// Sparse weights: rows of a batch, or one table for all; every third entry is zero.
fn weights(dims: &[usize], rows: usize, rng: &mut Stream) -> Array3<f64> {
    Array3::from_shape_fn((rows, dims.len(), *dims.iter().max().unwrap()), |_| sparse(rng))
}

fn sparse(rng: &mut Stream) -> f64 {
    if rng.random::<f64>() < 0.4 { 0.0 } else { 0.1 + rng.random::<f64>() }
}

/// What happened: rows defined with evidence, defined without, undefined.
#[derive(Debug, Default)]
struct Seen([usize; 3]);

impl Seen {
    /// Compares one row at a time, and all rows at once.
    fn check<M: ExactModel>(&mut self, model: &M, p: &[f64], rng: &mut Stream, name: &str) {
        let dims = model.dims().to_vec();
        let w = weights(&dims, 3, rng);
        let whole = |w: &SiteWeights<'_>, rows: usize| {
            let (found, exact) = (model.cavities(w), by_definition(p, &dims, w, rows));
            match (&found, &exact) {
                (Ok(found), Ok(exact)) => {
                    let error = (found - exact).fold(0.0f64, |m, v| m.max(v.abs()));
                    assert!(error < 1e-12, "{name}, dims {dims:?}: {found} instead of {exact}");
                }
                _ => assert_eq!(found, exact, "{name}, dims {dims:?}, weights {w:?}"),
            }
            exact.is_ok()
        };
        whole(&SiteWeights::PerRow(w.view()), 3);
        for row in 0..3 {
            let one = SiteWeights::Shared(w.slice(s![row, .., ..]));
            let defined = whole(&one, 1);
            let evidence = model.log_evidence(&one).unwrap()[0];
            self.0[if !defined { 2 } else { usize::from(evidence == f64::NEG_INFINITY) }] += 1;
        }
    }

    fn done(self, name: &str) {
        assert!(self.0.iter().all(|&n| n > 20), "{name}: {self:?}");
    }
}

/// Random dimensions, and a table with zeros.
fn table(rng: &mut Stream) -> (Vec<usize>, Vec<f64>) {
    loop {
        let dims: Vec<usize> = (0..rng.random_range(2..5)).map(|_| rng.random_range(1..4)).collect();
        let p: Vec<f64> = (0..dims.iter().product()).map(|_| sparse(rng) * sparse(rng)).collect();
        let total: f64 = p.iter().sum();
        if total > 0.0 {
            return (dims, p.iter().map(|p| p / total).collect());
        }
    }
}

const CASES: usize = 1000;

#[test]
fn cavities_of_tables_and_matrix_products() {
    let mut rng = stream("sparse cavities");
    let [mut dense, mut positive, mut born, mut permuted] = [(); 4].map(|()| Seen::default());
    for _ in 0..CASES {
        let (dims, p) = table(&mut rng);
        dense.check(&DenseLaw::new(&dims, &p).unwrap(), &p, &mut rng, "dense");
        let model = PositiveMps::from_table(&dims, &p).unwrap();
        positive.check(&model, &p, &mut rng, "positive");
        // Amplitudes of either sign, in a rotated gauge, compressed.
        let amplitude: Vec<f64> = p.iter().map(|p| p.sqrt()).collect();
        let psi = PositiveMps::from_table(&dims, &amplitude).unwrap();
        let psi = psi.as_mps().canonical(dims.len() - 1).unwrap().into_mps();
        born.check(&BornMps::new(&psi).unwrap(), &p, &mut rng, "born");
        let order: Vec<usize> = (0..dims.len()).rev().collect();
        let model = Permuted::new(model, order).unwrap();
        let p = law(&model);
        permuted.check(&model, &p, &mut rng, "permuted");
    }
    dense.done("dense");
    positive.done("positive");
    born.done("born");
    permuted.done("permuted");
}

#[test]
fn cavities_of_mixtures_and_labels() {
    let mut rng = stream("sparse cavities of mixtures");
    let [mut mixture, mut marginal, mut given] = [(); 3].map(|()| Seen::default());
    for _ in 0..CASES {
        let dims: Vec<usize> = (0..rng.random_range(2..4)).map(|_| rng.random_range(1..4)).collect();
        let x = Array2::from_shape_fn((3, dims.len()), |(_, j)| rng.random_range(0..dims[j] as u8));
        let mut site = |d: usize| {
            let mut table = Array2::from_shape_fn((d, d), |(a, b)| {
                if a == b { 1.0 } else { sparse(&mut rng) * sparse(&mut rng) * sparse(&mut rng) }
            });
            table.outer_iter_mut().for_each(|mut row| row /= row.sum());
            table
        };
        let tables: Vec<Array2<f64>> = dims.iter().map(|&d| site(d)).collect();
        let model = KernelMixture::new(x.view(), None, &tables).unwrap();
        (0..5).for_each(|_| mixture.check(&model, &law(&model), &mut rng, "mixture"));

        let (dims, p) = table(&mut rng);
        let leg = LabelLeg::new(PositiveMps::from_table(&dims, &p).unwrap()).unwrap();
        let labels = leg.labels();
        let sum: Vec<f64> = p.chunks(labels).map(|p| p.iter().sum()).collect();
        marginal.check(&leg.marginal(), &sum, &mut rng, "marginal");
        for label in 0..labels {
            let part: Vec<f64> = p.iter().skip(label).step_by(labels).copied().collect();
            match leg.class(label) {
                Ok(class) => given.check(&class, &part, &mut rng, "class"),
                Err(error) => {
                    assert_eq!(error, Error::ZeroWeight { what: "label" });
                    assert_eq!(part.iter().sum::<f64>(), 0.0);
                }
            }
        }
    }
    mixture.done("mixture");
    marginal.done("marginal");
    given.done("class");
}

#[test]
fn cavities_of_fredkin_chains() {
    let mut rng = stream("sparse cavities of Fredkin chains");
    let mut seen = Seen::default();
    for i in 0..CASES {
        let chain = Fredkin::new([2, 4, 6][i % 3], 0.1 + 0.8 * rng.random::<f64>()).unwrap();
        let model = FredkinModel::new(&chain).unwrap();
        seen.check(&model, &law(&model), &mut rng, "fredkin");
    }
    // The first spin of every path is up: weights that exclude it leave no other site a cavity.
    assert!(seen.0[0] > 20 && seen.0[1] == 0 && seen.0[2] > 20, "{seen:?}");
}
