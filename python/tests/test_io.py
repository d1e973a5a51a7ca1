"""States of other packages: files whose layout is written here by h5py, objects and files of the packages themselves.

Tests that need quimb or TeNPy are skipped where these are not installed; the layouts of TeNPy and ITensor files, dense,
with charges and complex, are checked with h5py alone.
"""

import os
import re
import shutil

import numpy as np
import pytest
from states import configs, law, random_tensors, unitary, rotated, vector

import tensorjump as tj

h5py = pytest.importorskip("h5py", reason="HDF5 files need h5py")

COMPLEX = pytest.mark.parametrize("is_complex", [False, True])


def overlap(a, b):
    """Of two states, one in absolute value where they are the same."""
    a, b = vector(a)[:, 0], vector(b)[:, 0]
    return abs(np.vdot(a, b)) / np.linalg.norm(a) / np.linalg.norm(b)


def same(a, b):
    """Whether tensors make the same vector, factor and phase included."""
    return np.abs(vector(a) - vector(b)).max() < 1e-12 * np.abs(vector(a)).max()


def typed(parent, key, kind):
    group = parent.create_group(key)
    group.attrs["type"], group.attrs["version"] = kind, np.int64(1)
    return group


# ITensor: written after the sources of ITensorMPS.jl and of the C++ library, no Julia is at hand.


def write_itensor(path, tensors, *, name="psi", cpp=False, blocks=None, axes=lambda k, n: range(n), store="storage"):
    """The layout of ITensor. `blocks`: block sizes of (left, state, right) of each site, for quantum numbers."""
    n = len(tensors)

    def sizes(j, axis):
        return None if blocks is None else blocks[j][axis]

    with h5py.File(path, "w") as file:
        psi = typed(file, name, "MPS")
        psi["length"], psi["llim"], psi["rlim"] = np.int64(n), np.int64(0), np.int64(n + 1)
        for j, a in enumerate(tensors):
            tensor = typed(psi, f"MPS[{j + 1}]", "ITensor")
            inds = [(100 + j, 0, f"Link,l={j}")] * (j > 0) + [(7, 1, f"Site,n={j + 1}")]
            inds += [(101 + j, 2, f"Link,l={j + 1}")] * (j + 1 < n)
            b = a.reshape([a.shape[axis] for _, axis, _ in inds])
            order = list(axes(j, len(inds)))
            inds, b = [inds[k] for k in order], b.transpose(order)
            group = typed(tensor, "inds", "IndexSet")
            group["length"] = np.int64(len(inds))
            for k, (number, axis, tag) in enumerate(inds):
                index = typed(group, f"index_{k + 1}", "Index")
                index["id"], index["dim"], index["dir"] = np.uint64(number), np.int64(a.shape[axis]), np.int64(1)
                index["plev"] = np.int64(0)
                typed(index, "tags", "TagSet")["tags"] = tag
                index.attrs["space_type"] = "Int" if blocks is None else "QNBlocks"
                if blocks is not None:
                    space = typed(index, "space", "QNBlocks")
                    space["length"], space["dims"] = np.int64(len(sizes(j, axis))), np.array(sizes(j, axis))
            element = "ComplexF64" if np.iscomplexobj(a) else "Float64"
            if blocks is None:
                storage, data = typed(tensor, store, f"Dense{{{element}}}"), b.flatten(order="F")
            else:
                storage = typed(tensor, store, f"BlockSparse{{{element}}}")
                parts = [sizes(j, axis) for _, axis, _ in inds]
                starts = [np.concatenate([[0], np.cumsum(p)]) for p in parts]
                data, table = [], []
                for which in reversed(list(np.ndindex(*map(len, parts)))):
                    block = b[tuple(slice(s[k], s[k + 1]) for k, s in zip(which, starts))]
                    if np.any(block):
                        table += [*(k + 1 for k in which), len(data)]
                        data += list(block.flatten(order="F"))
                storage["ndims"], storage["offsets"] = np.int64(len(inds)), np.array(table, dtype=np.int64)
                data = np.array(data, dtype=b.dtype)
            if cpp and np.iscomplexobj(a):
                storage["data"] = np.stack([data.real, data.imag], 1)
                storage["data"].attrs["__complex__"] = "1"
            else:
                storage["data"] = data


