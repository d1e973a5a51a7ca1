"""States of TeNPy: objects, and HDF5 files of `tenpy.tools.hdf5_io` without TeNPy.

A state is T_0 S^(e_0) T_1 S^(e_1) ... T_(L-1) times its norm, T_i as stored with the singular values of its left and
right bond to the powers `form[i] = (left, right)`: e_i = 1 - right_i - left_(i+1). In the common forms e is 0 or 1, and
nothing is divided by small singular values.
"""

from __future__ import annotations

from typing import Any, Literal, Optional, overload

import numpy as np
from numpy.typing import NDArray

from .._core import BornMps
from ._arrays import Tensors, closed, from_file, given
from ._files import MOST, AnyPath, attribute, child, damaged, integers, numbers, opened, text, whole

Form = Optional[tuple[float, float]]


def _joined(tensors: Tensors, forms: list[Form], values: list[NDArray[Any]], norm: float) -> Tensors:
    """Tensors with axes (vL, p, vR) multiplied by the singular values that their forms leave out."""
    if all(form is None for form in forms):
        out = list(tensors)
    elif any(form is None for form in forms):
        raise ValueError("some tensors have a canonical form and others none: call psi.canonical_form() first")
    else:
        left = [form[0] for form in forms if form] + [0.0]
        right = [0.0] + [form[1] for form in forms if form]
        out = []
        for j, a in enumerate(tensors):
            s, power = values[j], 1.0 - right[j] - left[j]
            if s.ndim != 1 or len(s) != a.shape[0]:
                raise ValueError(f"singular values of shape {s.shape} on bond {j} of {a.shape[0]} states")
            if power < 0 and not (s > 0).all():
                raise ValueError(f"zero singular values on bond {j} that its tensors hold twice")
            out.append(a if power == 0 else a * (s**power)[:, None, None])
        last, power = values[-1], 1.0 - right[-1]
        if power:
            out[-1] = out[-1] * (last**power)
    out[0] = out[0] * norm
    return out


def _unsorted(a: NDArray[Any], perm: NDArray[np.int64]) -> NDArray[Any]:
    """States in the order that the site has without conserved charges: `perm` sorted them by charge."""
    if not np.array_equal(np.sort(perm), np.arange(a.shape[1])):
        raise ValueError(f"perm {perm} is no permutation of {a.shape[1]} states")
    return np.take(a, np.argsort(perm), axis=1)


@overload
def from_tenpy(psi: Any, *, arrays: Literal[False] = False, bases: Any = None) -> BornMps: ...


@overload
def from_tenpy(psi: Any, *, arrays: Literal[True]) -> Tensors: ...


def from_tenpy(psi: Any, *, arrays: bool = False, bases: Any = None) -> Any:
    """The law of a finite TeNPy `MPS` in any canonical form, with or without conserved charges.

    Parameters
    ----------
    psi : tenpy.networks.mps.MPS
        With `bc="finite"`.
    arrays : bool
        The tensors themselves, times `psi.norm`, instead of the law.
    bases : optional
        As for `BornMps`.

    Returns
    -------
    BornMps, or list of array
        Symbols are the states of the sites without conservation: `SpinHalfSite` 0 up, 1 down. (TeNPy's own
        `sample_measurements` counts them in the order sorted by charge.)

    Raises
    ------
    ValueError
        An infinite or segment state, grouped sites, a purification.
    """
    if psi.bc != "finite":
        raise ValueError(f"a state with bc={psi.bc!r} has no law of its configurations: expected 'finite'")
    if getattr(psi, "grouped", 1) != 1:
        raise ValueError("grouped sites: call psi.group_split() first")
    tensors = []
    for i in range(psi.L):
        a = psi.get_B(i, form=None)
        labels = list(a.get_leg_labels())
        if sorted(map(str, labels)) != ["p", "vL", "vR"]:
            raise ValueError(f"tensor of site {i} has legs {labels}, expected vL, p, vR")
        a = a.to_ndarray().transpose([labels.index(label) for label in ("vL", "p", "vR")])
        tensors.append(_unsorted(a, np.asarray(psi.sites[i].perm)))
    values = [np.asarray(psi.get_SL(i)) for i in range(psi.L)] + [np.asarray(psi.get_SR(psi.L - 1))]
    forms = [None if form is None else (float(form[0]), float(form[1])) for form in psi.form]
    return given(_joined(tensors, forms, values, float(psi.norm)), arrays, bases)


def _slices(leg: Any) -> NDArray[np.int64]:
    """Where the blocks of a charged leg begin, and its length."""
    form = text(attribute(leg, "format")) if "format" in leg.attrs else "blocks"
    if form == "blocks":
        at = integers(child(leg, "slices")).reshape(-1)
    elif form == "compact":
        both = integers(child(leg, "blockcharges"))[:, :2]
        at = np.append(both[:, 0], both[-1:, 1])
    elif form == "flat":
        at = np.arange(whole(attribute(leg, "ind_len"), 1) + 1)
    else:
        raise ValueError(f"{leg.name} has format {form!r}, expected blocks, compact or flat")
    if len(at) < 2 or at[0] != 0 or (np.diff(at) < 0).any():
        raise ValueError(f"blocks of {leg.name} at {at}")
    return at


def _listed(group: Any, name: str) -> list[Any]:
    """The children of a list or tuple, which are numbered; no more than there are."""
    inside = child(group, name)
    return [child(inside, str(k)) for k in range(len(inside))]


