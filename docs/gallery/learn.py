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
# # Learn a law from data
#
# A matrix-product law learned from samples can be drawn from, scored, conditioned and denoised like any other. This
# page learns a density in the plane, written in bits, and then asks the model what only a normalised model can
# answer.

# %%
import matplotlib.pyplot as plt
import numpy as np

import tensorjump as tj

# %% [markdown]
# ## Two moons in 24 bits
#
# Each coordinate becomes 12 bits in Gray code (neighbours differ in one bit), most significant first, the two
# coordinates interleaved. A configuration is a row of 24 states 0 or 1.

# %%
BITS = 12
BOX = 4.0


def moons(n, seed):
    rng = np.random.default_rng(seed)
    angle, which = np.pi * rng.random(n), rng.integers(0, 2, n)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points[which == 1] = [1, 0.5] - points[which == 1]
    return 2 * (points + 0.1 * rng.standard_normal((n, 2))) - [1, 0.5]


def encode(points):
    cells = np.clip(((points + BOX) / (2 * BOX) * 2**BITS).astype(int), 0, 2**BITS - 1)
    gray = cells ^ cells >> 1
    return (gray[:, None, :] >> np.arange(BITS)[::-1, None] & 1).reshape(-1, 2 * BITS).astype(np.uint8)


def decode(x):
    bits = np.bitwise_xor.accumulate(x.reshape(-1, BITS, 2), axis=1).astype(int)
    cells = (bits << np.arange(BITS)[::-1, None]).sum(axis=1)
    return (cells + 0.5) / 2**BITS * 2 * BOX - BOX


data, fresh = encode(moons(20_000, 1)), encode(moons(20_000, 2))
assert np.abs(decode(encode(moons(100, 3))) - moons(100, 3)).max() < 2 * BOX / 2**BITS
print(data.shape, data[0])

# %% [markdown]
# ## Learning
#
# `learn_born` maximises the likelihood of $P = \psi^2/Z$ by two-site sweeps. Bonds grow where the data can tell
# something and are cut where they cannot. A tenth of the samples is held back; the model of the best round comes
# back. Ctrl-C ends early with the best model so far, `checkpoint=` goes on another day, bit for bit.

# %%
fit = tj.learn_born(data, 2, max_bond=24, rounds=12, seed=1, progress=False)
model = fit.model
print(fit)
nll = -model.log_prob(fresh)
print(f"NLL of fresh samples {nll.mean():.3f} +- {nll.std() / len(nll) ** 0.5:.3f} nats")

# %% [markdown]
# The likelihood is a number with meaning: in nats, normalised, of samples that the model has not seen. Density and
# draws:

# %%
grid = np.linspace(-BOX, BOX, 161)[:-1] + BOX / 160
plane = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
density = model.log_prob(encode(plane)) + np.log((2**BITS / (2 * BOX)) ** 2)
drawn = decode(model.sample(4000, rng=2).x)

figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.1), sharey=True)
axes[0].plot(*decode(data[:4000]).T, ".", ms=1, alpha=0.5)
axes[1].plot(*drawn.T, ".", ms=1, alpha=0.5, color="C1")
image = axes[2].imshow(
    np.clip(density, -8, None).reshape(160, 160), origin="lower", extent=(-BOX, BOX, -BOX, BOX), cmap="magma"
)
figure.colorbar(image, ax=axes[2], label="log density / nats")
for axis, title in zip(axes, ("data", "draws of the model", "its log-density")):
    axis.set(xlim=(-BOX, BOX), ylim=(-BOX, BOX), title=title, xlabel="$x$", aspect="equal")
axes[0].set_ylabel("$y$")
# %% [markdown]
# ## How large a bond?
#
# As large as the data can tell. With a thousand samples in place of twenty thousand, bonds that are free to grow
# learn the samples by heart: what they have seen becomes likelier, what they have not seen less likely. The sweeps
# cut singular values below the noise of the samples (`significance=1`, the default), so that a limit which is too
# large does no harm:

