//! Measurements of a state in a basis of one's choice at every site.
//!
//! A matrix-product state is given by its amplitudes `ψ(a)` in some basis of every site. Measured in another
//! one, with the unitary `U_j[b, a] = ⟨b|a⟩` at site `j`, it has the amplitudes
//!
//! ```text
//! ψ'(b) = Σ_a ∏_j U_j[b_j, a_j] ψ(a),      A'_j[b] = Σ_a U_j[b, a] A_j[a],
//! ```
//!
//! a matrix-product state of the same bonds: draws and scores of `|ψ'|²` are those of any Born law. Random
//! unitaries give classical shadows (arXiv 2002.08953).

use ndarray::{Array2, Array3, Axis};

use super::born::BornMps;
use crate::error::{Error, Result};

/// How far `U U†` of a basis may be from one, entry by entry.
const UNITARY: f64 = 1e-10;

/// The basis in which a site is measured, a unitary `U[b, a] = ⟨b|a⟩`.
///
/// Row `b` is the complex conjugate of the vector that outcome `b` stands for, columns are the states in
/// which the tensors are given. For two states, with state 0 as `Z = +1`, the bases of the Pauli matrices
/// list the eigenvalue `+1` first: outcome 0 of [`Basis::x`] is `(|0⟩ + |1⟩)/√2`, of [`Basis::y`]
/// `(|0⟩ + i|1⟩)/√2`.
///
/// # Examples
/// ```
/// use ndarray::array;
/// use tensorjump::model::Basis;
///
/// let (c, s) = (f64::cos(0.3), f64::sin(0.3));
/// let tilted = Basis::new(array![[c, s], [-s, c]], ndarray::Array2::zeros((2, 2)))?;
/// assert_eq!(tilted.states(), 2);
/// assert!(Basis::new(array![[1.0, 0.0], [0.1, 1.0]], ndarray::Array2::zeros((2, 2))).is_err());
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    re: Array2<f64>,
    im: Array2<f64>,
}

impl Basis {
    /// The basis of a unitary, by its real and imaginary part, shape `(d, d)` each. Cost `O(d³)`.
    ///
    /// # Errors
    /// [`Error::Shape`] for parts that are not square or differ in shape; [`Error::Parameter`] where an entry
    /// of `U U† − 1` exceeds 10⁻¹⁰ (or is not a number).
    pub fn new(re: Array2<f64>, im: Array2<f64>) -> Result<Self> {
        let d = re.dim().0;
        for (field, part) in [("real part of a basis", &re), ("imaginary part of a basis", &im)] {
            if part.dim() != (d, d) || d == 0 {
                let expected = vec![d.max(1), d.max(1)];
                return Err(Error::Shape { field, expected, got: part.shape().to_vec() });
            }
        }
        let overlap = re.dot(&re.t()) + im.dot(&im.t()) - Array2::<f64>::eye(d);
        let phase = im.dot(&re.t()) - re.dot(&im.t());
        if let Some(off) = overlap.iter().chain(&phase).find(|v| v.is_nan() || v.abs() > UNITARY) {
            return Err(Error::parameter("entry of U U† − 1 of a basis", off, "at most 1e-10"));
        }
        Ok(Basis { re, im })
    }

    /// The basis in which the tensors are given, of `states` states.
    pub fn given(states: usize) -> Self {
        Basis { re: Array2::eye(states), im: Array2::zeros((states, states)) }
    }

    /// The eigenvectors of `X` on two states, `(|0⟩ ± |1⟩)/√2`.
    pub fn x() -> Self {
        let h = std::f64::consts::FRAC_1_SQRT_2;
        Basis { re: ndarray::array![[h, h], [h, -h]], im: Array2::zeros((2, 2)) }
    }

    /// The eigenvectors of `Y` on two states, `(|0⟩ ± i|1⟩)/√2`.
    pub fn y() -> Self {
        let h = std::f64::consts::FRAC_1_SQRT_2;
        Basis { re: ndarray::array![[h, 0.0], [h, 0.0]], im: ndarray::array![[0.0, -h], [0.0, h]] }
    }

