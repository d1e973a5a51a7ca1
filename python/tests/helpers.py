"""Independent laws by NumPy: everything here enumerates, nothing calls the package."""

import itertools

import numpy as np


def all_x(dims):
    """All configurations, first site most significant."""
    return np.array(list(itertools.product(*(range(d) for d in dims))), dtype=np.uint8).reshape(-1, len(dims))


def amplitudes(tensors, x):
    """`A_1[x_1] ... A_N[x_N]` for each row, shape (n, last bond)."""
    out = []
    for row in x:
        v = np.ones((1,), dtype=complex)
        for a, s in zip(tensors, row):
            v = v @ np.asarray(a)[:, s, :]
        out.append(v)
    return np.array(out)


def normalised(weights):
    return weights / weights.sum()


def random_tensors(rng, dims, bonds, *, positive=False, cplx=False):
    bonds = [1, *bonds]
    out = []
    for j, d in enumerate(dims):
        shape = (bonds[j], d, bonds[j + 1])
        a = rng.random(shape) if positive else rng.standard_normal(shape)
        out.append(a + 1j * rng.standard_normal(shape) if cplx else a)
    return out


def kernel_tables(rng, dims, dims_out=None):
    """Random stochastic matrices, not symmetric."""
    return [rng.dirichlet(np.linspace(0.3, 2, e), size=d) for d, e in zip(dims, dims_out or dims)]


def kernel_matrix(tables):
    """The kernel over all configurations."""
    k = np.ones((1, 1))
    for t in tables:
        k = np.kron(k, t)
    return k


def ising_weights(rows, cols, beta, horizontal, vertical, field, wrap_cols=False, wrap_rows=False):
    """Weights of all configurations, from the definition."""
    x = all_x([2] * (rows * cols))
    s = 2.0 * x.reshape(-1, rows, cols) - 1
    e = (s * field).sum((1, 2))
    for r in range(rows):
        for c in range(cols if wrap_cols else cols - 1):
            e += horizontal[r, c] * s[:, r, c] * s[:, r, (c + 1) % cols]
    for r in range(rows if wrap_rows else rows - 1):
        for c in range(cols):
            e += vertical[r, c] * s[:, r, c] * s[:, (r + 1) % rows, c]
    return x, np.exp(beta * e)


def chi_square_p(counts, p):
    """p-value of Pearson's test, cells of less than five expected draws put together."""
    from math import erfc, sqrt

    n = counts.sum()
    order = np.argsort(p)
    cells, expected, c, e = [], [], 0.0, 0.0
    for i in order:
        c, e = c + counts[i], e + n * p[i]
        if e >= 5:
            cells.append(c), expected.append(e)
            c, e = 0.0, 0.0
    if e or c:
        if not cells:
            return 1.0
        cells[-1] += c
        expected[-1] += e
    cells, expected = np.array(cells), np.array(expected)
    if len(cells) < 2:
        return 1.0
    k, x = len(cells) - 1, ((cells - expected) ** 2 / expected).sum()
    z = ((x / k) ** (1 / 3) - (1 - 2 / (9 * k))) / sqrt(2 / (9 * k))  # Wilson-Hilferty
    return 0.5 * erfc(z / sqrt(2))


def index(x, dims):
    """Number of each row in `all_x(dims)`."""
    return np.ravel_multi_index(np.asarray(x).T.astype(int), dims)
