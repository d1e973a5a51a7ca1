"""Spins and states."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._errors import StateError


def from_spins(s: ArrayLike) -> NDArray[np.uint8]:
    """States 0, 1 of spins -1, +1."""
    spins = np.asarray(s)
    if not np.isin(spins, (-1, 1)).all():
        raise StateError("spins are -1 or +1")
    return ((spins + 1) // 2).astype(np.uint8)


def to_spins(x: ArrayLike) -> NDArray[np.int8]:
    """Spins -1, +1 of states 0, 1."""
    states = np.asarray(x)
    if not np.isin(states, (0, 1)).all():
        raise StateError("states of spins are 0 or 1")
    return 2 * states.astype(np.int8) - 1
