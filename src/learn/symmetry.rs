//! Symmetries of a law that a chain of tensors can have by itself: `ψ(x) = ψ(g x)` for `g` that keeps or
//! reverses the order of the sites.
//!
//! The image of a matrix product under such a `g` is one of the same bonds: `A′_j[s] = A_j[g s]`, or
//! `A′_j[s] = A_{N−1−j}[g s]ᵗ` in reversed order. The average of a noisy model and its image has half the
//! noise; so has the average of a gradient and its image, brought to one gauge. A snake through a lattice
//! with an even number of rows is reversed by the reflection of the rows. Cost: `O(N d χ³)`.

use ndarray::{Array2, Array3, Axis};

use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::linalg::matmul;
use crate::model::{BornMps, Configs, check_configs};
use crate::tn::{Mps, Truncation, flat};

/// A symmetry in the order of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mirror {
    reversed: bool,
    maps: Option<Vec<Vec<u8>>>,
}

impl Mirror {
    /// The symmetry of a chain, if it keeps or reverses the order of the sites and changes anything.
    pub(crate) fn new(symmetry: &Symmetry) -> Option<Self> {
        let from = symmetry.from();
        let kept = from.iter().enumerate().all(|(j, &k)| j == k);
        let reversed = from.iter().rev().enumerate().all(|(j, &k)| j == k);
        let changes = |map: &Vec<u8>| map.iter().enumerate().any(|(s, &t)| s != usize::from(t));
        let maps = symmetry.maps().filter(|maps| maps.iter().any(changes)).map(<[_]>::to_vec);
        ((reversed && from.len() > 1) || (kept && maps.is_some())).then_some(Mirror { reversed: !kept, maps })
    }

    /// All of a list and of the products of two, for a chain that holds site `order[k]` of the lattice at its
    /// place `k`.
    pub(crate) fn among(symmetries: &[Symmetry], order: &[usize]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let products = symmetries.iter().flat_map(|a| symmetries.iter().map(|b| a.after(b)));
        for mirror in symmetries.iter().cloned().chain(products).filter_map(|s| Mirror::new(&s.reordered(order))) {
            // One that reverses is enough: others are its products with those that do not.
            if !all.iter().any(|other| *other == mirror || other.reversed && mirror.reversed) {
                all.push(mirror);
            }
        }
        all
    }

    /// `A′_j` for tensors `(χ_l, d, χ_r)`: of the law itself, of one gauge (reversed, left isometries become
    /// right ones), or of gradients.
    pub(crate) fn image(&self, tensors: &[Array3<f64>]) -> Vec<Array3<f64>> {
        let mapped = |(j, a): (usize, &Array3<f64>)| match &self.maps {
            Some(maps) => {
                let states: Vec<usize> = maps[j].iter().map(|&s| usize::from(s)).collect();
                a.select(Axis(1), &states).as_standard_layout().into_owned()
            }
            None => a.clone(),
        };
        let images = tensors.iter().enumerate().map(mapped);
        if self.reversed {
            return images.rev().map(|a| a.permuted_axes([2, 1, 0]).as_standard_layout().into_owned()).collect();
        }
        images.collect()
    }

    /// `½ (G + G′)` for gradients at the centres of a symmetric `ψ` in its left gauge before, its right gauge
    /// behind them: the environments of image and original differ by the overlaps of their isometries.
    pub(crate) fn average(&self, gradient: &mut [Array3<f64>], left: &[Array3<f64>], right: &[Array3<f64>]) {
        let images = self.image(gradient);
        let (to_left, to_right) =
            if self.reversed { (self.image(right), self.image(left)) } else { (self.image(left), self.image(right)) };
        let mut v = vec![Array2::<f64>::ones((1, 1))];
        for (a, b) in left.iter().zip(&to_left) {
            let (l, d, r) = a.dim();
            let (k, _, m) = b.dim();
            let carried = matmul(v[v.len() - 1].view(), flat(b, k, d * m)).into_shape_with_order((l * d, m));
            v.push(matmul(flat(a, l * d, r).t(), carried.expect("row-major").view()));
        }
        let mut w = Array2::<f64>::ones((1, 1));
        for j in (0..gradient.len()).rev() {
            let (l, d, r) = gradient[j].dim();
            let (k, _, m) = images[j].dim();
            let carried =
                matmul(flat(&images[j], k * d, m), w.t()).into_shape_with_order((k, d * r)).expect("row-major");
            let image = matmul(v[j].view(), carried.view()).into_shape_with_order((l, d, r)).expect("row-major");
            gradient[j].zip_mut_with(&image, |g, i| *g = 0.5 * (*g + i));
            let (k, _, m) = to_right[j].dim();
            let carried =
                matmul(flat(&right[j], l * d, r), w.view()).into_shape_with_order((l, d * m)).expect("row-major");
            w = matmul(carried.view(), flat(&to_right[j], k, d * m).t());
        }
    }
}

