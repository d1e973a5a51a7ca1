"""States of ITensor: HDF5 files of ITensorMPS.jl and of the C++ library, dense and with quantum numbers.

The axes of a tensor come in any order: links are the indices that neighbours share, by id, prime level and tags.
Numbers are column-major. Block-sparse storage is one vector, in which each block begins at its offset; blocks are
named by the (one-based) numbers of the blocks of their indices.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from .._core import BornMps
from ._arrays import Tensors, from_file, to_arrays
from ._files import MOST, AnyPath, attribute, child, damaged, integers, numbers, opened, replaced, text, whole


def _type(kind: str) -> str:
    """The name of a Julia type such as `Dense{Float64}`, which is compared and never evaluated."""
    match = re.match(r"^(?:NDTensors\.)?([A-Za-z]+)(?:\{.*\})?$", kind)
    return match.group(1) if match else repr(kind)


class _Index(NamedTuple):
    id: int
    plev: int
    tags: str


def _index(group: Any) -> tuple[_Index, int, list[int]]:
    """An index: what tells it from others, its dimension, the dimensions of its blocks."""
    kind = text(attribute(group, "type"))
    if kind != "Index":
        raise ValueError(f"{group.name} is of type {kind!r}, expected an Index")
    dim = whole(child(group, "dim"), 1)
    blocks = [dim]
    if "space" in group:
        blocks = [int(d) for d in integers(child(group, "space/dims")).reshape(-1)]
        if sum(blocks) != dim or min(blocks) < 0:
            raise ValueError(f"blocks {blocks} of {group.name} of dimension {dim}")
    plev = whole(child(group, "plev")) if "plev" in group else 0
    name = np.asarray(child(group, "id")[()]).reshape(-1)[0]
    return _Index(int(name), plev, text(child(group, "tags/tags"))), dim, blocks


def _data(storage: Any) -> NDArray[Any]:
    data = numbers(child(storage, "data"))
    if data.ndim != 1:
        raise ValueError(f"{storage.name}/data has shape {data.shape}, expected one axis")
    return data


def _blocks(storage: Any, shape: list[int], blocks: list[list[int]]) -> NDArray[Any]:
    """Block-sparse storage as a dense array."""
    data, rank = _data(storage), len(shape)
    table = integers(child(storage, "offsets")).reshape(-1)
    if whole(child(storage, "ndims")) != rank or len(table) % (rank + 1):
        raise ValueError(f"{storage.name} does not fit {rank} indices")
    out = np.zeros(shape, dtype=data.dtype)
    starts = [np.concatenate([[0], np.cumsum(b)]) for b in blocks]
    for *which, offset in table.reshape(-1, rank + 1).tolist():
        if any(not 1 <= k <= len(b) for k, b in zip(which, blocks)):
            raise ValueError(f"{storage.name} has a block {which}, beyond its indices")
        size = [b[k - 1] for k, b in zip(which, blocks)]
        if not 0 <= offset <= len(data) - int(np.prod(size)):
            raise ValueError(f"{storage.name} has a block of {size} at {offset} of {len(data)} numbers")
        place = tuple(slice(s[k - 1], s[k]) for k, s in zip(which, starts))
        out[place] = data[offset : offset + int(np.prod(size))].reshape(size, order="F")
    return out


def _tensor(group: Any) -> tuple[list[_Index], NDArray[Any]]:
    inds = child(group, "inds")
    read = [_index(child(inds, f"index_{k + 1}")) for k in range(whole(child(inds, "length"), 1))]
    names, shape = [i for i, _, _ in read], [d for _, d, _ in read]
    if len(set(names)) != len(names):
        raise ValueError(f"{group.name} has an index twice")
    if int(np.prod(shape, dtype=object)) > MOST:
        raise ValueError(f"{group.name} claims a shape of {shape}")
    storage = child(group, "storage" if "storage" in group else "store")
    kind = _type(text(attribute(storage, "type")))
    if kind == "BlockSparse":
        return names, _blocks(storage, shape, [b for _, _, b in read])
    if kind == "Dense":
        data = _data(storage)
        if len(data) != int(np.prod(shape)):
            raise ValueError(f"{storage.name} has {len(data)} numbers where {shape} belong")
        return names, data.reshape(shape, order="F")
    raise ValueError(f"{storage.name} is of type {kind}, expected Dense or BlockSparse: call dense(psi) before writing")


@overload
def read_itensor(path: AnyPath, name: str = ..., *, arrays: Literal[False] = False, bases: Any = None) -> BornMps: ...


@overload
def read_itensor(path: AnyPath, name: str = ..., *, arrays: Literal[True]) -> Tensors: ...


def read_itensor(path: AnyPath, name: str = "psi", *, arrays: bool = False, bases: Any = None) -> Any:
    """The law of an ITensor `MPS` in an HDF5 file, of Julia (`write(f, "psi", psi)`) or C++ (`h5_write`).

    Parameters
    ----------
    path : path
    name : str
        The name that the state was written under.
    arrays : bool
        The tensors themselves instead of the law.
    bases : optional
        As for `BornMps`.

    Returns
    -------
    BornMps, or list of array
        Symbols are the states of the site indices in their order: "S=1/2" 0 Up, 1 Dn.

    Raises
    ------
    FormatError
        A file that is cut off, damaged or of another kind (as diagonal storage): `path`, `reason`.
    FileError
        A file that cannot be opened.
    """
    with opened(path) as file:
        psi = child(file, name)
        kind = text(psi.attrs.get("type", ""))
        if kind != "MPS":
            raise damaged(path, f"{kind or 'something else'} at {name}, expected an ITensor MPS")
        sites = whole(child(psi, "length"), 1)
        if f"MPS[{sites}]" not in psi or sites > len(psi):
            raise damaged(path, f"{name} claims {sites} sites")
        read = [_tensor(child(psi, f"MPS[{j + 1}]")) for j in range(sites)]
        tensors: Tensors = []
        for j, (inds, a) in enumerate(read):
            # Several links to a neighbour are taken in the order of the left tensor.
            left = [i for i in read[j - 1][0] if i in inds] if j > 0 else []
            right = [i for i in inds if j + 1 < sites and i in read[j + 1][0]]
            site = [i for i in inds if i not in left and i not in right]
            if len(site) != 1:
                raise damaged(path, f"MPS[{j + 1}] has {len(site)} site indices, expected one")
            a = a.transpose([inds.index(i) for i in left + site + right])
            size = int(np.prod(a.shape[: len(left)], dtype=int))
            tensors.append(np.ascontiguousarray(a).reshape(size, a.shape[len(left)], -1))
    return from_file(path, tensors, arrays, bases)


def write_itensor(model: Any, path: AnyPath, name: str = "psi", *, tags: str = "S=1/2,Site") -> None:
    """Writes the state of a law, or a list of tensors, as an `MPS` that `h5read` of ITensorMPS.jl reads.

    Dense storage, version 1 of the layout. The site indices are new ones, tagged `tags` and `n=1`, `n=2`, ...: in
    Julia `siteinds(psi)` has them, `replace_siteinds` brings those of an operator in.

    Raises
    ------
    FileError
        What the system says; the old file, if any, is then untouched.
    """
    try:
        import h5py
    except ImportError as e:
        raise ImportError("HDF5 files need h5py: pip install h5py, or tensorjump[files]") from e
    tensors = to_arrays(model) if isinstance(model, BornMps) else [np.asarray(a) for a in model]
    n = len(tensors)
    if n == 0 or tensors[0].shape[0] != 1 or tensors[-1].shape[2] != 1:
        raise ValueError("an ITensor MPS has first and last bonds of one state")
    fresh = np.random.default_rng().integers(1, 1 << 63, size=2 * n + 1, dtype=np.uint64)
    site, link = fresh[:n], fresh[n:]

    def typed(parent: Any, key: str, kind: str) -> Any:
        group = parent.create_group(key)
        group.attrs["type"], group.attrs["version"] = kind, np.int64(1)
        return group

    def write(part: Any) -> None:
        with h5py.File(part, "w") as file:
            psi = typed(file, name, "MPS")
            psi["length"], psi["llim"], psi["rlim"] = np.int64(n), np.int64(0), np.int64(n + 1)
            for j, a in enumerate(tensors):
                tensor = typed(psi, f"MPS[{j + 1}]", "ITensor")
                inds = [(link[j], a.shape[0], f"Link,l={j}")] * (j > 0)
                inds += [(site[j], a.shape[1], f"{tags},n={j + 1}")]
                inds += [(link[j + 1], a.shape[2], f"Link,l={j + 1}")] * (j + 1 < n)
                group = typed(tensor, "inds", "IndexSet")
                group["length"] = np.int64(len(inds))
                for k, (number, dim, tag) in enumerate(inds):
                    index = typed(group, f"index_{k + 1}", "Index")
                    index.attrs["space_type"] = "Int"
                    index["id"], index["dim"] = number, np.int64(dim)
                    index["dir"], index["plev"] = np.int64(0), np.int64(0)
                    typed(index, "tags", "TagSet")["tags"] = tag
                element = "ComplexF64" if np.iscomplexobj(a) else "Float64"
                data = a.reshape([d for _, d, _ in inds]).flatten(order="F")
                typed(tensor, "storage", f"Dense{{{element}}}")["data"] = data

    replaced(path, write)
