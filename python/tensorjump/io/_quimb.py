"""States of quimb."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from .._core import BornMps
from ._arrays import Tensors, closed, given


@overload
def from_quimb(psi: Any, *, arrays: Literal[False] = False, bases: Any = None) -> BornMps: ...


@overload
def from_quimb(psi: Any, *, arrays: Literal[True]) -> Tensors: ...


def from_quimb(psi: Any, *, arrays: bool = False, bases: Any = None) -> Any:
    """The law of a quimb `MatrixProductState` with open ends, in any gauge and with axes in any order.

    Parameters
    ----------
    psi : quimb.tensor.MatrixProductState
        Its arrays may be of any backend that NumPy reads. The factor `10**psi.exponent` is applied.
    arrays : bool
        The tensors themselves instead of the law.
    bases : optional
        As for `BornMps`.

    Raises
    ------
    ValueError
        A periodic state, or tensors that share indices with others than their neighbours.
    """
    tensors: Tensors = []
    n = psi.L
    for j in range(n):
        t, site = psi[j], psi.site_ind(j)
        # Several bonds to a neighbour are taken in one order on both sides: that of the left tensor.
        left = [i for i in psi[j - 1].inds if i in t.inds] if j > 0 else []
        right = [i for i in t.inds if j + 1 < n and i in psi[j + 1].inds and i not in left]
        if sorted([*left, site, *right]) != sorted(t.inds):
            raise ValueError(f"tensor of site {j} has indices {t.inds}: no state with open ends")
        a = np.asarray(t.transpose(*left, site, *right).data)
        size = int(np.prod(a.shape[: len(left)], dtype=int))
        tensors.append(a.reshape(size, a.shape[len(left)], -1))
    scale = 10.0 ** float(getattr(psi, "exponent", 0.0) or 0.0)
    if scale != 1.0:
        tensors[0] = tensors[0] * scale
    return given(tensors, arrays, bases)


def to_quimb(model: BornMps) -> Any:
    """The state of a law as a quimb `MatrixProductState`: right-canonical, norm one, complex where the law is.

    Raises
    ------
    ValueError
        For a mixed state (an open bond of more than two states).
    """
    import quimb.tensor as qtn

    tensors = closed(model, "quimb")
    if len(tensors) == 1:
        return qtn.MatrixProductState([tensors[0][0, :, 0]], shape="lpr")
    ends = [tensors[0][0], *tensors[1:-1], tensors[-1][:, :, 0]]
    return qtn.MatrixProductState(ends, shape="lpr")
