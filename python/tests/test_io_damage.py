"""Files that are cut off, damaged, of another kind or hostile: a typed error with path and reason, never another."""

import os
import re
import shutil

import numpy as np
import pytest

import tensorjump as tj

h5py = pytest.importorskip("h5py", reason="HDF5 files need h5py")

from layouts import charged, write_itensor, write_tenpy  # noqa: E402

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
