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
# # Spin glass: boundary draws against tempering
#
# Parallel tempering is how spin glasses are simulated. In two dimensions, boundary states draw them independently.
# This page runs both on one ±J instance, checks that they agree, and counts independent configurations a second.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import tensorjump as tj

L, BETA = 16, 1.6
glass = tj.Ising(L, L, BETA, couplings="pm", seed=11)


def overlap(a, b):
    """Of pairs of configurations, (n,)."""
    return (tj.to_spins(a) * tj.to_spins(b)).mean(axis=1)


# %% [markdown]
# ## Boundary draws
#
# Two batches of independent draws make pairs. Weights of a pair are products of weights.

# %%
clock = time.process_time()
model = tj.BoundaryMps(glass, chi=10)
built = time.process_time() - clock
clock = time.process_time()
a, b = model.sample(10_000, rng=1), model.sample(10_000, rng=2)
cost = (time.process_time() - clock) / 10_000
w = tj.Importance(glass, a)
print(model, f"built in {built:.2f} CPU s, {cost / 2 * 1e6:.0f} us a draw")
print(w)
log_pair = w.log_weights + tj.Importance(glass, b).log_weights
pair_weights = np.exp(log_pair - log_pair.max())
q_drawn = overlap(a.x, b.x)
drawn = (pair_weights @ q_drawn**2) / pair_weights.sum()
drawn_error = np.sqrt((pair_weights**2 @ (q_drawn**2 - drawn) ** 2)) / pair_weights.sum()

# %% [markdown]
# ## Tempering
#
# A ladder of inverse temperatures, each level with sweeps of its own, and exchanges between neighbours. The ladder is
# spaced geometrically, close enough that every pair of neighbours exchanges. `round_trips` counts how often a
# configuration went from hot to cold and back: with none, the cold level knows nothing of the hot one.

# %%
betas = np.geomspace(0.3, BETA, 16)
levels = []
for beta in betas:
    level = tj.Ising(L, L, float(beta), couplings="pm", seed=11)
    levels.append((float(beta), level, tj.Move.heat_bath(level, sweeps=2)))
ladder = tj.Tempering(levels, proportional=True)

replicas = ladder.start(16, seed=1)
replicas.advance(1000)
replicas.reset_counts()
records = []
clock = time.process_time()
for _ in range(3000):
    replicas.advance(1)
    records.append(replicas.level(len(betas) - 1))
seconds = time.process_time() - clock
records = np.array(records)  # (updates, copies, sites)
q_tempered = np.stack([overlap(records[:, 2 * k], records[:, 2 * k + 1]) for k in range(8)], axis=1)
tempered = tj.series_mean(q_tempered**2)
print(
    f"swap rates {min(replicas.swap_rates):.2f} to {max(replicas.swap_rates):.2f}, {replicas.round_trips} round trips"
)
print(f"autocorrelation time of q^2: {tempered['tau']:.0f} updates, only a lower bound: {tempered['lower_bound']}")
print(f"<q^2> drawn {drawn:.4f} +- {drawn_error:.4f}, tempered {tempered['mean']:.4f} +- {tempered['error']:.4f}")
assert abs(drawn - tempered["mean"]) < 5 * np.hypot(drawn_error, tempered["error"])

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.1))
bins = np.linspace(-1, 1, 34)
axes[0].hist(q_drawn, bins, weights=pair_weights, density=True, histtype="step", lw=1.5, label="boundary draws")
axes[0].hist(q_tempered.ravel(), bins, density=True, histtype="step", lw=1.5, label="tempering")
axes[0].set(xlabel="overlap $q$", ylabel="$P(q)$", xticks=(-1, -0.5, 0, 0.5, 1))
axes[0].legend(frameon=False)
axes[1].plot(q_tempered[:400, 0], lw=0.7, color="C1", label="tempering, one pair, by updates")
axes[1].plot(q_drawn[:400], ".", ms=3, color="C0", label="boundary draws, one by one")
axes[1].set(xlabel="update, or draw", ylabel="overlap $q$", ylim=(-1.1, 1.6))
axes[1].legend(frameon=False, loc="upper center")
# %% [markdown]
# `lower_bound` warns of series too short to know their own error. It is the first thing to look at when two methods
# disagree.
#
# ## What a second is worth
#
# An independent pair costs tempering $2\tau$ updates of two copies of the whole ladder; of boundary draws it costs
# two draws, divided by the effective fraction.

# %%
tau = tj.autocorrelation_time(q_tempered)
rate_tempered = 8 * len(records) / (2 * tau) / seconds
rate_drawn = (pair_weights.sum() ** 2 / (pair_weights**2).sum()) / 10_000 / cost
print(f"tau of q: {tau:.1f} updates")
print(f"independent pairs a CPU second: tempering {rate_tempered:.0f}, boundary draws {rate_drawn:.0f}")

# %% [markdown]
# The factor grows with size and cold. This ladder is not tuned, and a loop in Python records every update; the tuned
# comparison is a study of the repository, `cargo run --release -p tensorjump-studies --bin spin_glass`, with its
# result under [Benchmarks](../benchmarks).
#
# **When not.** Boundary draws are two-dimensional. In three dimensions, or on lattices far wider than the χ that
# fits, tempering it is, or windows (`tj.Move.windows`), which redraw a piece at a time inside a chain. Frustration at
# very low temperature needs more precision than the draws have: `BoundaryMps` then refuses with `ConvergenceError`,
# see [FAQ of failure](../failure).
