"""States as plain arrays, and the `.npz` file of these."""

from __future__ import annotations

import zipfile
from typing import Any, Literal, Union, overload

import numpy as np
from numpy.typing import NDArray

from .._core import BornMps
from ._files import AnyPath, damaged, replaced, suspicion, unreachable

Tensors = list[NDArray[Any]]
"""One array for each site, axes (left, state, right), real or complex; the first left bond is 1."""


def flaw(tensors: Tensors) -> str | None:
    """What is wrong with the shapes of the tensors, if anything."""
    left = 1
    if not tensors:
        return "no sites"
    for j, a in enumerate(tensors):
        if a.ndim != 3 or 0 in a.shape:
            return f"tensor of site {j} has shape {a.shape}, expected (left, state, right)"
        if a.shape[0] != left:
            return f"tensor of site {j} has left bond {a.shape[0]}, expected {left}"
        left = a.shape[2]
    return None


def given(tensors: Tensors, arrays: bool, bases: Any) -> Any:
    """The tensors as they were asked for."""
    if not arrays:
        return BornMps(tensors, bases=bases)
    if bases is not None:
        raise TypeError("bases= goes with a law: leave arrays=True out, or rotate the arrays yourself")
    return tensors


def from_file(path: AnyPath, tensors: Tensors, arrays: bool, bases: Any) -> Any:
    """The tensors that a file holds, as they were asked for."""
    reason = flaw(tensors)
    if reason is not None:
        raise damaged(path, reason)
    return given(tensors, arrays, bases)


def _complexes(tensors: Tensors, law: int) -> Tensors:
    """The complex state behind a law with one site of two states behind it: psi = phi_0 - i phi_1."""
    last = tensors[law][:, :, 0] @ np.array([1.0, -1.0j])
    out = [a.astype(np.complex128) for a in tensors[:law]]
    out[-1] = (out[-1] @ last)[:, :, None]
    # The bonds are twice those of the state: from the left without loss, from the right by rank.
    for j in range(law - 1):
        left, d, right = out[j].shape
        q, r = np.linalg.qr(out[j].reshape(left * d, right))
        out[j] = q.reshape(left, d, -1)
        out[j + 1] = np.tensordot(r, out[j + 1], 1)
    for j in range(law - 1, 0, -1):
        left, d, right = out[j].shape
        u, s, v = np.linalg.svd(out[j].reshape(left, d * right), full_matrices=False)
        rank = max(1, int((s > 1e-14 * s[0]).sum()))
        out[j] = v[:rank].reshape(rank, d, right)
        out[j - 1] = np.tensordot(out[j - 1], u[:, :rank] * s[:rank], 1)
    out[0] /= np.linalg.norm(out[0])
    return out


def to_arrays(model: BornMps) -> Tensors:
    """The tensors of a law in right-canonical form with norm one, axes (left, state, right).

    A law of a complex state gives complex tensors, at the bonds of the state and up to a phase, to 1e-14 of the
    norm. A law over an open bond of more than two states gives tensors with an open last bond, summed over.
    `BornMps(to_arrays(model))` is the same law again.

    In TeNPy: `to_tenpy`, or `MPS.from_Bflat(sites, [a.transpose(1, 0, 2) for a in to_arrays(model)])` where no
    charge is conserved; in quimb: `to_quimb`.
    """
    if not isinstance(model, BornMps):
        raise TypeError(f"expected a BornMps, got {type(model).__name__}")
    tensors, law = list(model.tensors), model.sites
    if tensors[law - 1].shape[2] == 1:
        return tensors[:law]
    if len(tensors) == law + 1 and tensors[law].shape[1] == 2:
        return _complexes(tensors, law)
    # What lies behind is a right isometry: the sum over the open bond is the same without it.
    return tensors[:law]


def closed(model: BornMps, package: str) -> Tensors:
    """The tensors of a pure state."""
    tensors = to_arrays(model)
    if tensors[-1].shape[2] != 1:
        raise ValueError(f"a mixed state (an open bond of {tensors[-1].shape[2]}) is no MPS of {package}")
    return tensors


@overload
def read_npz(path: AnyPath, *, arrays: Literal[False] = False, bases: Any = None) -> BornMps: ...


@overload
def read_npz(path: AnyPath, *, arrays: Literal[True]) -> Tensors: ...


def read_npz(path: AnyPath, *, arrays: bool = False, bases: Any = None) -> Any:
    """A state from a `.npz` file of arrays `A0` ... `A{N-1}`, axes (left, state, right), real or complex, in any gauge.

    Parameters
    ----------
    path : path
    arrays : bool
        The tensors themselves instead of the law.
    bases : optional
        As for `BornMps`.

    Raises
    ------
    FormatError
        A file that is cut off, damaged or of another kind: `path`, `reason`. Pickled objects are refused.
    FileError
        A file that cannot be opened.
    """
    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise damaged(path, "not an .npz file, or cut off")
    except OSError as e:
        if isinstance(e, ValueError):
            raise
        raise unreachable(path, e) from e
    with suspicion(path), np.load(path, allow_pickle=False) as file:
        names = [f"A{j}" for j in range(len(file.files))]
        other = sorted(set(file.files) - set(names))
        if other or not names:
            raise damaged(path, f"arrays {other[:3]}, expected A0, A1, ...")
        tensors = [file[name] for name in names]
        for name, a in zip(names, tensors):
            if a.dtype.kind not in "biufc" or not np.isfinite(a).all():
                raise damaged(path, f"{name} of {a.dtype} holds what is no finite number")
    return from_file(path, tensors, arrays, bases)


def write_npz(model: Union[BornMps, Tensors], path: AnyPath) -> None:
    """Writes the tensors of a law (see `to_arrays`), or a list of tensors, as a `.npz` file of `A0` ... `A{N-1}`.

    Written beside its place and then renamed.

    Raises
    ------
    FileError
        What the system says; the old file, if any, is then untouched.
    """
    tensors = to_arrays(model) if isinstance(model, BornMps) else [np.asarray(a) for a in model]
    reason = flaw(tensors)
    if reason is not None:
        raise ValueError(reason)

    def write(part: Any) -> None:
        with open(part, "wb") as file:
            arrays: dict[str, Any] = {f"A{j}": np.ascontiguousarray(a) for j, a in enumerate(tensors)}
            np.savez(file, **arrays)

    replaced(path, write)