    /// The eigenvectors of `Z` on two states: the given basis.
    pub fn z() -> Self {
        Basis::given(2)
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        self.re.dim().0
    }

    /// `A'[b] = Σ_a U[b, a] A[a]`, real and imaginary part.
    fn rotate(&self, re: &Array3<f64>, im: &Array3<f64>) -> (Array3<f64>, Array3<f64>) {
        let (mut out_re, mut out_im) = (Array3::zeros(re.dim()), Array3::zeros(re.dim()));
        for ((b, a), &u) in self.re.indexed_iter() {
            add(&mut out_re, b, u, re, a);
            add(&mut out_im, b, u, im, a);
        }
        for ((b, a), &u) in self.im.indexed_iter() {
            add(&mut out_re, b, -u, im, a);
            add(&mut out_im, b, u, re, a);
        }
        (out_re, out_im)
    }
}

/// Adds `u A[a]` to the matrix of outcome `b`, and nothing where `u` is zero: real tensors stay real.
fn add(out: &mut Array3<f64>, b: usize, u: f64, tensor: &Array3<f64>, a: usize) {
    if u != 0.0 {
        out.index_axis_mut(Axis(1), b).scaled_add(u, &tensor.index_axis(Axis(1), a));
    }
}

impl BornMps {
    /// The law of the outcomes when a complex state is measured in `bases`, one for each site.
    ///
    /// Tensors as for [`BornMps::complex`], by real and imaginary part of shape `(χ_{j−1}, d_j, χ_j)`,
    /// `χ_0 = 1`; an open last bond is summed over. Where all imaginary parts are zero after the rotation,
    /// the law has the real bonds `χ`, else `2χ`. Cost `O(N (d² χ² + d χ³))`.
    ///
    /// # Errors
    /// [`Error::SiteCount`] for another number of bases than sites; [`Error::LocalDimension`] for a basis of
    /// another number of states than its site; as [`BornMps::complex`].
    ///
    /// # Examples
    /// Two spins in `(|00⟩ + |11⟩)/√2`: the outcomes of `X` agree, those of `Y` never do.
    /// ```
    /// use ndarray::{Array3, array};
    /// use tensorjump::{Model, model::{Basis, BornMps}};
    ///
    /// let first = Array3::from_shape_fn((1, 2, 2), |(_, a, r)| f64::from(a == r));
    /// let re = [first, Array3::from_shape_fn((2, 2, 1), |(l, a, _)| f64::from(a == l))];
    /// let im = re.each_ref().map(|a| Array3::zeros(a.dim()));
    /// for (basis, equal) in [(Basis::x(), 0.5), (Basis::y(), 0.0)] {
    ///     let law = BornMps::measured(&re, &im, &[basis.clone(), basis])?;
    ///     let p = law.log_prob(array![[0, 0], [1, 1]].view())?.mapv(f64::exp);
    ///     assert!((p - equal).iter().all(|d| d.abs() < 1e-15));
    /// }
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn measured(re: &[Array3<f64>], im: &[Array3<f64>], bases: &[Basis]) -> Result<Self> {
        for parts in [im.len(), bases.len()] {
            if parts != re.len() {
                return Err(Error::SiteCount { expected: re.len(), got: parts });
            }
        }
        let (mut rotated_re, mut rotated_im) = (Vec::with_capacity(re.len()), Vec::with_capacity(re.len()));
        for (site, ((re, im), basis)) in re.iter().zip(im).zip(bases).enumerate() {
            if im.dim() != re.dim() {
                let (expected, got) = (re.shape().to_vec(), im.shape().to_vec());
                return Err(Error::Shape { field: "imaginary tensor", expected, got });
            }
            if basis.states() != re.dim().1 {
                return Err(Error::LocalDimension { site, expected: re.dim().1, got: basis.states() });
            }
            let (re, im) = basis.rotate(re, im);
            rotated_re.push(re);
            rotated_im.push(im);
        }
        if rotated_im.iter().all(|a| a.iter().all(|&v| v == 0.0)) {
            return BornMps::open(rotated_re);
        }
        BornMps::complex(&rotated_re, &rotated_im)
    }
}
