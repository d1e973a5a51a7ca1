"""Laws of real, complex, mixed and rotated states against enumeration by NumPy."""

import copy
import pickle

import numpy as np
import pytest
from states import configs, follows, law, random_tensors, rotated, unitary, vector

import tensorjump as tj

SYSTEMS = [((2, 2, 2, 2, 2, 2), 4), ((3, 3, 3), 3), ((2, 3, 1, 4, 2), 5), ((3,), 1), ((2, 2), 7)]
CASES = [(dims, bond, c, k) for dims, bond in SYSTEMS for c in (False, True) for k in (1, 2, 3)]


def agrees(model, p):
    dims = model.dims
    x = configs(dims)
    assert model.sites == len(dims)
    # Relative where it counts, absolute where amplitudes cancel.
    np.testing.assert_allclose(np.exp(model.log_prob(x)), p, rtol=1e-10, atol=1e-13)
    for j, marginal in enumerate(model.site_marginals):
        exact = [p[x[:, j] == a].sum() for a in range(dims[j])]
        np.testing.assert_allclose(marginal, exact, atol=1e-12)
    empty = model.log_prob(np.zeros((0, len(dims)), np.uint8))
    assert empty.shape == (0,) and model.sample(0, rng=1).x.shape == (0, len(dims))
    drawn = model.sample(100, rng=3)
    assert (drawn.log_prob == model.log_prob(drawn.x)).all()


@pytest.mark.parametrize("dims, bond, is_complex, open_bond", CASES)
def test_laws_are_the_squared_amplitudes(dims, bond, is_complex, open_bond):
    rng = np.random.default_rng([bond, is_complex, open_bond])
    tensors = random_tensors(rng, dims, bond, is_complex=is_complex, open_bond=open_bond)
    psi = vector(tensors)
    model = tj.BornMps(tensors)
    agrees(model, law(psi))
    assert model.log_z == pytest.approx(np.log((np.abs(psi) ** 2).sum()), abs=1e-12)
    weights = rng.random((len(dims), max(dims)))
    tilt = np.array([np.prod([weights[j, a] for j, a in enumerate(x)]) for x in configs(dims)])
    agrees(model.tilted(weights), law(psi) * tilt / (law(psi) * tilt).sum())
    assert model.log_evidence(weights)[0] == pytest.approx(np.log((law(psi) * tilt).sum()), abs=1e-12)


@pytest.mark.parametrize("dims, bond, is_complex, open_bond", CASES)
def test_measured_laws_are_those_of_the_rotated_amplitudes(dims, bond, is_complex, open_bond):
    rng = np.random.default_rng([7, bond, is_complex, open_bond])
    tensors = random_tensors(rng, dims, bond, is_complex=is_complex, open_bond=open_bond)
    unitaries = [unitary(rng, d) for d in dims]
    agrees(tj.BornMps(tensors, bases=unitaries), law(rotated(vector(tensors), unitaries)))


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize(
    "laid",
    [
        np.asfortranarray,
        lambda a: np.ascontiguousarray(a.transpose(2, 1, 0)).transpose(2, 1, 0),
        lambda a: np.repeat(np.repeat(a, 2, 0), 3, 2)[::2, :, ::3],
        lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
        lambda a: a.tolist(),
        lambda a: a.astype(a.dtype.newbyteorder()),
    ],
)
def test_the_layout_of_tensors_does_not_matter(is_complex, laid):
    tensors = random_tensors(np.random.default_rng(5), (2, 3, 2, 2), 3, is_complex=is_complex)
    plain, other = tj.BornMps(tensors), tj.BornMps([laid(a) for a in tensors])
    assert all((a == b).all() for a, b in zip(plain.tensors, other.tensors))
    assert plain.log_z == other.log_z
    unitaries = [unitary(np.random.default_rng(6), d) for d in (2, 3, 2, 2)]
    plain = tj.BornMps(tensors, bases=unitaries)
    other = tj.BornMps(tensors, bases=[np.asarray(laid(u[:, :, None]))[:, :, 0] for u in unitaries])
    assert all((a == b).all() for a, b in zip(plain.tensors, other.tensors))


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.complex64])
def test_tensors_of_other_types(dtype):
    tensors = [(4 * a).round().astype(dtype) for a in random_tensors(np.random.default_rng(8), (2, 2, 3), 2)]
    agrees(tj.BornMps(tensors), law(vector([a.astype(complex) for a in tensors])))


