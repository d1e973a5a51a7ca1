"""Draws docs/overview.png, the picture of the front page: `PYTHONPATH=python python docs/overview.py`."""

from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import tensorjump as tj

HERE = Path(__file__).resolve().parent
plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.3), layout="constrained", width_ratios=(0.8, 1.15, 1))

# Draw: one of any number.
L = 96
ising = tj.Ising(L, L, np.log(1 + np.sqrt(2)) / 2)
axes[0].imshow(tj.BoundaryMps(ising, chi=8).sample(3, rng=4).x[2].reshape(L, L), cmap="binary", interpolation="nearest")
axes[0].axis("off")
axes[0].set_title("draw")

# Noise and undo: a path of the Fredkin chain.
N = 100
chain = tj.Fredkin(N, c=0.5)
model = tj.FredkinModel(chain)
kernel = tj.Noise.flips(N, up=0.5, down=0.5).kernel(0.3)
x = model.sample(1, rng=7).x
y = kernel.sample(x, rng=11)
back = model.denoise(kernel, y, rng=4).x
for path, colour, width, label in (
    (y, "0.7", 1.0, "noised"),
    (x, "C0", 1.4, "a path"),
    (back, "C1", 1.4, "undone: another"),
):
    axes[1].plot(np.arange(N + 1), np.append(0, chain.heights(path)[0]), color=colour, lw=width, label=label)
axes[1].axhline(0, color="k", lw=0.6)
axes[1].set(xlabel="site $j$", ylabel="height $h_j$", title="noise and undo")
axes[1].legend(frameon=False, fontsize=8.5)

# Propose: acceptance and correlation of a target that no network holds.
N, J = 100, 0.4
r = np.abs(np.subtract.outer(np.arange(N), np.arange(N))).astype(float)
np.fill_diagonal(r, np.inf)


def log_weight(x):
    s = tj.to_spins(x).astype(float)
    return ((s @ (J / r**2)) * s).sum(1) / 2


target = tj.Target([2] * N, log_weight)
near = tj.PositiveMps.ising(1.25 * J, np.ones(N - 1), np.zeros(N))
noise = tj.Noise.flips(N, up=0.5, down=0.5)
times = np.geomspace(0.01, 2, 10)
rates = []
for t in times:
    chains = tj.Chains(target, near.sample(256, rng=1).x)
    chains.advance(tj.Proposal(near, noise.kernel(float(t))), 100, rng=2)
    rates.append(chains.advance(tj.Proposal(near, noise.kernel(float(t))), 200, rng=3)["acceptance"])
axes[2].semilogx(times, rates, "o-", ms=4)
axes[2].set(xlabel="noise time $T$", ylabel="acceptance", ylim=(0, 1), title="propose")
figure.savefig(HERE / "overview.png", dpi=110)
