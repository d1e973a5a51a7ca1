//! Sixteen replicas side by side: a spin of each in one SIMD vector.
//!
//! Spins are ±1 in single precision; couplings and fields stand once where the lanes share them, else once a
//! lane. Decisions of rods and energies are made from couplings and β in double precision.

use std::sync::Arc;

use ndarray::{Array1, Array2};
use pulp::{Arch, Simd, WithSimd};

use super::geometry::{Cubic, Tables};
use super::ising::{CubicIsing, bond_start};
use crate::error::{Error, Result};
use crate::lanes::Lane;
use crate::model::{Configs, check_configs};

/// Replicas in one group.
pub(super) const WIDTH: usize = 16;

/// Up to 16 replicas of one cubic lattice, each with a β of its own, couplings shared or own: the state that
/// [`CubicMove`](crate::lattice::CubicMove)s act on without packing and unpacking.
///
/// ```
/// use rand::SeedableRng;
/// use tensorjump::lattice::{Cubic, CubicCouplings, CubicIsing, CubicLanes, CubicMove};
/// use tensorjump::{Stream, Target};
///
/// // One ±J instance at four temperatures.
/// let glass = CubicIsing::new(CubicCouplings::plus_minus(Cubic::new([6, 6, 6], [true; 3])?, 1), 1.0)?;
/// let models = [0.5, 0.8, 1.0, 1.4].map(|beta| glass.at(beta).unwrap());
/// let mut stream = Stream::seed_from_u64(1);
/// let start = ndarray::stack(ndarray::Axis(0), &[glass.initial(&mut stream).unwrap().view(); 4]).unwrap();
/// let mut lanes = CubicLanes::new(&models, start.view())?;
/// lanes.advance(CubicMove::rods(2, 2)?, 20, &mut stream)?;
/// let energy = lanes.energy();
/// assert!(energy[3] < energy[0]);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CubicLanes {
    pub(super) lattice: Cubic,
    pub(super) tables: Arc<Tables>,
    pub(super) bonds: Arc<[Values; 3]>,
    /// None where no lane has a field.
    pub(super) field: Option<Arc<Values>>,
    pub(super) beta: [f64; WIDTH],
    /// `Σ|J| + |h|` of the sites at most.
    pub(super) reach: f64,
    /// The absolute value of all couplings, where it is only one.
    pub(super) strength: Option<f64>,
    /// Whether all couplings are equal but for the sign, of few binary digits, and there are no fields: sums
    /// of some hundred of them are exact in single precision.
    pub(super) whole: bool,
    /// Lanes in use; the others repeat the first.
    len: usize,
    /// Of the sites, and of one more that stands for "none" and has the spin 0.
    pub(super) spins: Vec<Lane<WIDTH>>,
}

/// Couplings of a direction, or fields: an entry a site and a zero for "none"; one number an entry where the
/// lanes share them, else one a lane.
#[derive(Debug, Clone)]
pub(super) struct Values {
    own: bool,
    single: Vec<f32>,
    double: Vec<f64>,
}

impl Values {
    fn new(lists: &[&[f64]]) -> Self {
        let own = lists.iter().any(|list| *list != lists[0]);
        let (sites, width) = (lists[0].len(), if own { WIDTH } else { 1 });
        let entry = |k: usize| lists.get(k % width).unwrap_or(&lists[0]).get(k / width).copied().unwrap_or(0.0);
        let double: Vec<f64> = (0..(sites + 1) * width).map(entry).collect();
        Values { own, single: double.iter().map(|&v| v as f32).collect(), double }
    }

    /// Vector `v` of entry `i`.
    #[inline(always)]
    pub fn f32s<S: Simd>(&self, simd: S, i: usize, v: usize) -> S::f32s {
        if self.own {
            S::as_simd_f32s(&self.single[i * WIDTH..(i + 1) * WIDTH]).0[v]
        } else {
            simd.splat_f32s(self.single[i])
        }
    }

