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
# # Fredkin: noise, exact denoising, and the figures of the paper
#
# The method of [arXiv 2407.11133](https://arxiv.org/abs/2407.11133) on its own example. The stochastic Fredkin chain
# moves paths that start and end at height zero and never go below it (Dyck paths). Its equilibrium is a
# matrix-product law, exactly, so every step of this page can be checked.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import tensorjump as tj

# %% [markdown]
# ## The chain
#
# State 1 is a step up, state 0 a step down. A path of area $A$ has weight $(c/(1-c))^{A/2}$ up to a factor common to
# all. For $c < \tfrac12$ paths stay flat, for $c > \tfrac12$ they rise as high as they can, at $c = \tfrac12$ all are
# alike.

# %%
N = 100
figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), sharey=True)
for axis, c in zip(axes, (0.45, 0.5, 0.505)):
    chain = tj.Fredkin(N, c=c)
    model = tj.FredkinModel(chain)
    x, log_prob = model.sample(4000, rng=1)
    sites = np.arange(1, N + 1)
    axis.plot(sites, chain.heights(x[:8]).T, lw=0.7, color="C0", alpha=0.6)
    axis.plot(sites, chain.heights(x).mean(0), color="C1", label="mean of 4000")
    axis.plot(sites, chain.equilibrium()["height_profile"], "k--", lw=1, label="exact")
    axis.set(title=f"$c = {c}$", xlabel="site $j$")
    area = chain.area(x)
    error = area.std() / np.sqrt(len(area))
    assert abs(area.mean() - chain.area_mean) < 5 * error
    print(f"c = {c}: <area> = {area.mean():.2f} +- {error:.2f}, exact {chain.area_mean:.2f}")
axes[0].set_ylabel("height $h_j$")
axes[0].legend(frameon=False)
# %% [markdown]
# ## Noise, and its undoing
#
# Random flips for a time $T$ destroy a path. `denoise` draws from $P(x_0 \mid x_T = y)$: another path of the same
# law, and the more like the first the shorter the noise was.

# %%
chain = tj.Fredkin(N, c=0.5)
model = tj.FredkinModel(chain)
noise = tj.Noise.flips(N, up=0.5, down=0.5)
x = model.sample(1, rng=7).x

figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), sharey=True)
for axis, t in zip(axes, (0.05, 0.3, 2.0)):
    kernel = noise.kernel(t)
    y = kernel.sample(x, rng=3)
    back = model.denoise(kernel, y, rng=4)
    assert np.allclose(back.log_prob, model.denoise_log_prob(kernel, back.x, y))
    for path, style, label in ((x, "C0", "path"), (y, "C7", "noised"), (back.x, "C1", "denoised")):
        axis.plot(sites, chain.heights(path)[0], style, lw=1, label=label)
    axis.axhline(0, color="k", lw=0.5)
    axis.set(title=f"$T = {t}$", xlabel="site $j$")
axes[0].set_ylabel("height $h_j$")
axes[0].legend(frameon=False, ncols=3, columnspacing=1)
# %% [markdown]
# Noised paths end anywhere and may go below zero, where no path of the law may be. Denoised ones never do.
#
# ## Moves that are never rejected
#
# Noise and its undoing, one after the other, leave the law invariant. As a Monte Carlo proposal the pair is always
# accepted where the model is exact. What it costs is correlation: short noise moves little.

# %%
times = np.array([0.03, 0.1, 0.2, 0.5, 1.0])
local = tj.Move.fredkin(chain, 50.0)
moves = {t: tj.Proposal(model, noise.kernel(t)) for t in times} | {"whole": tj.Proposal(model), "local": local}
found = {}
for name, move in moves.items():
    clock = time.process_time()
    start = model.sample(16, rng=5).x
    run = tj.run_chains(chain, move, start, {"area": chain.area}, updates=1000, warm_up=20, seed=6, progress=False)
    tau, seconds = run.autocorrelation_time("area"), time.process_time() - clock
    found[name] = (tau, 16_000 / (2 * tau) / seconds)
    print(f"{name!s:>6}: acceptance {run.acceptance:.4f}, tau {tau:7.3f} updates, area {run.mean('area')}")
    assert name == "local" or run.acceptance > 1 - 1e-9
print("exact area", chain.area_mean)

# %% [markdown]
# An update of the chain's own dynamics is its jump process for a time of 50 (in units of its rates). The figures
# below are those of the paper: correlation falls with the noise time towards the independent draw, at one half.

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.2))
for axis, k, label in zip(axes, (0, 1), (r"$\tau$ of the area / updates", "independent areas / CPU s")):
    axis.loglog(times, [found[t][k] for t in times], "o-", label="noise and undo")
    axis.axhline(found["whole"][k], color="k", ls="--", lw=1, label="whole new path")
    axis.axhline(found["local"][k], color="C3", ls=":", label="local dynamics")
    axis.set(xlabel="noise time $T$", ylabel=label, xticks=times, xticklabels=times)
    axis.minorticks_off()
axes[1].legend(frameon=False, loc="center right")
# %% [markdown]
# ## Truncation, and the mass that no acceptance shows
#
# The exact law needs a bond for each height, $\lfloor N/4\rfloor + 1$ at most. Keep the χ likeliest heights instead:
# the moves are *still always accepted*, since inside its support the truncated law is proportional to the exact one.
# But paths outside are never visited, however long the chain. Acceptance cannot see that. `missing_mass` can.

# %%
N = 200
chain = tj.Fredkin(N, c=0.5)
exact = chain.area_mean
truth = tj.FredkinModel(chain)
chis = np.array([4, 8, 12, 16, 20, 24])
missing, drawn = [], []
for chi in chis:
    model = tj.FredkinModel(chain, chi=int(chi))
    drawn.append(chain.area(model.sample(20_000, rng=8).x).mean() / exact)
    missing.append(model.missing_mass)
figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.0))
axes[0].semilogy(chis, missing, "o-")
axes[0].set(xlabel=r"bond dimension $\chi$", ylabel="missing mass", xticks=chis)
axes[1].plot(chis, drawn, "o-")
axes[1].axhline(1, color="k", ls="--", lw=1)
axes[1].set(xlabel=r"bond dimension $\chi$", ylabel=r"$\langle$area$\rangle$ / exact", xticks=chis)
# %% [markdown]
# The same number from outside, when the truth is a sample and not a formula: `tj.missing_mass` takes draws of the
# target and their log-probabilities under both laws.

# %%
model = tj.FredkinModel(chain, chi=12)
reference = truth.sample(20_000, rng=9)
with np.errstate(divide="ignore"):
    estimate = tj.missing_mass(5.0, reference.log_prob, model.log_prob(reference.x))
print(f"missing mass {estimate[0]:.4f} +- {estimate[1]:.4f}, exact {model.missing_mass:.4f}")
assert abs(estimate[0] - model.missing_mass) < 5 * estimate[1]
