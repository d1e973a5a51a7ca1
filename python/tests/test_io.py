"""States of other packages: files whose layout is written here by h5py, objects and files of the packages themselves.

Tests that need quimb or TeNPy are skipped where these are not installed; the layouts of TeNPy and ITensor files, dense,
with charges and complex, are checked with h5py alone.
"""

import os

import numpy as np
import pytest
from states import configs, law, random_tensors, rotated, unitary, vector

import tensorjump as tj

pytest.importorskip("h5py", reason="HDF5 files need h5py")

from layouts import charged, write_itensor, write_tenpy  # noqa: E402

COMPLEX = pytest.mark.parametrize("is_complex", [False, True])


def overlap(a, b):
    """Of two states, one in absolute value where they are the same."""
    a, b = vector(a)[:, 0], vector(b)[:, 0]
    return abs(np.vdot(a, b)) / np.linalg.norm(a) / np.linalg.norm(b)


def same(a, b):
    """Whether tensors make the same vector, factor and phase included."""
    return np.abs(vector(a) - vector(b)).max() < 1e-12 * np.abs(vector(a)).max()


@COMPLEX
@pytest.mark.parametrize("cpp", [False, True])
def test_itensor_files_of_julia_and_of_cpp(tmp_path, is_complex, cpp):
    rng = np.random.default_rng(3)
    tensors = random_tensors(rng, (2, 3, 2, 4), 3, is_complex=is_complex)
    shuffled = [rng.permutation(k) for k in (2, 3, 3, 2)]
    write_itensor(tmp_path / "a.h5", tensors, cpp=cpp, axes=lambda j, n: shuffled[j])
    assert same(tj.io.read_itensor(tmp_path / "a.h5", arrays=True), tensors)
    p = np.exp(tj.io.read_itensor(str(tmp_path / "a.h5")).log_prob(configs((2, 3, 2, 4))))
    np.testing.assert_allclose(p, law(vector(tensors)), atol=1e-14)


@COMPLEX
@pytest.mark.parametrize("cpp", [False, True])
def test_itensor_files_with_quantum_numbers(tmp_path, is_complex, cpp):
    rng = np.random.default_rng(4)
    tensors, blocks = charged(rng, 6, is_complex)
    assert np.abs(vector(tensors)).max() > 0.1
    shuffled = [rng.permutation(k) for k in (2, 3, 3, 3, 3, 2)]
    write_itensor(tmp_path / "a.h5", tensors, cpp=cpp, blocks=blocks, axes=lambda j, n: shuffled[j])
    read = tj.io.read_itensor(tmp_path / "a.h5", arrays=True)
    assert all((a == b).all() for a, b in zip(read, tensors))
    x = tj.io.read_itensor(tmp_path / "a.h5").sample(500, rng=1).x
    assert (x.sum(1) == 3).all()


def test_itensor_of_one_site_older_names_and_other_places(tmp_path):
    tensors = random_tensors(np.random.default_rng(4), (3,), 1)
    write_itensor(tmp_path / "a.h5", tensors, name="gs", store="store")
    assert same(tj.io.read_itensor(tmp_path / "a.h5", "gs", arrays=True), tensors)


@COMPLEX
def test_what_is_written_for_itensor_is_read(tmp_path, is_complex):
    model = tj.BornMps(random_tensors(np.random.default_rng(4), (2, 3, 2, 2), 3, is_complex=is_complex))
    tj.io.write_itensor(model, tmp_path / "a.h5")
    assert overlap(tj.io.read_itensor(tmp_path / "a.h5", arrays=True), tj.io.to_arrays(model)) == pytest.approx(
        1, abs=1e-13
    )


@COMPLEX
@pytest.mark.parametrize("leg", ["blocks", "compact", "flat"])
@pytest.mark.parametrize("root", [False, True])
def test_tenpy_files(tmp_path, is_complex, leg, root):
    tensors, blocks = charged(np.random.default_rng(4), 6, is_complex)
    write_tenpy(tmp_path / "a.h5", tensors, blocks=blocks, leg=leg, root=root, norm=0.5)
    read = tj.io.read_tenpy(tmp_path / "a.h5", arrays=True)
    assert same(read, [0.5 * tensors[0], *tensors[1:]])
    np.testing.assert_allclose(
        np.exp(tj.io.read_tenpy(tmp_path / "a.h5").log_prob(configs((2,) * 6))), law(vector(tensors)), atol=1e-14
    )


