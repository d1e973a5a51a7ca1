"""Random matrix-product states and their laws by enumeration, for the tests of states."""

import itertools

import numpy as np


def random_tensors(rng, dims, bond, *, is_complex=False, open_bond=1):
    """Tensors (left, state, right) with entries of either sign."""
    bonds = [1] + [bond] * (len(dims) - 1) + [open_bond]
    out = []
    for j, d in enumerate(dims):
        a = rng.standard_normal((bonds[j], d, bonds[j + 1]))
        out.append(a + 1j * rng.standard_normal(a.shape) if is_complex else a)
    return out


def vector(tensors):
    """Amplitudes of all configurations, shape (prod(dims), last bond)."""
    v = tensors[0]
    for a in tensors[1:]:
        v = np.tensordot(v, a, 1)
    return v.reshape(-1, v.shape[-1])


def rotated(psi, unitaries):
    """Amplitudes in the bases of `U[b, a] = <b|a>`, one index at a time."""
    dims = [len(u) for u in unitaries]
    v = psi.reshape(*dims, -1)
    for j, u in enumerate(unitaries):
        v = np.moveaxis(np.tensordot(u, v, (1, j)), 0, j)
    return v.reshape(psi.shape)


def law(psi):
    """Probabilities of all configurations."""
    p = (np.abs(psi) ** 2).sum(1)
    return p / p.sum()


def configs(dims):
    return np.array(list(itertools.product(*map(range, dims))), dtype=np.uint8)


def unitary(rng, d):
    """A random unitary."""
    return np.linalg.qr(rng.standard_normal((d, d)) + 1j * rng.standard_normal((d, d)))[0]


def follows(x, dims, p):
    """Whether draws follow a law: Pearson's chi^2, false alarm in one of a million (Wilson-Hilferty)."""
    n = len(x)
    count = np.bincount(np.ravel_multi_index(x.T, dims), minlength=len(p))
    order = np.argsort(p)
    # Rare configurations are taken together until 10 of them are expected.
    group = np.minimum(np.cumsum(p[order]) * n // 10, np.arange(len(p)))
    _, group = np.unique(group, return_inverse=True)
    expected, seen = np.bincount(group, p[order]) * n, np.bincount(group, count[order])
    keep = expected > 0
    if seen[~keep].any():
        return False
    statistic, k = ((seen - expected)[keep] ** 2 / expected[keep]).sum(), keep.sum() - 1
    return statistic < k * (1 - 2 / (9 * k) + 4.7534 * np.sqrt(2 / (9 * k))) ** 3
