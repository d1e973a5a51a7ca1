//! Site weights prepared for the batched kernels: one matrix a class of rows, the guess, scales.

use pulp::Arch;

use super::packed_law::Linear;
use super::scalar::{Aligned, Real};
use crate::model::weights::SiteWeights;

/// Weights of a batch. Each site's weights are divided by their largest, which is kept.
pub(crate) struct Tilt<'a, T> {
    form: Form<'a>,
    d_max: usize,
    /// Largest weight of each class (or row) and site.
    max: Vec<f64>,
    /// Weights over their largest, `(class or row, d_max)` a site.
    weights: Vec<T>,
    /// The likeliest symbol of each class (or row) and site.
    guess: Vec<u8>,
    /// `Σ_a w(a) A_j[a]ᵀ` of each site and class; empty when every row has its own weights.
    matrices: Vec<Aligned<T>>,
    per_site: usize,
}

enum Form<'a> {
    /// Rows share the weights of their observed symbol.
    Classes(Option<crate::model::Configs<'a>>),
    /// Every row has its own.
    Rows,
}

impl<'a, T: Real> Tilt<'a, T> {
    /// Prepares checked weights. `prior[j][a]` is any positive guess of the marginal law, used to order the
    /// symbols.
    pub(crate) fn new(law: &Linear<T>, w: &SiteWeights<'a>, prior: &[Vec<f64>]) -> Self {
        let dims = law.dims();
        let d_max = dims.iter().copied().max().unwrap_or(1);
        let (form, per_site) = match w {
            SiteWeights::Uniform | SiteWeights::Shared(_) => (Form::Classes(None), 1),
            SiteWeights::Observed { dims_out, y, .. } => {
                (Form::Classes(Some(*y)), dims_out.iter().copied().max().unwrap_or(1))
            }
            SiteWeights::PerRow(w) => (Form::Rows, w.dim().0),
        };
        let size = dims.len() * per_site;
        let mut tilt = Tilt {
            form,
            d_max,
            max: vec![0.0; size],
            weights: vec![T::default(); size * d_max],
            guess: vec![0; size],
            matrices: Vec::new(),
            per_site,
        };
        for (j, &d) in dims.iter().enumerate() {
            for class in 0..per_site {
                let weight = |a: usize| match w {
                    SiteWeights::Uniform => 1.0,
                    SiteWeights::Shared(w) => w[[j, a]],
                    SiteWeights::Observed { tables, .. } => tables[[j, a, class]],
                    SiteWeights::PerRow(w) => w[[class, j, a]],
                };
                tilt.set(j * per_site + class, d, weight, &prior[j]);
            }
        }
        if matches!(tilt.form, Form::Classes(_)) {
            tilt.contract(law);
        }
        tilt
    }

    fn set(&mut self, index: usize, d: usize, weight: impl Fn(usize) -> f64, prior: &[f64]) {
        let max = (0..d).map(&weight).fold(0.0, f64::max);
        self.max[index] = max;
        let mut best = (-1.0, 0);
        for (a, &prior) in prior.iter().enumerate().take(d) {
            let w = if max > 0.0 { weight(a) / max } else { 0.0 };
            self.weights[index * self.d_max + a] = T::from_f64(w);
            if w * prior > best.0 {
                best = (w * prior, a as u8);
            }
        }
        self.guess[index] = best.1;
    }

    /// `M_j[class] = Σ_a w_j(a) A_j[a]ᵀ`.
    fn contract(&mut self, law: &Linear<T>) {
        for j in 0..law.dims().len() {
            let backward = law.backward(j);
            for class in 0..self.per_site {
                let mut matrix = Aligned::<T>::zeros(backward[0].len());
                let w = &self.weights[(j * self.per_site + class) * self.d_max..];
                for (a, &w) in backward.iter().zip(w) {
                    let (matrix, a): (&mut [T], &[T]) = (&mut matrix, a);
                    // The closure is compiled for the widest vectors of the machine.
                    Arch::new().dispatch(|| matrix.iter_mut().zip(a).for_each(|(m, &a)| *m = *m + w * a));
                }
                self.matrices.push(matrix);
            }
        }
    }

    /// Number of classes by which the right pass groups rows.
    pub(crate) fn classes(&self) -> usize {
        if matches!(self.form, Form::Rows) { 1 } else { self.per_site }
    }

    /// Class of a row of the batch at a site, for the right pass.
    #[inline(always)]
    pub(crate) fn class(&self, row: usize, site: usize) -> usize {
        match &self.form {
            Form::Classes(Some(y)) => y[[row, site]].into(),
            Form::Classes(None) | Form::Rows => 0,
        }
    }

    #[inline(always)]
    fn index(&self, row: usize, site: usize) -> usize {
        site * self.per_site + if matches!(self.form, Form::Rows) { row } else { self.class(row, site) }
    }

    /// The weight of a state over the largest of its site.
    #[inline(always)]
    pub(crate) fn weight(&self, row: usize, site: usize, a: usize) -> T {
        self.weights[self.index(row, site) * self.d_max + a]
    }

    /// [`Tilt::weight`] of every state, padding included.
    #[inline(always)]
    pub(crate) fn weights(&self, row: usize, site: usize) -> &[T] {
        &self.weights[self.index(row, site) * self.d_max..][..self.d_max]
    }

    pub(crate) fn max(&self, row: usize, site: usize) -> f64 {
        self.max[self.index(row, site)]
    }

    #[inline(always)]
    pub(crate) fn guess(&self, row: usize, site: usize) -> usize {
        self.guess[self.index(row, site)].into()
    }

    /// The products that make the right vectors of a site: `(class, None, M[class])`, or
    /// `(0, Some(a), A[a]ᵀ)` to be weighed row by row and added up.
    pub(crate) fn matrices<'t>(
        &'t self,
        law: &'t Linear<T>,
        site: usize,
    ) -> Box<dyn Iterator<Item = (usize, Option<usize>, &'t Aligned<T>)> + 't> {
        match self.form {
            Form::Classes(_) => {
                let all = &self.matrices[site * self.per_site..][..self.per_site];
                Box::new(all.iter().enumerate().map(|(class, m)| (class, None, m)))
            }
            Form::Rows => Box::new(law.backward(site).iter().enumerate().map(|(a, m)| (0, Some(a), m))),
        }
    }
}
