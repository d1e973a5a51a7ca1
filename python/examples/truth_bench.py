"""A denoiser of one's own (here NumPy; a network of torch or jax is the same) against the exact law."""

import numpy as np

import tensorjump as tj

N, J = 8, 0.5
truth = tj.PositiveMps.ising(J, np.ones(N), np.zeros(N), ring=True)
noise = tj.Noise.uniform([2] * N)


def mine(t: float, y: np.ndarray) -> np.ndarray:  # P(x0_j | y) if a site saw itself and its two neighbours only
    k = noise.kernel(t).tables[0]
    s, h = 2.0 * y - 1, np.log(k[1, 1] / k[0, 1]) / 2
    near = [np.arctanh(np.tanh(J) * np.tanh(h * np.roll(s, shift, axis=1))) for shift in (1, -1)]
    up = 1 / (1 + np.exp(-2 * (h * s + sum(near))))
    return np.stack([1 - up, up], axis=2)


print(tj.truth_bench(truth, noise, {"mine": mine}, steps=(8, 32, 128)))