def charged(rng, n, is_complex=False):
    """A state of fixed charge, sum of x: tensors with the block sizes of their axes."""
    bonds = [[1]] + [[2, 3, 2]] * (n - 1) + [[1]]
    charges = [[0]] + [[j // 2 - 1, j // 2, j // 2 + 1] for j in range(1, n)] + [[n // 2]]
    tensors = []
    for j in range(n):
        ql, qr = np.repeat(charges[j], bonds[j]), np.repeat(charges[j + 1], bonds[j + 1])
        a = rng.standard_normal((len(ql), 2, len(qr)))
        if is_complex:
            a = a + 1j * rng.standard_normal(a.shape)
        a[ql[:, None, None] + np.arange(2)[:, None] != qr] = 0
        tensors.append(a)
    return tensors, [(bonds[j], [1, 1], bonds[j + 1]) for j in range(n)]


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
    assert overlap(tj.io.read_itensor(tmp_path / "a.h5", arrays=True), tj.io.to_arrays(model)) == pytest.approx(1, abs=1e-13)


# TeNPy: the layout of tenpy.tools.hdf5_io 1.1, hard links included.


def write_list(parent, key, items, write):
    group = parent.create_group(key)
    group.attrs["type"], group.attrs["len"] = "list", len(items)
    for k, item in enumerate(items):
        write(group, str(k), item)


def put(parent, key, value):
    parent[key] = value


def write_leg(parent, key, sizes, form):
    leg = parent.create_group(key)
    leg.attrs["format"], leg.attrs["ind_len"], leg.attrs["qconj"] = form, sum(sizes), 1
    at = np.concatenate([[0], np.cumsum(sizes)])
    if form == "blocks":
        leg["slices"], leg["charges"] = at, np.arange(len(sizes))[:, None]
    elif form == "compact":
        leg["blockcharges"] = np.stack([at[:-1], at[1:], np.arange(len(sizes))], 1)
    else:
        leg["charges"] = np.zeros((sum(sizes), 1), np.int64)
    return leg


def write_tenpy(path, tensors, *, forms=None, values=None, perms=None, norm=1.0, blocks=None, root=False, leg="blocks",
                bc="finite", kind="MPS", labels=("vL", "p", "vR")):
    n = len(tensors)
    values = values or [np.ones(1)] + [np.ones(a.shape[2]) for a in tensors]
    with h5py.File(path, "w") as file:
        psi = file if root else file.create_group("psi")
        psi.attrs["class"], psi.attrs["module"] = kind, "tenpy.networks.mps"
        psi.attrs["L"], psi.attrs["norm"], psi.attrs["grouped"] = n, norm, 1
        psi["boundary_condition"] = bc
        write_list(psi, "singular_values", values, put)

        def write_form(parent, key, form):
            if form is None:
                parent[key] = h5py.Empty("f")
            else:
                pair = parent.create_group(key)
                pair.attrs["type"], pair["0"], pair["1"] = "tuple", form[0], form[1]

        write_list(psi, "canonical_form", forms or [None] * n, write_form)
        sites = psi.create_group("sites")
        for j in range(n):
            if perms is not None or j == 0:
                site = sites.create_group(str(j))
                site["perm"] = np.arange(tensors[j].shape[1]) if perms is None else perms[j]
            else:
                sites[str(j)] = sites["0"]  # a hard link: all sites are one object
        if perms is None and len({a.shape[1] for a in tensors}) > 1:
            raise ValueError("sites of several dimensions: give perms")

        def write_array(parent, key, item):
            j, a = item
            group = parent.create_group(key)
            group.attrs["rank"], group.attrs["shape"] = 3, np.array(a.shape)
            write_list(group, "labels", [labels[k] for k in (1, 0, 2)], put)
            sizes = [[k] for k in a.shape] if blocks is None else list(blocks[j])
            if leg == "flat":
                sizes = [[1] * k for k in a.shape]
            legs = group.create_group("legs")
            for k, axis in enumerate((1, 0, 2)):
                write_leg(legs, str(k), sizes[axis], leg)
            b, sizes = a.transpose(1, 0, 2), [sizes[axis] for axis in (1, 0, 2)]
            group.attrs["shape"] = np.array(b.shape)
            starts = [np.concatenate([[0], np.cumsum(s)]) for s in sizes]
            found = [(q, b[tuple(slice(s[k], s[k + 1]) for k, s in zip(q, starts))]) for q in np.ndindex(*map(len, sizes))]
            found = [(q, block) for q, block in found if np.any(block)]
            write_list(group, "blocks", [block for _, block in found], put)
            group["block_inds"] = np.array([q for q, _ in found], dtype=np.int64).reshape(-1, 3)

        write_list(psi, "tensors", list(enumerate(tensors)), write_array)


@COMPLEX
@pytest.mark.parametrize("leg", ["blocks", "compact", "flat"])
@pytest.mark.parametrize("root", [False, True])
def test_tenpy_files(tmp_path, is_complex, leg, root):
    tensors, blocks = charged(np.random.default_rng(4), 6, is_complex)
    write_tenpy(tmp_path / "a.h5", tensors, blocks=blocks, leg=leg, root=root, norm=0.5)
    read = tj.io.read_tenpy(tmp_path / "a.h5", arrays=True)
    assert same(read, [0.5 * tensors[0], *tensors[1:]])
    np.testing.assert_allclose(np.exp(tj.io.read_tenpy(tmp_path / "a.h5").log_prob(configs((2,) * 6))),
                               law(vector(tensors)), atol=1e-14)


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
            stored = [values[j][:, None, None] ** left * a * values[j + 1] ** right
                      for j, (a, (left, right)) in enumerate(zip(bare, forms))]
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


# Damaged files.


READERS = {"tenpy": tj.io.read_tenpy, "itensor": tj.io.read_itensor, "npz": tj.io.read_npz}


def sound(kind, path):
    tensors, blocks = charged(np.random.default_rng(4), 4)
    if kind == "tenpy":
        write_tenpy(path, tensors, blocks=blocks)
    elif kind == "itensor":
        write_itensor(path, tensors, blocks=blocks)
    else:
        tj.io.write_npz(tensors, path)


def refused(kind, path):
    with pytest.raises(tj.FormatError) as caught:
        READERS[kind](path)
    error = caught.value
    assert isinstance(error, ValueError) and isinstance(error, OSError)
    assert error.path == str(path) and error.reason and error.reason in str(error)


@pytest.mark.parametrize("kind", READERS)
def test_files_that_are_cut_off_or_of_another_kind(tmp_path, kind):
    path = tmp_path / "a"
    sound(kind, path)
    READERS[kind](path)
    whole = path.read_bytes()
    for end in (0, 10, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        refused(kind, path)
    path.write_bytes(b"\x93NUMPY nothing of the kind" * 50)
    refused(kind, path)
    sound("npz" if kind != "npz" else "tenpy", path)
    refused(kind, path)
    path.unlink()
    with pytest.raises(tj.FileError) as caught:
        READERS[kind](path)
    assert not isinstance(caught.value, tj.FormatError) and caught.value.path == str(path)
    with pytest.raises(tj.FileError):
        READERS[kind](tmp_path)


WRONG = [None, -1, 1 << 40, "text", np.zeros((0, 3)), h5py.Empty("f"), np.array([(1, 2.0, 3)], "i4,f8,i2")]


@pytest.mark.parametrize("kind", ["tenpy", "itensor"])
@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: str(w)[:20])
def test_whatever_a_file_holds_may_be_something_else(tmp_path, kind, wrong):
    """Every dataset, group and attribute in turn: the state, another state, or a typed error; never another error.

    (Files whose inner structure is damaged are for libhdf5 to refuse, which may fail to.)
    """
    path, places = tmp_path / "a", []
    sound(kind, path)
    with h5py.File(path) as file:
        file.visititems(lambda name, item: places.extend([(name, None)] + [(name, key) for key in item.attrs]))
    # All sites are alike: the second one, and what lies above it.
    places = [(name, key) for name, key in places if not re.search(r"(MPS\[[134]\]|(tensors|sites)/[023])/", name)]
    assert len(places) > 40
    sane, outcomes = path.read_bytes(), []
    for name, key in places:
        path.write_bytes(sane)
        with h5py.File(path, "r+") as file:
            at = file[name].attrs if key is not None else file
            del at[key or name]
            if wrong is not None:
                at[key or name] = wrong
        try:
            READERS[kind](path)
            outcomes.append("read")
        except tj.TensorJumpError as error:
            outcomes.append(type(error).__name__)
    # The layout has places that nobody reads; what counts is refused.
    assert outcomes.count("FormatError") > 15 and "read" in outcomes


def test_every_byte_of_an_npz_file_may_be_wrong(tmp_path):
    path, rng = tmp_path / "a", np.random.default_rng(9)
    sound("npz", path)
    whole, outcomes = np.frombuffer(path.read_bytes(), np.uint8), []
    for _ in range(300):
        damaged = whole.copy()
        damaged[rng.integers(len(whole), size=rng.choice([1, 20]))] ^= np.uint8(1 << rng.integers(8))
        path.write_bytes(damaged.tobytes())
        try:
            tj.io.read_npz(path)
            outcomes.append("read")
        except tj.TensorJumpError as error:
            outcomes.append(type(error).__name__)
    assert "FormatError" in outcomes and "read" in outcomes


ITENSOR = "psi/MPS[2]/"


@pytest.mark.parametrize(
    "kind, change",
    [
        ("itensor", lambda f: f.__delitem__("psi")),
        ("itensor", lambda f: f["psi"].attrs.__setitem__("type", "MPO")),
        ("itensor", lambda f: f["psi"].attrs.__delitem__("type")),
        ("itensor", lambda f: f["psi/length"].__setitem__((), 0)),
        ("itensor", lambda f: f["psi/length"].__setitem__((), 1 << 40)),
        ("itensor", lambda f: f[ITENSOR + "storage"].attrs.__setitem__("type", "run(`touch /tmp/x`)")),
        ("itensor", lambda f: f[ITENSOR + "storage"].attrs.__setitem__("type", "Diag{Float64,Float64}")),
        ("itensor", lambda f: f[ITENSOR + "storage"].attrs.__setitem__("type", "Dense{Float64}")),
        ("itensor", lambda f: f[ITENSOR + "storage/offsets"].__setitem__(3, 1 << 40)),
        ("itensor", lambda f: f[ITENSOR + "storage/offsets"].__setitem__(3, -1)),
        ("itensor", lambda f: f[ITENSOR + "storage/offsets"].__setitem__(0, 0)),
        ("itensor", lambda f: f[ITENSOR + "storage/offsets"].__setitem__(0, 9)),
        ("itensor", lambda f: f[ITENSOR + "storage/data"].__setitem__(0, np.nan)),
        ("itensor", lambda f: f[ITENSOR + "inds/index_1/dim"].__setitem__((), 1 << 50)),
        ("itensor", lambda f: f[ITENSOR + "inds/index_1/id"].__setitem__((), 5)),
        ("itensor", lambda f: f[ITENSOR + "inds/length"].__setitem__((), 2)),
        ("tenpy", lambda f: f["psi/tensors/1"].attrs.__setitem__("shape", [2, 7, 8])),
        ("tenpy", lambda f: f["psi/tensors/1/block_inds"].__setitem__((0, 0), 7)),
        ("tenpy", lambda f: f["psi/tensors/1/block_inds"].__setitem__((0, 0), -1)),
        ("tenpy", lambda f: f["psi/tensors/1/legs/1/slices"].__setitem__(1, 3)),
        ("tenpy", lambda f: f["psi/tensors/1/legs/1/slices"].__setitem__(-1, 1 << 40)),
        ("tenpy", lambda f: f["psi/tensors/1/blocks/0"].__setitem__((0, 0, 0), np.inf)),
        ("tenpy", lambda f: f["psi/sites/0/perm"].__setitem__(0, 1)),
        ("tenpy", lambda f: f["psi/tensors"].__delitem__("2")),
        ("tenpy", lambda f: f["psi/singular_values"].__delitem__("4")),
        ("tenpy", lambda f: f["psi"].attrs.__setitem__("grouped", 2)),
        ("tenpy", lambda f: f["psi"].attrs.__delitem__("norm")),
    ],
)
def test_damage_in_its_place(tmp_path, kind, change):
    path = tmp_path / "a.h5"
    sound(kind, path)
    with h5py.File(path, "r+") as file:
        change(file)
    refused(kind, path)


def test_no_way_into_other_files(tmp_path):
    for kind, place in [("tenpy", "psi/tensors/1/blocks/0"), ("itensor", "psi/MPS[2]/storage/data")]:
        path, other = tmp_path / "a.h5", tmp_path / "b.h5"
        sound(kind, path)
        shutil.copy(path, other)
        with h5py.File(path, "r+") as file:
            del file[place]
            file[place] = h5py.ExternalLink(str(other), place)
        refused(kind, path)


def test_a_claim_beyond_the_memory_is_refused_before_it_is_believed(tmp_path):
    path = tmp_path / "a.h5"
    sound("itensor", path)
    with h5py.File(path, "r+") as file:
        del file["psi/MPS[2]/storage/data"]
        file["psi/MPS[2]/storage"].create_dataset("data", shape=(1 << 45,), dtype="f8", chunks=(1024,))
    assert os.path.getsize(path) < 1 << 20
    refused("itensor", path)


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


@pytest.mark.parametrize(
    "arrays",
    [
        dict(A0=np.ones((1, 2, 1)), A2=np.ones((1, 2, 1))),
        dict(B0=np.ones((1, 2, 1))),
        dict(A0=np.ones((1, 2, 2)), A1=np.ones((1, 2, 1))),
        dict(A0=np.ones((2, 2, 1))),
        dict(A0=np.ones((1, 2))),
        dict(A0=np.full((1, 2, 1), np.nan)),
        dict(A0=np.array([[["a"], ["b"]]])),
        dict(A0=np.array([[[None], [1]]], dtype=object)),
        dict(),
    ],
)
def test_npz_of_something_else(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    refused("npz", tmp_path / "a.npz")


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