def _dense(array: Any) -> NDArray[Any]:
    """An `npc.Array` of three legs as a dense array with axes (vL, p, vR)."""
    labels = [text(label) for label in _listed(array, "labels")]
    if sorted(labels) != ["p", "vL", "vR"]:
        raise ValueError(f"{array.name} has legs {labels}, expected vL, p, vR")
    at = [_slices(leg) for leg in _listed(array, "legs")]
    shape = tuple(int(a[-1]) for a in at)
    if len(at) != 3 or shape != tuple(int(n) for n in np.asarray(attribute(array, "shape"))):
        raise ValueError(f"legs of {array.name} have lengths {shape}, its shape is {attribute(array, 'shape')}")
    if int(np.prod(shape, dtype=object)) > MOST:
        raise ValueError(f"{array.name} claims a shape of {shape}")
    blocks = [numbers(block) for block in _listed(array, "blocks")]
    where = integers(child(array, "block_inds"))
    if where.shape != (len(blocks), 3):
        raise ValueError(f"{array.name} has {len(blocks)} blocks, and places for {where.shape}")
    out = np.zeros(shape, dtype=np.result_type(np.float64, *blocks))
    for q, block in zip(where, blocks):
        if any(not 0 <= k < len(a) - 1 for k, a in zip(q, at)):
            raise ValueError(f"{array.name} has a block at {tuple(q)}, beyond its legs")
        place = tuple(slice(a[k], a[k + 1]) for k, a in zip(q, at))
        if out[place].shape != block.shape:
            raise ValueError(f"{array.name} has a block of shape {block.shape} where {out[place].shape} belongs")
        out[place] = block
    axes = [labels.index(label) for label in ("vL", "p", "vR")]
    return np.transpose(out, axes)


def _forms(group: Any, sites: int) -> list[Form]:
    """Canonical forms: pairs, or None; stored as a list of tuples or, where all are pairs of numbers, as an array."""
    import h5py

    stored = child(group, "canonical_form")
    if isinstance(stored, h5py.Dataset):
        table = numbers(stored).reshape(sites, 2)
        return [(float(a), float(b)) for a, b in table]
    out: list[Form] = []
    for form in _listed(group, "canonical_form"):
        if isinstance(form, h5py.Dataset) and form.shape != (2,):
            out.append(None)
        elif isinstance(form, h5py.Dataset):
            a, b = numbers(form)
            out.append((float(a), float(b)))
        else:
            out.append((float(numbers(child(form, "0"))), float(numbers(child(form, "1")))))
    return out


@overload
def read_tenpy(path: AnyPath, name: str = ..., *, arrays: Literal[False] = False, bases: Any = None) -> BornMps: ...


@overload
def read_tenpy(path: AnyPath, name: str = ..., *, arrays: Literal[True]) -> Tensors: ...


def read_tenpy(path: AnyPath, name: str = "psi", *, arrays: bool = False, bases: Any = None) -> Any:
    """The law of a finite TeNPy `MPS` in an HDF5 file of `tenpy.tools.hdf5_io`, without TeNPy.

    Parameters
    ----------
    path : path
    name : str
        Where in the file the state is: `"psi"` in the dictionaries that TeNPy's documentation saves and in results
        of its simulations. A file that holds nothing but a state is read whatever the name.
    arrays, bases
        As for `from_tenpy`.

    Returns
    -------
    BornMps, or list of array
        As `from_tenpy` of the object.

    Raises
    ------
    FormatError
        A file that is cut off, damaged or of another kind: `path`, `reason`.
    FileError
        A file that cannot be opened.
    """
    with opened(path) as file:
        psi = file if text(file.attrs.get("class", "")) == "MPS" else child(file, name)
        kind = text(psi.attrs.get("class", ""))
        if kind != "MPS":
            raise damaged(path, f"{kind or 'something else'} at {name}, expected a TeNPy MPS")
        bc = text(child(psi, "boundary_condition"))
        if bc != "finite":
            raise damaged(path, f"a state with bc={bc!r} has no law of its configurations: expected 'finite'")
        if "grouped" in psi.attrs and whole(psi.attrs["grouped"]) != 1:
            raise damaged(path, "grouped sites: call psi.group_split() before saving")
        stored = _listed(psi, "tensors")
        perms = [integers(child(site, "perm")) for site in _listed(psi, "sites")]
        values = [numbers(s) for s in _listed(psi, "singular_values")]
        forms = _forms(psi, len(stored))
        if not stored or not len(stored) == len(perms) == len(forms) == len(values) - 1:
            raise damaged(path, f"{len(stored)} tensors, {len(perms)} sites, {len(values)} bonds")
        tensors = [_unsorted(_dense(a), perm) for a, perm in zip(stored, perms)]
        norm = float(np.real(np.asarray(attribute(psi, "norm")).reshape(-1)[0]))
        tensors = _joined(tensors, forms, values, norm)
    return from_file(path, tensors, arrays, bases)


def to_tenpy(model: BornMps, sites: Any) -> Any:
    """The state of a law as a TeNPy `MPS`, in canonical form.

    Parameters
    ----------
    model : BornMps
    sites : tenpy.networks.site.Site or list of them
        One for all, or one for each. They conserve no charge (`conserve=None`): bonds of a law do not know charges.

    Raises
    ------
    ValueError
        For a mixed state (an open bond of more than two states), and for sites that conserve a charge.
    """
    from tenpy.networks.mps import MPS

    tensors = closed(model, "TeNPy")
    sites = list(sites) if isinstance(sites, (list, tuple)) else [sites] * len(tensors)
    if any(site.leg.chinfo.qnumber for site in sites):
        raise ValueError("sites that conserve a charge: expected sites with conserve=None")
    psi = MPS.from_Bflat(sites, [a.transpose(1, 0, 2) for a in tensors], bc="finite", form=None)
    psi.canonical_form()
    return psi