    /// `sum += entry · factor` in double precision.
    #[inline(always)]
    pub fn add_times(&self, i: usize, factor: &[f32; WIDTH], sum: &mut [f64; WIDTH]) {
        if self.own {
            let entries = &self.double[i * WIDTH..(i + 1) * WIDTH];
            for k in 0..WIDTH {
                sum[k] += entries[k] * f64::from(factor[k]);
            }
        } else {
            let entry = self.double[i];
            for k in 0..WIDTH {
                sum[k] += entry * f64::from(factor[k]);
            }
        }
    }
}

impl CubicLanes {
    /// Replicas at the rows of `x`, shape `(replicas, sites)`: one model for all of them or one each.
    ///
    /// Couplings and fields below `10⁻³⁸` are zero to the sweeps: at β of `10³⁰`, the largest there is, a
    /// spin feels less than `10⁻⁷` of them. Energies and the decisions of rods count them.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no replicas or more than 16, and for models of different lattices;
    /// [`Error::SampleCount`] for another number of models; configurations that do not fit;
    /// [`Error::NotFinite`] where a field times β, or β, is beyond single precision.
    pub fn new(models: &[CubicIsing], x: Configs<'_>) -> Result<Self> {
        let len = x.nrows();
        if len == 0 || len > WIDTH {
            return Err(Error::parameter("replicas", len, "1 to 16"));
        }
        if models.len() != 1 && models.len() != len {
            return Err(Error::SampleCount { expected: len, got: models.len() });
        }
        let lattice = models[0].lattice();
        if let Some(other) = models.iter().find(|m| m.lattice() != lattice) {
            let value = format!("{:?} {:?}", other.lattice().shape(), other.lattice().periodic());
            return Err(Error::parameter("lattice of a replica", value, "that of the first replica"));
        }
        let of_lane = |i: usize| &models[if i < models.len() { i } else { 0 }];
        let along = |d: usize| models.iter().map(|m| m.couplings().along(d)).collect::<Vec<_>>();
        let fields: Vec<&[f64]> = models.iter().map(|m| m.couplings().field()).collect();
        let bonds = Arc::new([0, 1, 2].map(|d| Values::new(&along(d))));
        let field = fields.iter().any(|f| f.iter().any(|&h| h != 0.0)).then(|| Arc::new(Values::new(&fields)));
        let strength = strength(models);
        // Twelve digits of 24 are left to the sums.
        let few_digits = |j: f64| j < 1e30 && f64::from(j as f32) == j && (j as f32).to_bits().trailing_zeros() >= 12;
        let mut lanes = CubicLanes {
            lattice,
            tables: models[0].tables().clone(),
            bonds,
            beta: std::array::from_fn(|i| of_lane(i).beta()),
            reach: 0.0,
            whole: field.is_none() && strength.is_some_and(few_digits),
            strength,
            field,
            len,
            spins: vec![Lane([0.0; WIDTH]); lattice.sites() + 1],
        };
        lanes.reach = lanes.reach()?;
        lanes.set_x(x)?;
        Ok(lanes)
    }

    /// The same model at the rows of `x`, at most 16: these lanes have one model for all.
    ///
    /// # Errors
    /// Configurations that do not fit.
    pub(super) fn at(&self, x: Configs<'_>) -> Result<Self> {
        let mut lanes = CubicLanes { len: x.nrows(), ..self.clone() };
        lanes.set_x(x)?;
        Ok(lanes)
    }

    /// # Errors
    /// [`Error::NotFinite`].
    fn reach(&self) -> Result<f64> {
        let mut reach = 0.0f64;
        for j in 0..self.lattice.sites() {
            let mut sum = [0.0f64; WIDTH];
            let mut add = |values: &Values, i: usize| {
                let mut term = [0.0; WIDTH];
                values.add_times(i, &[1.0; WIDTH], &mut term);
                (0..WIDTH).for_each(|k| sum[k] += term[k].abs());
            };
            for (k, &o) in self.tables.neighbours[j].iter().enumerate() {
                add(&self.bonds[k / 2], bond_start(k, j, o));
            }
            self.field.iter().for_each(|field| add(field, j));
            let here = sum.into_iter().fold(0.0, f64::max);
            let largest = here * self.beta.into_iter().fold(1.0, |m, b| b.abs().max(m));
            let hottest = self.beta.into_iter().fold(0.0, |m: f64, b| b.abs().max(m));
            // Fields are sums of single precision: with β so large they would have to be smaller than it
            // holds.
            if largest.is_nan() || largest > f64::from(f32::MAX) || hottest > 1e30 {
                let (field, site) = ("local field of a replica", j);
                return Err(Error::NotFinite { field, site, value: here });
            }
            reach = reach.max(here);
        }
        Ok(reach)
    }