# %%
bonds = [2, 4, 8, 16, 32]
few = data[:1000]
figure, axis = plt.subplots(figsize=(5.5, 3.2))
for significance, style, name in ((1.0, "o-", "cut at the noise"), (0.0, "s--", "free")):
    curve = []
    for bond in bonds:
        trained = tj.learn_born(
            few, 2, max_bond=bond, rounds=10, validation=None, significance=significance, seed=1, progress=False
        )
        curve.append([-trained.model.log_prob(part).mean() for part in (few, fresh)])
    for k, (colour, label) in enumerate((("C0", "samples learned from"), ("C1", "fresh samples"))):
        axis.semilogx(bonds, np.array(curve)[:, k], style, color=colour, label=f"{label}, {name}")
axis.set(xlabel=r"largest bond $\chi$", ylabel="NLL / nats", xticks=bonds, xticklabels=bonds)
axis.minorticks_off()
axis.legend(frameon=False)

# %% [markdown]
# ## Questions to a law
#
# *What is y where x is in this cell?* `tj.pinned` fixes sites; the other sites are drawn from the conditional law,
# exactly, and the evidence is the probability of the condition. Five leading bits of $x$ fix a strip of width 1/4:

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), sharey=True)
for axis, value in zip(axes, (-2.0, 0.1, 1.5)):
    bits = encode(np.array([[value, 0.0]]))[0]
    pins = tj.pinned([2] * 2 * BITS, {2 * k: int(bits[2 * k]) for k in range(5)})
    given = decode(model.sample(4000, rng=4, weights=pins).x)
    strip = np.floor((value + BOX) * 4) / 4 - BOX
    points = decode(fresh)
    seen = points[(points[:, 0] >= strip) & (points[:, 0] < strip + 0.25), 1]
    bins = np.linspace(-3, 3, 41)
    axis.hist(given[:, 1], bins, density=True, histtype="step", color="C1", lw=1.5, label="model, conditioned")
    axis.hist(seen, bins, density=True, histtype="stepfilled", alpha=0.25, label="fresh data there")
    evidence = np.exp(model.log_evidence(pins)[0])
    axis.set(title=f"$x$ in [{strip:.2f}, {strip + 0.25:.2f}), P = {evidence:.4f}", xlabel="$y$")
    assert abs(evidence - len(seen) / len(points)) < 0.01
axes[0].set_ylabel("density of $y$")
axes[2].legend(frameon=False, loc="upper right")
# %% [markdown]
# *What was this before it was damaged?* Three bits in a hundred are flipped. `denoise` draws from the posterior:
# points come back to where points can be. A draw is not the best guess, though: it draws anew what the data do not
# determine, the last bits. The best guess bit by bit is the largest of `denoiser_marginals`.

# %%
kernel = tj.Noise.flips(2 * BITS, up=1.0, down=1.0).kernel(0.03)
clean = fresh[:2000]
damaged = kernel.sample(clean, rng=5)
repaired = model.denoise(kernel, damaged, rng=6).x
figure, axes = plt.subplots(1, 2, figsize=(6.5, 3.2), sharey=True)
for axis, x, title in zip(axes, (damaged, repaired), ("3 % of the bits flipped", "a draw of the posterior")):
    axis.plot(*decode(x).T, ".", ms=1.5)
    axis.set(xlim=(-BOX, BOX), ylim=(-BOX, BOX), title=title, xlabel="$x$", aspect="equal")
axes[0].set_ylabel("$y$")
guess = model.denoiser_marginals(kernel, damaged).argmax(axis=2).astype(np.uint8)
for name, x in (("damaged", damaged), ("posterior draw", repaired), ("best guess", guess)):
    wrong = (x != clean).mean(axis=0)
    print(f"{name:>14}: wrong bits, all {wrong.mean():.4f}, leading eight {wrong[:8].mean():.4f}")

# %% [markdown]
# ## Without data
#
# Where there is an energy and no data, `tj.learn_in_the_loop` alternates chains whose proposals are the model with
# learning from what they visit: [arXiv 2407.11133](https://arxiv.org/abs/2407.11133). An Ising lattice from its
# energy alone:

# %%
target = tj.Ising(4, 4, 0.44, geometry="cylinder")
loop = tj.learn_in_the_loop(target, max_bond=16, rounds=5, draws=4096, chains=512, seed=1, progress=False)
print(loop)
print("acceptance by rounds:", np.round(loop.curve("acceptance"), 3))

# %% [markdown]
# `loop.model` is drawn and scored like any law: put it into [your own loop](own_loop).
