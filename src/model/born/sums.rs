//! Sums of squares: amplitudes with an open last bond, complex states.

use ndarray::{Array2, Array3, Axis, s};

use super::law::BornMps;
use crate::error::{Error, Result};
use crate::tn::Mps;

impl BornMps {
    /// The law `Σ_k ψ_k(x)² / Z` of tensors of shape `(χ_{j−1}, d_j, χ_j)` with `χ_0 = 1` and an open last
    /// bond `k < χ_N = K`, `1 ≤ K ≤ 256`. `K = 1` is [`BornMps::new`], bit for bit.
    ///
    /// Cost `O(N d χ³)`. A larger `K` is the bond in the middle of a longer chain: [`BornMps::marginal`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for `K` out of range; as [`Mps::new`]; [`Error::ZeroWeight`] for zero amplitudes.
    ///
    /// # Examples
    /// Two spins that are up together or down together, a mixture of two amplitudes:
    /// ```
    /// use ndarray::{Array3, array};
    /// use tensorjump::{Model, model::BornMps};
    ///
    /// let first = Array3::from_shape_fn((1, 2, 2), |(_, a, r)| f64::from(a == r));
    /// let last = Array3::from_shape_fn((2, 2, 2), |(l, a, k)| f64::from(l == a && a == k));
    /// let mixture = BornMps::open(vec![first, last])?;
    /// let p = mixture.log_prob(array![[0, 0], [0, 1], [1, 1]].view())?.mapv(f64::exp);
    /// assert!((p - array![0.5, 0.0, 0.5]).iter().all(|d| d.abs() < 1e-15));
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn open(mut tensors: Vec<Array3<f64>>) -> Result<Self> {
        let (sites, open) = (tensors.len(), tensors.last().map_or(1, |a| a.dim().2));
        if open == 1 {
            return Self::new(&Mps::new(tensors, 0.0)?);
        }
        if !(1..=256).contains(&open) {
            return Err(Error::parameter("open bond", open, "between 1 and 256"));
        }
        tensors.push(Array2::eye(open).insert_axis(Axis(2)));
        // From the left first: bonds that the sites before them cannot fill shrink, the open one among them.
        let psi = Mps::new(tensors, 0.0)?.canonical(sites)?.into_mps();
        Self::marginal(&psi, sites)
    }

    /// The law `|ψ(x)|² / Z` of a complex state, tensors given by real and imaginary parts of shape
    /// `(χ_{j−1}, d_j, χ_j)`, `χ_0 = 1`. An open last bond `χ_N ≤ 128` is summed over.
    ///
    /// The law has real bonds `2χ`, and a draw costs what complex arithmetic would. A state that is real in
    /// another gauge needs only `χ`: compress the amplitude as in [`BornMps::marginal`]. Cost `O(N d χ³)`.
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::Shape`] where the two parts or neighbouring bonds do not match; as
    /// [`BornMps::open`].
    ///
    /// # Examples
    /// Two spins after a pulse, `cos θ |00⟩ + i sin θ |11⟩`: `P(11) = sin² θ`, which the real part alone
    /// knows nothing of.
    /// ```
    /// use ndarray::{Array3, array};
    /// use tensorjump::{Model, model::BornMps, tn::Mps};
    ///
    /// let theta = std::f64::consts::FRAC_PI_6;
    /// let copy = Array3::from_shape_fn((1, 2, 2), |(_, a, r)| f64::from(a == r));
    /// let at = |s: usize, v: f64| {
    ///     Array3::from_shape_fn((2, 2, 1), |(l, a, _)| if [l, a] == [s; 2] { v } else { 0.0 })
    /// };
    /// let re = [copy.clone(), at(0, theta.cos())];
    /// let im = [Array3::zeros(copy.dim()), at(1, theta.sin())];
    ///
    /// let state = BornMps::complex(&re, &im)?;
    /// let up = array![[1, 1]];
    /// assert!((state.log_prob(up.view())?[0].exp() - 0.25).abs() < 1e-15);
    /// let real_part = BornMps::new(&Mps::new(re.to_vec(), 0.0)?)?;
    /// assert_eq!(real_part.log_prob(up.view())?[0].exp(), 0.0);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn complex(re: &[Array3<f64>], im: &[Array3<f64>]) -> Result<Self> {
        if re.len() != im.len() {
            return Err(Error::SiteCount { expected: re.len(), got: im.len() });
        }
        let mut tensors = Vec::with_capacity(re.len());
        let mut left = 1;
        for (re, im) in re.iter().zip(im) {
            let (l, d, r) = re.dim();
            if l != left {
                return Err(Error::Shape { field: "real tensor", expected: vec![left, d, r], got: vec![l, d, r] });
            }
            if im.dim() != re.dim() {
                let got = im.shape().to_vec();
                return Err(Error::Shape { field: "imaginary tensor", expected: vec![l, d, r], got });
            }
            tensors.push(doubled(re, im));
            left = r;
        }
        if let Some(first) = tensors.first_mut() {
            // The start (1, 0): ψ itself, not iψ.
            first.slice_axis_inplace(Axis(0), ndarray::Slice::from(..1));
        }
        Self::open(tensors)
    }
}

/// A complex tensor as a real one of twice the bonds, `A[a] → [[Re, −Im], [Im, Re]]` in blocks.
///
/// Sums and products of such blocks are those of complex numbers, the first row `(Re ψ, −Im ψ)`.
fn doubled(re: &Array3<f64>, im: &Array3<f64>) -> Array3<f64> {
    let (l, d, r) = re.dim();
    let mut out = Array3::zeros((2 * l, d, 2 * r));
    out.slice_mut(s![..l, .., ..r]).assign(re);
    out.slice_mut(s![..l, .., r..]).assign(&(-im));
    out.slice_mut(s![l.., .., ..r]).assign(im);
    out.slice_mut(s![l.., .., r..]).assign(re);
    out
}