/// The Born law of the average of an amplitude and its images, one symmetry after the other, truncated.
pub(crate) fn symmetrised(model: BornMps, mirrors: &[Mirror], truncation: &Truncation) -> Result<BornMps> {
    if mirrors.is_empty() {
        return Ok(model);
    }
    let mut psi = model.single_amplitude()?.clone();
    for mirror in mirrors {
        let image = Mps::new(mirror.image(psi.tensors()), psi.log_scale())?;
        // The sign of an amplitude means nothing.
        let sum = if psi.inner(&image)?.sign < 0.0 { psi.add(&image.scale(-1.0)?)? } else { psi.add(&image)? };
        psi = sum.compress(truncation)?.0;
    }
    BornMps::new(&psi)
}

/// Mirrors of symmetries that a chain is said to have.
pub(crate) fn mirrors(symmetries: &[Symmetry], dims: &[usize]) -> Result<Vec<Mirror>> {
    let mirror = |(k, symmetry): (usize, &Symmetry)| {
        symmetry.apply(Array2::zeros((0, dims.len())).view(), dims)?;
        Mirror::new(symmetry)
            .ok_or_else(|| Error::parameter("symmetry", k, "one that keeps or reverses the order of the sites"))
    };
    symmetries.iter().enumerate().map(mirror).collect()
}

/// A symmetry of a law on a lattice: `x′_j = map_j(x_{from(j)})`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Symmetry {
    from: Vec<usize>,
    maps: Option<Vec<Vec<u8>>>,
}

impl Symmetry {
    /// A permutation of the sites: site `j` of the image has the state of site `from[j]`.
    ///
    /// # Errors
    /// A list that is not a permutation of `0..sites`.
    pub fn sites(from: Vec<usize>) -> Result<Self> {
        let mut seen = vec![false; from.len()];
        for &j in &from {
            if j >= from.len() || std::mem::replace(&mut seen[j], true) {
                return Err(Error::parameter("site permutation", j, "each site once"));
            }
        }
        Ok(Symmetry { from, maps: None })
    }

    /// A permutation of the sites followed by a permutation of the states of each site, `maps[j][state]`.
    ///
    /// # Errors
    /// As [`Symmetry::sites`]; the wrong number of maps, a map that is not a permutation of its states.
    pub fn with_states(self, maps: Vec<Vec<u8>>) -> Result<Self> {
        if maps.len() != self.from.len() {
            return Err(Error::SiteCount { expected: self.from.len(), got: maps.len() });
        }
        for map in &maps {
            let mut sorted = map.clone();
            sorted.sort_unstable();
            if sorted.iter().enumerate().any(|(i, &a)| i != usize::from(a)) {
                return Err(Error::parameter("state map", format!("{map:?}"), "a permutation of the states"));
            }
        }
        Ok(Symmetry { maps: Some(maps), ..self })
    }

    /// Images of configurations, shape `(samples, sites)`.
    ///
    /// # Errors
    /// Configurations or local dimensions that do not fit.
    pub fn apply(&self, x: Configs<'_>, dims: &[usize]) -> Result<Array2<u8>> {
        let moved: Vec<usize> = self.from.iter().filter_map(|&j| dims.get(j).copied()).collect();
        match_dims(dims, &moved)?;
        if let Some(maps) = &self.maps {
            match_dims(dims, &maps.iter().map(Vec::len).collect::<Vec<_>>())?;
        }
        check_configs(x, dims)?;
        let image = |(i, j): (usize, usize)| {
            let a: u8 = x[[i, self.from[j]]];
            self.maps.as_ref().map_or(a, |maps| maps[j][usize::from(a)])
        };
        Ok(Array2::from_shape_fn(x.raw_dim(), image))
    }

    pub(crate) fn from(&self) -> &[usize] {
        &self.from
    }

    pub(crate) fn maps(&self) -> Option<&[Vec<u8>]> {
        self.maps.as_deref()
    }

    /// This symmetry applied after another one.
    pub(crate) fn after(&self, other: &Self) -> Self {
        let from = self.from.iter().map(|&j| other.from[j]).collect();
        let map = |of: &Self, j: usize, s: u8| of.maps.as_ref().map_or(s, |maps| maps[j][usize::from(s)]);
        let states =
            |j: usize| [self.maps.as_ref().map(|m| m[j].len()), other.maps.as_ref().map(|m| m[self.from[j]].len())];
        let maps = (0..self.from.len()).map(|j| {
            let states = states(j).into_iter().flatten().next()?;
            Some((0..=(states - 1) as u8).map(|s| map(self, j, map(other, self.from[j], s))).collect())
        });
        Symmetry { from, maps: maps.collect() }
    }

    /// The same in the order of a chain that holds site `order[k]` at its place `k`.
    pub(crate) fn reordered(&self, order: &[usize]) -> Self {
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(k, &j)| place[j] = k);
        let from = order.iter().map(|&j| place[self.from[j]]).collect();
        let maps = self.maps.as_ref().map(|maps| order.iter().map(|&j| maps[j].clone()).collect());
        Symmetry { from, maps }
    }
}
