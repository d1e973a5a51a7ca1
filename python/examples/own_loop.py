"""A Monte Carlo loop of one's own: diagonal bonds, by proposals that know the others."""

import numpy as np
import numpy.typing as npt
import tensorjump as tj

L, CHAINS, K = 8, 64, 0.03
near = tj.Ising(L, L, beta=0.33)
model = tj.BoundaryMps(near, chi=8)


def log_weight(x: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    s = tj.to_spins(x).reshape(-1, L, L).astype(float)
    diagonals = s[:, 1:, 1:] * s[:, :-1, :-1] + s[:, 1:, :-1] * s[:, :-1, 1:]
    return np.asarray(near.log_weight(x) + K * diagonals.sum((1, 2)))


rng, proposal, x = np.random.default_rng(1), tj.Proposal(model), model.sample(CHAINS, rng=0).x
log_w, squares = log_weight(x), []
for step in range(3000):
    new, log_ratio = proposal.propose(x, rng=tj.Streams(1).step(step))  # another step each time
    new_log_w = log_weight(new)
    accept = np.log(rng.random(CHAINS)) < new_log_w - log_w + log_ratio
    x[accept], log_w[accept] = new[accept], new_log_w[accept]
    squares.append(near.magnetisation(x) ** 2)
print(f"<m^2> = {np.mean(squares):.4f}", tj.series_mean(np.array(squares)))