def test_tenpy_forms_and_permutations(tmp_path):
    """Any mixture of forms stands for the same state; states come in the order before they were sorted."""
    rng = np.random.default_rng(5)
    dims = (2, 3, 2, 3)
    bare = random_tensors(rng, dims, 3)
    values = [np.ones(1)] + [rng.random(3) + 0.1 for _ in range(3)] + [np.ones(1)]
    state = [bare[0]] + [values[j][:, None, None] * bare[j] for j in range(1, 4)]
    perms = [rng.permutation(d) for d in dims]
    for forms in ([(0, 1)] * 4, [(1, 0)] * 4, [(1, 0), (0, 0), (0.5, 1), (1, 1)], [(0.5, 0.5)] * 4, [None] * 4):
        if forms[0] is None:
            stored = state
        else:
            stored = [
                values[j][:, None, None] ** left * a * values[j + 1] ** right
                for j, (a, (left, right)) in enumerate(zip(bare, forms))
            ]
        stored = [np.take(a, perm, 1) for a, perm in zip(stored, perms)]
        write_tenpy(tmp_path / "a.h5", stored, forms=forms, values=values, perms=perms)
        assert same(tj.io.read_tenpy(tmp_path / "a.h5", arrays=True), state), forms
    write_tenpy(tmp_path / "a.h5", stored, forms=[None, (0, 1), (0, 1), (0, 1)], values=values, perms=perms)
    with pytest.raises(tj.FormatError, match="canonical_form"):
        tj.io.read_tenpy(tmp_path / "a.h5")


@pytest.mark.parametrize("other", [dict(bc="infinite"), dict(kind="PurificationMPS"), dict(labels=("vL", "q", "vR"))])
def test_tenpy_states_of_other_kinds(tmp_path, other):
    write_tenpy(tmp_path / "a.h5", random_tensors(np.random.default_rng(5), (2, 2), 2), **other)
    with pytest.raises(tj.FormatError) as caught:
        tj.io.read_tenpy(tmp_path / "a.h5")
    assert caught.value.path == str(tmp_path / "a.h5")


# Plain files.


@COMPLEX
@pytest.mark.parametrize("open_bond", [1, 2, 3])
def test_npz_there_and_back(tmp_path, is_complex, open_bond):
    rng = np.random.default_rng(6)
    dims = (2, 3, 1, 2)
    tensors = random_tensors(rng, dims, 3, is_complex=is_complex, open_bond=open_bond)
    path = tmp_path / "state.npz"
    tj.io.write_npz(tensors, path)
    read = tj.io.read_npz(path, arrays=True)
    assert all((a == b).all() and a.dtype == b.dtype for a, b in zip(read, tensors))
    model = tj.io.read_npz(path)
    tj.io.write_npz(model, path)
    for again in (tj.io.read_npz(path), tj.BornMps(tj.io.to_arrays(model))):
        np.testing.assert_allclose(np.exp(again.log_prob(configs(dims))), law(vector(tensors)), atol=1e-13)
    if open_bond == 1:
        # The state, not only its law: also in other bases.
        unitaries = [unitary(rng, d) for d in dims]
        p = np.exp(tj.io.read_npz(path, bases=unitaries).log_prob(configs(dims)))
        np.testing.assert_allclose(p, law(rotated(vector(tensors), unitaries)), atol=1e-13)
        assert max(a.shape[2] for a in tj.io.to_arrays(model)) <= 3
    assert os.listdir(tmp_path) == ["state.npz"]


def test_to_arrays_is_right_canonical():
    for is_complex in (False, True):
        model = tj.BornMps(random_tensors(np.random.default_rng(6), (2, 3, 2, 2), 4, is_complex=is_complex))
        for a in tj.io.to_arrays(model):
            flat = a.reshape(a.shape[0], -1)
            np.testing.assert_allclose(flat @ flat.conj().T, np.eye(len(flat)), atol=1e-13)


def test_what_cannot_be_written(tmp_path):
    tensors = random_tensors(np.random.default_rng(6), (2, 2), 4)
    with pytest.raises(tj.FileError) as caught:
        tj.io.write_npz(tensors, tmp_path / "none" / "a.npz")
    assert "none" in caught.value.path
    with pytest.raises(ValueError):
        tj.io.write_npz([tensors[1]], tmp_path / "a.npz")
    with pytest.raises(TypeError):
        tj.io.to_arrays(tj.PositiveMps.random([2, 2], 2, rng=1))
    tj.io.write_npz(tensors, tmp_path / "a.npz")
    with pytest.raises(TypeError):
        tj.io.read_npz(tmp_path / "a.npz", arrays=True, bases="X")


# The packages themselves.


