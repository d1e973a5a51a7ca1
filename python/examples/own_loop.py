"""A Monte Carlo loop of one's own: diagonal bonds, by proposals that know the others."""
import numpy as np
import tensorjump as tj

near, rng = tj.Ising(8, 8, beta=0.33), np.random.default_rng(1)
model = tj.BoundaryMps(near, chi=8)

def log_weight(x: np.ndarray) -> np.ndarray:
    s = tj.to_spins(x).reshape(-1, 8, 8).astype(float)
    diagonals = s[:, 1:, 1:] * s[:, :-1, :-1] + s[:, 1:, :-1] * s[:, :-1, 1:]
    return np.asarray(near.log_weight(x) + 0.03 * diagonals.sum((1, 2)))

proposal, x, squares = tj.Proposal(model), model.sample(64, rng=0).x, []
for step in range(3000):
    new, log_ratio = proposal.propose(x, rng=tj.Streams(1).step(step))  # another step each time
    accept = np.log(rng.random(64)) < log_weight(new) - log_weight(x) + log_ratio
    x[accept] = new[accept]
    squares.append(near.magnetisation(x) ** 2)
mean = tj.series_mean(np.array(squares))
print(f"<m^2> = {mean['mean']:.4f} +- {mean['error']:.4f}, autocorrelation time {mean['tau']:.2f} steps")