def test_a_complex_type_without_imaginary_parts_costs_what_real_ones_do():
    tensors = random_tensors(np.random.default_rng(2), (2,) * 6, 4)
    assert tj.BornMps([a.astype(complex) for a in tensors]).bonds == tj.BornMps(tensors).bonds
    assert tj.BornMps(tensors, bases="X").bonds == tj.BornMps(tensors).bonds
    assert max(tj.BornMps(tensors, bases="Y").bonds) > max(tj.BornMps(tensors).bonds)


H = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
Y = np.array([[1, -1j], [1, 1j]]) / np.sqrt(2)


@pytest.mark.parametrize(
    "bases, unitaries",
    [
        ("X", [H] * 3),
        ("Y", [Y] * 3),
        ("Z", [np.eye(2)] * 3),
        ("XYZ", [H, Y, np.eye(2)]),
        (["X", None, "Y"], [H, np.eye(2), Y]),
        ([H.tolist(), "Z", Y], [H, np.eye(2), Y]),
        (Y, [Y] * 3),
        (np.array([H, Y, np.eye(2)]), [H, Y, np.eye(2)]),
    ],
)
def test_forms_of_bases(bases, unitaries):
    tensors = random_tensors(np.random.default_rng(4), (2, 2, 2), 3, is_complex=True)
    agrees(tj.BornMps(tensors, bases=bases), law(rotated(vector(tensors), unitaries)))


def test_eigenstates_of_the_pauli_matrices_give_outcome_zero():
    for letter, state in [("X", [1, 1]), ("Y", [1, 1j]), ("Z", [1, 0])]:
        model = tj.BornMps([np.array(state).reshape(1, 2, 1)], bases=letter)
        assert np.exp(model.log_prob(np.array([[0]])))[0] == pytest.approx(1, abs=1e-15)


def test_draws_follow_the_law_and_not_that_of_the_conjugate_basis():
    rng = np.random.default_rng(11)
    dims = (2, 3, 2)
    tensors = random_tensors(rng, dims, 3, is_complex=True)
    unitaries = [unitary(rng, d) for d in dims]
    x = tj.BornMps(tensors, bases=unitaries).sample(40_000, rng=1).x
    assert follows(x, dims, law(rotated(vector(tensors), unitaries)))
    assert not follows(x, dims, law(rotated(vector(tensors), [u.conj() for u in unitaries])))
    assert not follows(x, dims, law(rotated(vector(tensors), [u.T for u in unitaries])))


@pytest.mark.parametrize(
    "bases, error",
    [
        ("Q", tj.ParameterError),
        ("XX", tj.ShapeError),
        (["X", "XY", "Z"], tj.ParameterError),
        (["X", "X"], tj.ShapeError),
        (np.array([[1, 0], [1, 1]]), tj.ParameterError),
        (np.array([[1, 0], [0, 1 + 1e-9]]), tj.ParameterError),
        (np.array([[1, 0], [0, np.nan]]), tj.ParameterError),
        (np.eye(3), tj.ShapeError),
        (np.ones((2, 3)), tj.ShapeError),
        (5, TypeError),
    ],
)
def test_what_is_no_basis_is_refused(bases, error):
    tensors = random_tensors(np.random.default_rng(4), (2, 2, 2), 3)
    with pytest.raises(error):
        tj.BornMps(tensors, bases=bases)


def test_what_is_no_state_is_refused():
    a, b = random_tensors(np.random.default_rng(1), (2, 2), 3)
    for tensors, error in [
        ([a, b[:2]], tj.ShapeError),
        ([b, a], tj.ShapeError),
        ([a, 0 * b], tj.ZeroEvidenceError),
        ([a, np.full_like(b, np.nan)], tj.NumberError),
        ([a, b[:, :, 0]], tj.ShapeError),
        ([a, b.astype(str)], TypeError),
    ]:
        with pytest.raises(error):
            tj.BornMps(tensors)
        with pytest.raises(error):
            tj.BornMps(tensors, bases="Z")
    with pytest.raises(ValueError):
        tj.BornMps([])


def test_pickle_and_copy_keep_a_complex_law_bit_for_bit():
    model = tj.BornMps(random_tensors(np.random.default_rng(1), (2, 3, 2), 3, is_complex=True), bases=[None, None, "Y"])
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert all((a == b).all() for a, b in zip(model.tensors, other.tensors))
        assert other.dims == model.dims and "BornMps" in repr(other)
