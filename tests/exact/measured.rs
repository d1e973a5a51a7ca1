//! Measurements in rotated bases against dense amplitudes that are rotated one index at a time.

use ndarray::{Array2, Array3, array};
use rand::RngExt;
use tensorjump::model::{Basis, BornMps};
use tensorjump::tn::Mps;
use tensorjump::{Error, Model, Stream, Streams};

use super::common::{all_configs, assert_law, counts};
use super::laws::stream;
use super::open_bond::{amplitudes, check, random_tensors, systems, zeros};

type Complex = (f64, f64);

fn times((a, b): Complex, (c, d): Complex) -> Complex {
    (a * c - b * d, a * d + b * c)
}

/// A random unitary: Gram-Schmidt on rows of a complex matrix, twice.
fn unitary(d: usize, rng: &mut Stream) -> Vec<Vec<Complex>> {
    let mut u: Vec<Vec<Complex>> = Vec::new();
    for _ in 0..d {
        let mut row: Vec<Complex> = (0..d).map(|_| (rng.random::<f64>() - 0.5, rng.random::<f64>() - 0.5)).collect();
        for other in u.iter().chain(&u.clone()) {
            let overlap = other.iter().zip(&row).map(|(&(a, b), &v)| times((a, -b), v));
            let (p, q) = overlap.fold((0.0, 0.0), |sum, v| (sum.0 + v.0, sum.1 + v.1));
            for (v, &w) in row.iter_mut().zip(other) {
                let part = times((p, q), w);
                *v = (v.0 - part.0, v.1 - part.1);
            }
        }
        let norm = row.iter().map(|v| v.0 * v.0 + v.1 * v.1).sum::<f64>().sqrt();
        u.push(row.into_iter().map(|v| (v.0 / norm, v.1 / norm)).collect());
    }
    u
}

fn basis(u: &[Vec<Complex>]) -> Basis {
    let d = u.len();
    let part = |f: fn(&Complex) -> f64| Array2::from_shape_fn((d, d), |(b, a)| f(&u[b][a]));
    Basis::new(part(|v| v.0), part(|v| v.1)).unwrap()
}

/// `Σ_k |Σ_a ∏_j U_j[b_j, a_j] ψ_k(a)|²` of every configuration `b`.
fn outcomes(psi: &[Vec<Complex>], bases: &[Vec<Vec<Complex>>]) -> Vec<f64> {
    let dims: Vec<usize> = bases.iter().map(Vec::len).collect();
    let mut psi = psi.to_vec();
    for (j, u) in bases.iter().enumerate() {
        let (d, stride) = (dims[j], dims[j + 1..].iter().product::<usize>());
        let rotated = |i: usize| {
            let (b, first) = (i / stride % d, i - i / stride % d * stride);
            let mut sum = vec![(0.0, 0.0); psi[i].len()];
            for a in 0..d {
                for (sum, &v) in sum.iter_mut().zip(&psi[first + a * stride]) {
                    let term = times(u[b][a], v);
                    *sum = (sum.0 + term.0, sum.1 + term.1);
                }
            }
            sum
        };
        psi = (0..psi.len()).map(rotated).collect();
    }
    psi.iter().map(|v| v.iter().map(|(a, b)| a * a + b * b).sum()).collect()
}

/// How many times larger the outcomes are without cancellation.
fn condition(re: &[Array3<f64>], im: &[Array3<f64>], bases: &[Vec<Vec<Complex>>], p: &[f64]) -> Vec<f64> {
    let size = |v: &Complex| v.0.abs() + v.1.abs();
    let absolute: Vec<_> = re.iter().zip(im).map(|(a, b)| a.mapv(f64::abs) + b.mapv(f64::abs)).collect();
    let bases: Vec<_> = bases
        .iter()
        .map(|u| u.iter().map(|row| row.iter().map(|v| (size(v), 0.0)).collect()).collect::<Vec<Vec<_>>>())
        .collect();
    outcomes(&amplitudes(&absolute, &zeros(re)), &bases).iter().zip(p).map(|(terms, p)| terms / p).collect()
}

#[test]
fn measured_laws_are_the_squared_amplitudes_of_the_rotated_state() {
    for (i, (dims, bond)) in systems().into_iter().enumerate() {
        for (open, real) in [(1, true), (1, false), (2, false), (3, true)] {
            let name = format!("measured {i} {open} {real}");
            let mut rng = stream(&name);
            let re = random_tensors(&dims, bond, open, &mut rng);
            let im = if real { zeros(&re) } else { random_tensors(&dims, bond, open, &mut rng) };
            let unitaries: Vec<_> = dims.iter().map(|&d| unitary(d, &mut rng)).collect();
            let p = outcomes(&amplitudes(&re, &im), &unitaries);
            let bases: Vec<_> = unitaries.iter().map(|u| basis(u)).collect();
            let model = BornMps::measured(&re, &im, &bases).unwrap();
            check(&model, &p, &condition(&re, &im, &unitaries, &p), &name);
        }
    }
}

