# ---
# jupytext:
#   text_representation:
#     extension: .py
#     format_name: percent
# kernelspec:
#   display_name: Python 3
#   name: python3
# ---

# %% [markdown]
# # Your own Monte Carlo loop
#
# You have an energy that no tensor network holds. Some tensor network is *near* it. Draw from the network, accept on
# your energy: the result is exact for your energy, however crude the network is.
#
# The energy of this page is an Ising model with couplings $J$ along the sides of the squares and $K$ along their
# diagonals. The proposal is a boundary state of a model with sides only.

# %%
import matplotlib.pyplot as plt
import numpy as np

import tensorjump as tj

J, K = 0.35, 0.05


def log_weight(x, rows, cols):
    """-beta E of configurations (n, rows * cols), open edges."""
    s = tj.to_spins(x).reshape(-1, rows, cols).astype(float)
    sides = (s[:, :, 1:] * s[:, :, :-1]).sum((1, 2)) + (s[:, 1:] * s[:, :-1]).sum((1, 2))
    diagonals = (s[:, 1:, 1:] * s[:, :-1, :-1]).sum((1, 2)) + (s[:, 1:, :-1] * s[:, :-1, 1:]).sum((1, 2))
    return J * sides + K * diagonals


# %% [markdown]
# ## One configuration at a time
#
# A plain Metropolis–Hastings loop, as you would write it. `draws` hands out single draws that were made 1024 at a
# time: a loop with one configuration pays the price of a batch. Accept with probability
#
# $$\min\Bigl(1, \frac{\pi(x')}{\pi(x)} \frac{q(x)}{q(x')}\Bigr).$$
#
# The effect of the diagonals is put into the sides in the mean: $J + K$ instead of $J$.

# %%
L = 4
model = tj.BoundaryMps(tj.Ising(L, L, J + K), chi=8)
draws = model.draws(rng=1)
random = np.random.default_rng(2)

x, log_q = next(draws)
log_w = log_weight(x, L, L)[0]
series, accepted, steps = np.empty(40_000), 0, 40_000
for step in range(steps):
    x_new, log_q_new = next(draws)
    log_w_new = log_weight(x_new, L, L)[0]
    if np.log(random.random()) < log_w_new - log_w + log_q - log_q_new:
        x, log_q, log_w = x_new, log_q_new, log_w_new
        accepted += 1
    series[step] = tj.to_spins(x).sum() ** 2

# %% [markdown]
# `series_mean` gives the error from the autocorrelation time. Sixteen sites can be enumerated, so the truth is at
# hand:

# %%
found = tj.series_mean(series)
every = (np.arange(2**16)[:, None] >> np.arange(16) & 1).astype(np.uint8)
p = np.exp(log_weight(every, L, L))
exact = (p @ tj.to_spins(every).sum(1, dtype=float) ** 2) / p.sum()
print(f"acceptance {accepted / steps:.3f}, tau {found['tau']:.2f} steps")
print(f"<M^2> = {found['mean']:.2f} +- {found['error']:.2f}, exact {exact:.2f}")
assert abs(found["mean"] - exact) < 5 * found["error"]

# %% [markdown]
# ## Many chains, smaller moves
#
# The larger the system, the more rarely a whole new configuration is accepted. The energy below couples *all* pairs
# of a chain of 100 spins, $J_{ij} = J/|i-j|^2$; the network couples neighbours only.

# %%
N, J = 100, 0.4
distance = np.abs(np.subtract.outer(np.arange(N), np.arange(N))).astype(float)
np.fill_diagonal(distance, np.inf)
couplings = J / distance**2


def log_weight(x):
    s = tj.to_spins(x).astype(float)
    return ((s @ couplings) * s).sum(1) / 2


target = tj.Target([2] * N, log_weight)
for factor in (1.0, 1.25, 1.5, 1.75):
    near = tj.PositiveMps.ising(factor * J, np.ones(N - 1), np.zeros(N))
    print(f"coupling of the network {factor} J: {tj.Importance(target, near.sample(4000, rng=1))}")

# %% [markdown]
# A coupling of $1.25 J$ to $1.5 J$ serves best, and still less than a tenth of the draws counts. A *connected* move
# is smaller: noise the configuration for a time $T$, then undo the noise with the network. Short noise moves little
# and is mostly accepted. `propose` takes a batch of chains and returns the log-ratio to accept with:

# %%
near = tj.PositiveMps.ising(1.25 * J, np.ones(N - 1), np.zeros(N))
noise = tj.Noise.flips(N, up=0.5, down=0.5)
proposal = tj.Proposal(near, noise.kernel(0.1))

random = np.random.default_rng(3)
x = near.sample(32, rng=random).x
log_w, accepted, steps = target.log_weight(x), 0.0, 500
for _ in range(steps):
    new, log_ratio = proposal.propose(x, rng=random)
    log_w_new = target.log_weight(new)
    yes = np.log(random.random(len(x))) < log_w_new - log_w + log_ratio
    x[yes], log_w[yes] = new[yes], log_w_new[yes]
    accepted += yes.mean() / steps
print(f"acceptance {accepted:.3f}")

# %% [markdown]
# That is all there is to it. `run_chains` is this loop with bookkeeping. How long should the noise be?

# %%
times = [0.03, 0.06, 0.12, 0.25, 0.5, 1.0]
start = near.sample(32, rng=4).x
observables = {"m2": lambda x: tj.to_spins(x).mean(1) ** 2}


def measured(proposal):
    run = tj.run_chains(target, proposal, start, observables, updates=8000, warm_up=500, seed=5, progress=False)
    return run.acceptance, run.autocorrelation_time("m2"), run.r_hat("m2"), run.mean("m2")


rows = [measured(tj.Proposal(near, noise.kernel(t))) for t in times]
whole = measured(tj.Proposal(near))
for t, row in zip([*times, "whole"], [*rows, whole]):
    print(f"T = {t!s:>5}: acceptance {row[0]:.3f}, tau {row[1]:5.0f}, R-hat {row[2]:.3f}, <m^2> = {row[3]}")

figure, axes = plt.subplots(1, 2, figsize=(8, 3.2))
for axis, k, label in zip(axes, (0, 1), ("acceptance", r"$\tau$ of $m^2$ / updates")):
    axis.semilogx(times, [row[k] for row in rows], "o-", label="noise and undo")
    axis.axhline(whole[k], color="k", ls="--", lw=1, label="whole new draw")
    axis.set(xlabel="noise time $T$", ylabel=label, xticks=times, xticklabels=times, ylim=(0, None))
    axis.minorticks_off()
axes[0].legend(frameon=False)

# %% [markdown]
# Acceptance falls with the noise time, and so does what an accepted move leaves unchanged; the shortest
# autocorrelation lies between. An acceptance of a half or a third is a good first choice.
#
# Beware of the whole draws here. A chain that sits on a heavy configuration for hundreds of updates looks calm. $\hat
# R$ above 1.01 is what gives it away: [FAQ of failure](../failure).
#
# **Next.** A network nearer to your energy can be [learned from its own chains](learn.py). On lattices, [draws by
# boundary states](ising.py) are so good that whole draws win.