@COMPLEX
def test_quimb_objects_there_and_back(is_complex):
    qtn = pytest.importorskip("quimb.tensor", reason="quimb is not installed")
    rng = np.random.default_rng(1)
    tensors = random_tensors(rng, (2, 3, 2, 3, 2), 4, is_complex=is_complex)
    ends = [tensors[0][0], *tensors[1:-1], tensors[-1][:, :, 0]]
    psi = qtn.MatrixProductState(ends, shape="lpr")
    assert same(tj.io.from_quimb(psi, arrays=True), tensors)
    psi[2].transpose_(*rng.permutation(psi[2].inds))
    psi.exponent = 1.0
    assert same(tj.io.from_quimb(psi, arrays=True), [10 * tensors[0], *tensors[1:]])
    model = tj.io.from_quimb(psi)
    np.testing.assert_allclose(np.exp(model.log_prob(configs(model.dims))), law(vector(tensors)), atol=1e-14)
    back = tj.io.to_quimb(model).to_dense().reshape(-1)
    assert abs(np.vdot(back, vector(tensors)[:, 0])) == pytest.approx(np.linalg.norm(vector(tensors)), rel=1e-12)
    with pytest.raises(ValueError):
        tj.io.from_quimb(qtn.MPS_rand_state(4, 3, cyclic=True))
    with pytest.raises(ValueError):
        tj.io.to_quimb(tj.BornMps(random_tensors(rng, (2, 2, 2), 3, open_bond=3)))
    one = tj.BornMps(random_tensors(rng, (3,), 1))
    assert tj.io.from_quimb(tj.io.to_quimb(one)).dims == [3]


def tenpy_states():
    """States of TeNPy, real and complex, with and without charges, each with its dense vector in standard order."""
    import warnings

    warnings.filterwarnings("ignore")
    from tenpy.networks.mps import MPS
    from tenpy.networks.site import FermionSite, SpinHalfSite, SpinSite

    for name, site, start in [
        ("half Sz", SpinHalfSite(conserve="Sz"), ["up", "down"] * 2),
        ("half parity", SpinHalfSite(conserve="parity"), ["up", "down"] * 2),
        ("half", SpinHalfSite(conserve=None), ["up", "down"] * 2),
        ("one Sz", SpinSite(1.0, conserve="Sz"), ["up", "0.0", "down", "up"]),
        ("fermions", FermionSite(conserve="N"), ["full", "empty"] * 2),
    ]:
        np.random.seed(5)
        psi = MPS.from_random_unitary_evolution([site] * len(start), 4, start)
        psi.norm = 1.0
        yield name, psi, site


def test_tenpy_objects_and_files(tmp_path):
    """By probabilities of product states, which TeNPy is asked for by the labels of the states."""
    pytest.importorskip("tenpy", reason="TeNPy is not installed")
    from tenpy.networks.mps import MPS
    from tenpy.tools import hdf5_io

    standard = {"half": ["up", "down"], "one": ["down", "0.0", "up"], "fermions": ["empty", "full"]}
    for name, psi, site in tenpy_states():
        labels = standard[name.split()[0]]
        x = configs([site.dim] * psi.L)
        exact = [abs(psi.overlap(MPS.from_product_state(psi.sites, [labels[a] for a in row]))) ** 2 for row in x]
        assert sum(p > 1e-3 for p in exact) > 3, name
        np.testing.assert_allclose(np.exp(tj.io.from_tenpy(psi).log_prob(x)), exact, atol=1e-12, err_msg=name)
        for form in ("A", "B", "Th", None):
            other = psi.copy()
            if form is not None:
                other.convert_form(form if form != "Th" else [("A" if j < 2 else "B") for j in range(psi.L)])
            hdf5_io.save({"psi": other}, str(tmp_path / "dict.h5"))
            hdf5_io.save(other, str(tmp_path / "root.h5"))
            arrays = tj.io.from_tenpy(other, arrays=True)
            for file in ("dict.h5", "root.h5"):
                read = tj.io.read_tenpy(tmp_path / file, arrays=True)
                assert all((a == b).all() for a, b in zip(read, arrays)), name
            np.testing.assert_allclose(np.exp(tj.io.read_tenpy(tmp_path / "dict.h5").log_prob(x)), exact, atol=1e-12)
        free = type(site)(*([1.0] if name.startswith("one") else []), conserve=None)
        back = tj.io.to_tenpy(tj.io.from_tenpy(psi), free)
        exact_back = [abs(back.overlap(MPS.from_product_state(back.sites, [labels[a] for a in row]))) ** 2 for row in x]
        np.testing.assert_allclose(exact_back, exact, atol=1e-10, err_msg=name)
        if "Sz" in name or name == "fermions":
            with pytest.raises(ValueError, match="conserve"):
                tj.io.to_tenpy(tj.io.from_tenpy(psi), site)
    infinite = MPS.from_product_state(psi.sites, ["full", "empty"] * 2, bc="infinite")
    with pytest.raises(ValueError):
        tj.io.from_tenpy(infinite)
    with pytest.raises(ValueError):
        psi.group_sites(2)
        tj.io.from_tenpy(psi)
