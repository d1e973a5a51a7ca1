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
# # Guidance and exact conditioning
#
# "Draw from the law, but with this property." Diffusion models are *guided* towards it; a tensor-network law is
# *conditioned* on it, exactly. With both at hand on one law, guidance can be measured instead of admired.

# %%
import matplotlib.pyplot as plt
import numpy as np

import tensorjump as tj

# %% [markdown]
# ## Three ways to condition exactly
#
# **Fix sites.** `tj.pinned` makes site weights; every law draws under site weights, and `log_evidence` is the
# logarithm of the probability of the condition.

# %%
N = 64
chain = tj.PositiveMps.ising(0.8, np.ones(N - 1), np.zeros(N))
pins = tj.pinned([2] * N, {0: 1, 20: 0, 21: 0, 45: 1, N - 1: 0})
bridge = chain.sample(2000, rng=1, weights=pins)
print("probability of the condition:", np.exp(chain.log_evidence(pins)[0]))
assert (bridge.x[:, [0, 20, 21, 45, N - 1]] == [1, 0, 0, 1, 0]).all()

# %% [markdown]
# **Constrain.** An automaton reads the configuration from left to right: sums, windows, energies, any rule with
# finite memory. Here the magnetisation is between 40 and 44, which a plain draw hardly ever has:

# %%
window = tj.Automaton.sum([[-1, 1]] * N, 40, 44)
inside = chain.constrained(window)
print(inside, f"log P(window) = {inside.log_z:.3f}")
sums = (2 * inside.sample(2000, rng=2).x.astype(int) - 1).sum(axis=1)
assert sums.min() >= 40 and sums.max() <= 44

# %% [markdown]
# **Label.** `tj.Labelled` is a joint law of configurations and labels. It draws the classes and classifies, noised
# configurations too.

# %%
classes = tj.Labelled.by_sum(chain, [[-1, 1]] * N, [(-N, -12), (-11, 11), (12, N)])
prior = classes.posterior()[0]
print("prior of the labels:", prior.round(4))

figure, axes = plt.subplots(1, 3, figsize=(9, 2.7), sharey=True)
pictures = (
    (bridge.x, "five sites fixed"),
    (inside.sample(40, rng=3).x, "magnetisation 40 to 44"),
    (classes.sample(40, rng=4, label=0).x, "label: at most -12"),
)
for axis, (x, title) in zip(axes, pictures):
    axis.imshow(x[:40], cmap="binary", aspect="auto", interpolation="nearest")
    axis.set(title=title, xlabel="site")
axes[0].set_ylabel("draw")
# %% [markdown]
# ## Guidance, measured
#
# A guided process combines the conditional and the unconditional denoiser with a strength $\gamma$ ([arXiv
# 2412.10193](https://arxiv.org/abs/2412.10193)). It is hoped to sample $P(x)\,p(\ell \mid x)^\gamma$. On a small
# system both laws can be listed. The label here is a reading of "mostly up" that errs near the edge.

# %%
N = 8
P = tj.PositiveMps.ising(0.5, np.ones(N), np.zeros(N), ring=True)
every = tj.DenseLaw.of(P)
up = every.configs.sum(axis=1).astype(int)
accuracy = 1 / (1 + np.exp(-1.5 * (2 * up - N - 1)))  # p(label | x), a function of the magnetisation
weighted = every.p * accuracy
conditional = tj.PositiveMps.from_table([2] * N, weighted)
noise = tj.Noise.uniform([2] * N)
with_label, without = tj.Denoiser(noise, conditional), tj.Denoiser(noise, P)

# %% [markdown]
# `tj.Guided` is itself a denoiser, so the law that its sampler reaches is computed by enumeration, like any other.
# The start is the conditional law at a long noise time; 128 analytical steps leave little error of their own.

# %%
times = tj.TimeGrid.uniform(4.0, 0.0, 128)
start = tj.DenseLaw([2] * N, weighted).noised(noise.kernel(4.0))
gammas = (0.0, 0.5, 1.0, 2.0, 4.0)
figure, axes = plt.subplots(1, len(gammas), figsize=(10.5, 2.7), sharey=True)
gaps = []
for axis, gamma in zip(axes, gammas):
    guided = tj.Guided(with_label, without, gamma=gamma)
    reached = guided.sampler_law(start, times).law.p
    hoped = every.p * accuracy**gamma
    hoped /= hoped.sum()
    gaps.append(abs(reached - hoped).sum() / 2)
    axis.bar(np.arange(N + 1), np.bincount(up, hoped), color="C7", alpha=0.5, label=r"$P(x)\,p(\ell|x)^\gamma$")
    axis.plot(np.arange(N + 1), np.bincount(up, reached), "o-", color="C1", label="guided")
    axis.set(title=rf"$\gamma = {gamma:g}$, TV {gaps[-1]:.3f}", xlabel="spins up", xticks=(0, 4, 8))
axes[0].set_ylabel("probability")
axes[0].legend(frameon=False, loc="upper center", fontsize=7.5)
assert gaps[2] < 0.03 < gaps[4]

# %% [markdown]
# At $\gamma = 1$ guidance is right (the rest is the error of the steps), at $\gamma = 0$ it is the unconditional law,
# up to its start. At every other strength it reaches *another* law than the one hoped for; more steps help down to a
# floor, and no further:

# %%
steps = (16, 32, 64, 128)
figure, axis = plt.subplots(figsize=(5.5, 3.2))
for gamma, style in ((1.0, "o-"), (2.0, "s--"), (4.0, "^:")):
    hoped = every.p * accuracy**gamma
    hoped /= hoped.sum()
    guided = tj.Guided(with_label, without, gamma=gamma)
    curve = [abs(guided.sampler_law(start, tj.TimeGrid.uniform(4.0, 0.0, n)).law.p - hoped).sum() / 2 for n in steps]
    axis.loglog(steps, curve, style, label=rf"$\gamma = {gamma:g}$")
axis.set(xlabel="steps", ylabel="total variation to the law hoped for", xticks=steps, xticklabels=steps, ylim=(0.01, 1))
axis.minorticks_off()
axis.legend(frameon=False)
# %% [markdown]
# The sharpened law itself is a matrix-product law: a product of $P$ and powers of a function of the sum. Where that
# is what you want, tilt: `P.constrained(tj.Automaton(...))` with weights, and draw it without an error.

# %%
gamma = 4.0


def step(site, total, state):
    return total + int(state), 1.0


def weight(total):
    return float((1 / (1 + np.exp(-1.5 * (2 * total - N - 1)))) ** gamma)


sharp = P.constrained(tj.Automaton([2] * N, 0, step, weight))
hoped = every.p * accuracy**gamma
assert np.allclose(np.exp(sharp.log_prob(every.configs)), hoped / hoped.sum(), atol=1e-12)
print(sharp, "equals P(x) p(label|x)^4 to", np.abs(np.exp(sharp.log_prob(every.configs)) - hoped / hoped.sum()).max())