    /// Number of replicas.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.len
    }

    /// The lattice.
    pub fn lattice(&self) -> Cubic {
        self.lattice
    }

    /// Inverse temperature of each replica.
    pub fn beta(&self) -> &[f64] {
        &self.beta[..self.len]
    }

    /// Gives replica `i` another inverse temperature, as tempering does; `i` and `beta` are valid.
    pub(super) fn set_beta(&mut self, i: usize, beta: f64) {
        self.beta[i] = beta;
        if i == 0 {
            self.beta[self.len..].fill(beta);
        }
    }

    /// Flips site `j` of replica `i`.
    pub(super) fn flip(&mut self, i: usize, j: usize) {
        self.spins[j].0[i] *= -1.0;
        if i == 0 {
            self.spins[j].0[self.len..].iter_mut().for_each(|s| *s *= -1.0);
        }
    }

    /// Puts the replicas at other configurations, shape `(replicas, sites)`.
    ///
    /// # Errors
    /// [`Error::SampleCount`]; configurations that do not fit.
    pub fn set_x(&mut self, x: Configs<'_>) -> Result<()> {
        if x.nrows() != self.len {
            return Err(Error::SampleCount { expected: self.len, got: x.nrows() });
        }
        check_configs(x, &vec![2; self.lattice.sites()])?;
        for (spins, x) in self.spins.iter_mut().zip(x.columns()) {
            let states = std::array::from_fn(|i| x[if i < self.len { i } else { 0 }]);
            *spins = Lane(states.map(|a: u8| 2.0 * f32::from(a) - 1.0));
        }
        Ok(())
    }

    /// The configurations, shape `(replicas, sites)`.
    pub fn x(&self) -> Array2<u8> {
        let shape = (self.len, self.lattice.sites());
        Array2::from_shape_fn(shape, |(i, j)| u8::from(self.spins[j].0[i] > 0.0))
    }

    /// Energy `−Σ J s s − Σ h s` of each replica, fields included, shape `(replicas,)`.
    pub fn energy(&self) -> Array1<f64> {
        Arch::new().dispatch(Energy(self))[..self.len].iter().copied().collect()
    }
}

/// The absolute value of the couplings of all bonds of all models, where it is only one.
fn strength(models: &[CubicIsing]) -> Option<f64> {
    let of_model = |m: &CubicIsing| m.lattice().bonds().map(|(d, i, _)| m.couplings().along(d)[i].abs()).collect();
    let mut all = models.iter().flat_map(|m| -> Vec<f64> { of_model(m) });
    let first = all.next()?;
    all.all(|j| j == first).then_some(first)
}

/// Energies of all lanes.
struct Energy<'a>(&'a CubicLanes);

impl WithSimd for Energy<'_> {
    type Output = [f64; WIDTH];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [f64; WIDTH] {
        let CubicLanes { tables, bonds, field, spins, lattice, .. } = self.0;
        let mut sum = [0.0; WIDTH];
        for j in 0..lattice.sites() {
            let own = &spins[j].0;
            for d in 0..3 {
                let other = &spins[tables.neighbours[j][2 * d] as usize].0;
                let mut product = [0.0f32; WIDTH];
                for k in 0..WIDTH {
                    product[k] = -own[k] * other[k];
                }
                bonds[d].add_times(j, &product, &mut sum);
            }
            if let Some(field) = field {
                let mut product = [0.0f32; WIDTH];
                for k in 0..WIDTH {
                    product[k] = -own[k];
                }
                field.add_times(j, &product, &mut sum);
            }
        }
        sum
    }
}