#[test]
fn draws_follow_the_unitary_and_not_its_conjugate() {
    let dims = [2, 3, 2, 2];
    let mut rng = stream("conjugate");
    let (re, im) = (random_tensors(&dims, 3, 1, &mut rng), random_tensors(&dims, 3, 1, &mut rng));
    let unitaries: Vec<_> = dims.iter().map(|&d| unitary(d, &mut rng)).collect();
    let conjugates: Vec<Vec<Vec<Complex>>> =
        unitaries.iter().map(|u| u.iter().map(|r| r.iter().map(|v| (v.0, -v.1)).collect()).collect()).collect();
    let normalised = |p: Vec<f64>| p.iter().map(|v| v / p.iter().sum::<f64>()).collect::<Vec<_>>();
    let psi = amplitudes(&re, &im);
    let (right, wrong) = (normalised(outcomes(&psi, &unitaries)), normalised(outcomes(&psi, &conjugates)));
    let bases: Vec<_> = unitaries.iter().map(|u| basis(u)).collect();
    let draws = BornMps::measured(&re, &im, &bases).unwrap().draw(40_000, &Streams::new(4)).unwrap();
    assert_law(&counts(&draws.x, &dims), &right, &wrong);
}

#[test]
fn the_given_basis_changes_nothing() {
    let dims = [2, 3, 2];
    let mut rng = stream("given");
    let (re, im) = (random_tensors(&dims, 3, 1, &mut rng), random_tensors(&dims, 3, 1, &mut rng));
    let given: Vec<_> = dims.iter().map(|&d| Basis::given(d)).collect();
    let (plain, measured) = (BornMps::complex(&re, &im).unwrap(), BornMps::measured(&re, &im, &given).unwrap());
    assert_eq!((plain.amplitude(), plain.log_z()), (measured.amplitude(), measured.log_z()));
    // Without imaginary parts the law stays at the real bonds.
    let real = BornMps::measured(&re, &zeros(&re), &given).unwrap();
    assert_eq!(real.amplitude(), BornMps::new(&Mps::new(re, 0.0).unwrap()).unwrap().amplitude());
}

/// Outcome 0 is the eigenvalue +1, which tells `Y` from its conjugate and `X` from its reverse.
#[test]
fn eigenstates_of_the_pauli_matrices_are_certain() {
    let h = std::f64::consts::FRAC_1_SQRT_2;
    let site = |v: [f64; 2]| Array3::from_shape_fn((1, 2, 1), |(_, a, _)| v[a]);
    let states =
        [(Basis::x(), [h, h], [0.0, 0.0]), (Basis::y(), [h, 0.0], [0.0, h]), (Basis::z(), [1.0, 0.0], [0.0; 2])];
    for (basis, re, im) in states {
        let p = |im: [f64; 2]| {
            let law = BornMps::measured(&[site(re)], &[site(im)], std::slice::from_ref(&basis)).unwrap();
            law.log_prob(all_configs(&[2]).view()).unwrap().mapv(f64::exp)
        };
        assert!((p(im) - array![1.0, 0.0]).iter().all(|d| d.abs() < 1e-15));
        if im != [0.0, 0.0] {
            assert!((p(im.map(|v| -v)) - array![0.0, 1.0]).iter().all(|d| d.abs() < 1e-15));
        }
    }
}

#[test]
fn what_is_no_basis_is_refused() {
    let zero = Array2::zeros((2, 2));
    let off = |e: f64| Basis::new(array![[1.0, 0.0], [0.0, 1.0 + e]], zero.clone());
    assert!(off(4e-11).is_ok());
    for e in [6e-11, f64::NAN, f64::INFINITY] {
        assert!(matches!(off(e), Err(Error::Parameter { .. })), "{e}");
    }
    // Rows of length one that are not orthogonal in their imaginary part alone.
    let h = std::f64::consts::FRAC_1_SQRT_2;
    assert!(Basis::new(array![[h, 0.0], [h, 0.0]], array![[0.0, h], [0.0, h]]).is_err());
    assert!(Basis::new(array![[1.0, 0.0], [0.0, 0.0]], array![[0.0, 0.0], [0.0, 1.0]]).is_ok());
    assert!(matches!(Basis::new(zero.clone(), Array2::zeros((2, 3))), Err(Error::Shape { .. })));
    assert!(matches!(Basis::new(Array2::zeros((0, 0)), Array2::zeros((0, 0))), Err(Error::Shape { .. })));

    let re = random_tensors(&[2, 3], 2, 1, &mut stream("refused"));
    let im = zeros(&re);
    let given = [Basis::given(2), Basis::given(3)];
    assert!(matches!(BornMps::measured(&re, &im, &given[..1]), Err(Error::SiteCount { expected: 2, got: 1 })));
    let swapped = [given[1].clone(), given[0].clone()];
    assert!(matches!(
        BornMps::measured(&re, &im, &swapped),
        Err(Error::LocalDimension { site: 0, expected: 2, got: 3 })
    ));
    assert!(matches!(BornMps::measured(&re, &re[..1], &given), Err(Error::SiteCount { .. })));
    assert!(matches!(BornMps::measured(&re, &[re[0].clone(), re[0].clone()], &given), Err(Error::Shape { .. })));
}
