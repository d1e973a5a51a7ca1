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
# # Two dimensions: Ising and ±J draws
#
# A boundary matrix-product state draws *independent* configurations of a two-dimensional lattice, each with the
# probability under which it was drawn. This page draws the Ising model at three temperatures and a spin glass, and
# looks at the one number that says whether the draws can be trusted.

# %%
import matplotlib.pyplot as plt
import numpy as np

import tensorjump as tj

# %% [markdown]
# ## The Ising model
#
# `tj.Ising(rows, cols, beta)` weighs a configuration by $e^{\beta\sum_{\langle ij\rangle} s_i s_j}$. States are
# stored as 0 and 1, $s = 2x - 1$. The critical point of the infinite lattice is $\beta_c = \tfrac12\ln(1+\sqrt2)$.

# %%
L = 64
critical = np.log(1 + np.sqrt(2)) / 2
betas = {r"$0.9\,\beta_c$": 0.9 * critical, r"$\beta_c$": critical, r"$1.1\,\beta_c$": 1.1 * critical}

figure, axes = plt.subplots(1, 3, figsize=(9, 3.2))
for axis, (name, beta) in zip(axes, betas.items()):
    ising = tj.Ising(L, L, beta)
    draws = tj.BoundaryMps(ising, chi=8).sample(2000, rng=1)
    print(f"beta = {beta:.4f}: {tj.Importance(ising, draws)}")
    axis.imshow(draws.x[0].reshape(L, L), cmap="binary", interpolation="nearest")
    axis.set(xticks=[], yticks=[], title=name)
    axis.spines[:].set_visible(True)

# %% [markdown]
# `tj.Importance` compares the probability $q(x)$ of each draw with the weight $w(x)$ of the model. Were the two
# proportional, `ESS/n` would be one. Where it is not, weighted averages correct the difference, and the line above
# says how much they cost. The mean weight is an unbiased estimate of $Z$.
#
# Without a field the energy is known exactly (free fermions), so the draws can be checked:

# %%
ising = tj.Ising(L, L, critical)
draws = tj.BoundaryMps(ising, chi=8).sample(20_000, rng=2)
weights = tj.Importance(ising, draws)
exact = ising.free_fermions()
energy = weights.mean(ising.energy(draws.x) / L**2)
print(f"energy per site  {energy}   exact {exact['energy_per_site']:.8f}")
print(f"log Z            {weights.log_z:.5f} +- {weights.log_z_error:.5f}   exact {exact['log_z']:.5f}")
assert abs(energy.mean - exact["energy_per_site"]) < 5 * energy.error
assert abs(weights.log_z - exact["log_z"]) < 5 * weights.log_z_error

# %% [markdown]
# ## A spin glass
#
# Couplings of random sign, `couplings="pm"`, are as easy to write. Clusters do not help here, and single flips
# freeze. Draws by boundary states stay independent. `BoundaryMps` compares itself with the contraction of the lattice
# when it is built (`log_z_gap`), and refuses a law of which a part is missing. A law that is only poor is for you to
# see.

# %%
R = 24
glass = tj.Ising(R, R, 1.5, couplings="pm", seed=3)
model = tj.BoundaryMps(glass, chi=12)
first, second = model.sample(5000, rng=1), model.sample(5000, rng=2)
print(model, f"log Z gap {model.log_z_gap:.1e}")
print(tj.Importance(glass, first))

figure, axes = plt.subplots(1, 3, figsize=(9, 3.2))
for axis, x, title in zip(axes, (first.x[0], first.x[1]), ("one draw", "another")):
    axis.imshow(x.reshape(R, R), cmap="binary", interpolation="nearest")
    axis.set(xticks=[], yticks=[], title=title)
axes[2].imshow((first.x[0] ^ first.x[1]).reshape(R, R), cmap="Purples", interpolation="nearest")
axes[2].set(xticks=[], yticks=[], title="sites that differ")
for axis in axes:
    axis.spines[:].set_visible(True)

# %% [markdown]
# Two independent draws of one glass differ by whole domains. Their overlap $q = \frac1N\sum_i s_i s'_i$ is the order
# parameter; weights of pairs are products of weights.

# %%
figure, axis = plt.subplots(figsize=(5.5, 3.2))
bins = np.linspace(-1, 1, 41)
for beta in (0.5, 1.0, 1.5):
    glass = tj.Ising(R, R, beta, couplings="pm", seed=3)
    model = tj.BoundaryMps(glass, chi=12)
    a, b = model.sample(5000, rng=1), model.sample(5000, rng=2)
    w = np.exp(tj.Importance(glass, a).log_weights + tj.Importance(glass, b).log_weights - 2 * model.log_z)
    overlap = (tj.to_spins(a.x) * tj.to_spins(b.x)).mean(axis=1)
    axis.hist(overlap, bins=bins, weights=w, density=True, histtype="step", lw=1.5, label=rf"$\beta = {beta}$")
axis.set(xlabel="overlap $q$", ylabel="$P(q)$")
axis.legend(frameon=False)
# %% [markdown]
# ## How large must χ be?
#
# The bond dimension χ is the only parameter. Large enough is what makes `1 - ESS/n` small; from there on, larger
# values only cost time. A cold glass needs more than a critical ferromagnet.

# %%
chis = [2, 3, 4, 6, 8, 12, 16]
systems = {
    r"32×32 Ising, $\beta_c$": tj.Ising(32, 32, critical),
    r"24×24 ±J, $\beta = 1$": tj.Ising(24, 24, 1.0, couplings="pm", seed=3),
    r"24×24 ±J, $\beta = 2$": tj.Ising(24, 24, 2.0, couplings="pm", seed=3),
}
figure, axis = plt.subplots(figsize=(5.5, 3.4))
for name, system in systems.items():
    lost = []
    for chi in chis:
        draws = tj.BoundaryMps.proposal(system, chi=chi).sample(4000, rng=5)
        lost.append(1 - tj.Importance(system, draws).fraction)
    axis.loglog(chis, np.maximum(lost, 1e-8), "o-", label=name)
axis.set(xlabel=r"bond dimension $\chi$", ylabel=r"$1 - \mathrm{ESS}/n$", xticks=chis, xticklabels=chis)
axis.minorticks_off()
axis.legend(frameon=False)

# %% [markdown]
# `BoundaryMps.proposal` is the law without the check against the contraction: right for moves with an acceptance test
# and for looking at small χ, as here, where `BoundaryMps` itself might refuse.
#
# **Next.** [Your own loop](own_loop) puts such draws into a Monte Carlo of your own. [Spin glass against
# tempering](spin_glass) measures what they are worth. *More weights*: `tj.PairModel.potts`, `.clock`,
# `.hard_squares`, `.colourings`, or tables of your own.
