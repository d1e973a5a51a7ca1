//! First-order descent on all tensors at once: Adam through mini-batches, L-BFGS on the whole data.

use ndarray::Array3;

use super::fit::Progress;
use crate::error::Result;
use crate::io::safetensors::Store;
use crate::learn::data::{Data, permutation};
use crate::learn::tensors::gradient::Gradient;
use crate::learn::tensors::optimise::{Adam, Lbfgs};
use crate::rng::Streams;

/// All tensors as one list of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Flat {
    shapes: Vec<(usize, usize, usize)>,
    values: Vec<f64>,
}

impl Flat {
    pub(crate) fn new(tensors: &[Array3<f64>]) -> Self {
        let values = tensors.iter().flat_map(|a| a.iter().copied()).collect();
        Flat { shapes: tensors.iter().map(Array3::dim).collect(), values }
    }

    fn tensors(&self) -> Vec<Array3<f64>> {
        self.unflatten(&self.values)
    }

    pub(crate) fn unflatten(&self, values: &[f64]) -> Vec<Array3<f64>> {
        let mut first = 0;
        let tensor = |&(l, d, r): &(usize, usize, usize)| {
            let part = values[first..first + l * d * r].to_vec();
            first += l * d * r;
            Array3::from_shape_vec((l, d, r), part).expect("the shapes of the list")
        };
        self.shapes.iter().map(tensor).collect()
    }
}

/// Value and gradient of the *negative* log-likelihood as lists.
pub(crate) fn downhill(gradient: Gradient) -> (f64, Vec<f64>) {
    let list = gradient.tensors.iter().flat_map(|g| g.iter().map(|v| -v)).collect();
    (-gradient.value, list)
}

/// One pass of Adam through the data; returns the mean NLL before the steps and samples of probability zero.
///
/// A batch counts by the weight of its samples: its mean gradient times that over the weight of as many
/// average ones. Each batch by itself, like all others, would pull towards the law without weights.
fn adam_pass(
    (train, batch, streams): (&Data, usize, &Streams),
    (flat, adam, rate): (&mut Flat, &mut Adam, f64),
    mut evaluate: impl FnMut(&Flat, &[f64], &Data) -> Result<(f64, Vec<f64>)>,
) -> Result<Progress> {
    let order = permutation(train.len(), &streams.domain("batch"));
    let mut mean = 0.0;
    let batches = train.len().div_ceil(batch);
    let size = train.len().div_ceil(batches);
    for rows in order.chunks(size) {
        let part = if batches == 1 { None } else { Some(train.select(rows)?) };
        let part = part.as_ref().unwrap_or(train);
        let (value, mut gradient) = evaluate(flat, &flat.values, part)?;
        let average = 1.0 / train.len() as f64;
        let share = rows.iter().map(|&row| train.weights()[row] / average).sum::<f64>() / rows.len() as f64;
        gradient.iter_mut().for_each(|g| *g *= share);
        mean += value * share * rows.len() as f64 / train.len() as f64;
        if gradient.iter().all(|g| g.is_finite()) {
            adam.step(&mut flat.values, &gradient, rate);
        }
    }
    Ok(Progress { train_nll: mean, ..Progress::default() })
}

/// The numbers of a model with the optimiser that moves them.
pub(crate) struct Descent {
    flat: Flat,
    optimiser: Optimiser,
}

enum Optimiser {
    Adam { rate: f64, adam: Adam },
    Lbfgs { memory: usize, lbfgs: Lbfgs },
}

impl Descent {
    pub(crate) fn adam(flat: Flat, rate: f64) -> Self {
        Descent { flat, optimiser: Optimiser::Adam { rate, adam: Adam::default() } }
    }

    pub(crate) fn lbfgs(flat: Flat, memory: usize) -> Self {
        Descent { flat, optimiser: Optimiser::Lbfgs { memory, lbfgs: Lbfgs::default() } }
    }

    /// A pass of Adam, or a step of L-BFGS; `evaluate` gives the NLL of a list of numbers on data, and its
    /// gradient.
    pub(crate) fn round(
        &mut self,
        (train, batch, streams): (&Data, usize, &Streams),
        mut evaluate: impl FnMut(&Flat, &[f64], &Data) -> Result<(f64, Vec<f64>)>,
    ) -> Result<Progress> {
        match &mut self.optimiser {
            Optimiser::Adam { rate, adam } => {
                adam_pass((train, batch, streams), (&mut self.flat, adam, *rate), evaluate)
            }
            Optimiser::Lbfgs { memory, lbfgs } => {
                let shape = self.flat.clone();
                let values = &mut self.flat.values;
                let train_nll = lbfgs.step(values, *memory, |values| evaluate(&shape, values, train))?;
                Ok(Progress { train_nll, ..Progress::default() })
            }
        }
    }

    pub(crate) fn tensors(&self) -> Vec<Array3<f64>> {
        self.flat.tensors()
    }

    pub(crate) fn save(&self, store: &mut Store) {
        match &self.optimiser {
            Optimiser::Adam { adam, .. } => adam.save(store),
            Optimiser::Lbfgs { lbfgs, .. } => lbfgs.save(store),
        }
    }

    pub(crate) fn load(&mut self, tensors: &[Array3<f64>], store: &Store) -> Result<()> {
        self.flat = Flat::new(tensors);
        let len = self.flat.values.len();
        let fits = match &mut self.optimiser {
            Optimiser::Adam { adam, .. } => {
                *adam = Adam::load(store)?;
                adam.fits(len)
            }
            Optimiser::Lbfgs { lbfgs, .. } => {
                *lbfgs = Lbfgs::load(store)?;
                lbfgs.fits(len)
            }
        };
        if fits { Ok(()) } else { Err(store.wrong("an optimiser of another size")) }
    }
}
