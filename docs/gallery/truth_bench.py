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
# # Truth bench: your denoiser against the exact one
#
# Discrete diffusion in practice has two errors: the denoiser is learned, and the sampler takes finite steps. With
# real data they cannot be told apart, nor even measured. Here the data law is a matrix-product law, its exact
# denoiser is known, and the law that a sampler reaches is *computed*, not estimated: no sample is drawn on this page.

# %%
import matplotlib.pyplot as plt
import numpy as np

import tensorjump as tj

# %% [markdown]
# ## The truth
#
# A ring of eight spins. Any `PositiveMps`, `BornMps`, Fredkin chain or table will do, as long as its configurations
# can be listed. The noise draws each site anew at rate one.

# %%
N, J = 8, 0.5
truth = tj.PositiveMps.ising(J, np.ones(N), np.zeros(N), ring=True)
noise = tj.Noise.uniform([2] * N)
exact = tj.Denoiser(noise, truth)

# %% [markdown]
# ## A denoiser of your own
#
# It is a function of time and noised configurations `(samples, sites)` that returns $P(x_0^j = a \mid y)$, shape
# `(samples, sites, states)`. A network of PyTorch or JAX is the same: return its tensor. The one below looks at each
# site and its two neighbours, and would be exact for a ring of three.

# %%


def mine(t, y):
    k = noise.kernel(t).tables[0]
    s, h = 2.0 * y - 1, np.log(k[1, 1] / k[0, 1]) / 2
    near = [np.arctanh(np.tanh(J) * np.tanh(h * np.roll(s, shift, axis=1))) for shift in (1, -1)]
    up = 1 / (1 + np.exp(-2 * (h * s + sum(near))))
    return np.stack([1 - up, up], axis=2)


steps = (4, 8, 16, 32, 64, 128)
bench = tj.truth_bench(truth, noise, {"mine": mine}, steps=steps)
print(bench)

# %%
figure, axis = plt.subplots(figsize=(6, 3.8))
table = bench.to_dict()
for name, style in (("exact", "-"), ("mine", "--")):
    for step, colour in (("euler", "C0"), ("tau", "C2"), ("analytical", "C1")):
        rows = (table["denoiser"] == name) & (table["step"] == step)
        axis.loglog(table["steps"][rows], table["variation"][rows], "o" + style, color=colour, label=f"{name}, {step}")
axis.set(xlabel="steps", ylabel="total variation to the data law", xticks=steps, xticklabels=steps, ylim=(5e-3, 1))
axis.minorticks_off()
axis.legend(frameon=False, ncols=2)
# %% [markdown]
# With the exact denoiser the error halves with every doubling of the steps: it is the sampler's. With mine it stops
# at a floor: that is the denoiser's, and no number of steps mends it. A benchmark on data sees only the sum of the
# two.
#
# ## Where a denoiser is wrong
#
# The likelihood bound splits by time. `conditional_kl` says at which noise a denoiser loses how much, in nats,
# averaged here over all noised configurations:

# %%
times = np.geomspace(0.05, 3, 12)
law = tj.DenseLaw.of(truth)
own = tj.Denoiser(noise, mine)
loss = []
for t in times:
    noised = law.noised(noise.kernel(t))
    loss.append(noised.p @ exact.conditional_kl(own, t, noised.configs))
figure, axis = plt.subplots(figsize=(5.5, 3))
axis.loglog(times, loss, "o-")
axis.set(xlabel="noise time $t$", ylabel="KL to the exact conditionals / nats")

# %% [markdown]
# ## A mistake that everybody makes once
#
# A network trained by cross-entropy learns $P(x_0^j \mid y)$, having seen $y_j$. The ratios that drive the reverse
# process are made of the *leave-one-out* law $P(x_0^j \mid y_{-j})$. The two differ by the factor $K_j(x_0^j, y_j)$,
# and published code has taken one for the other. `face=` says which one a function returns, and the conversion is
# exact. Here is the wrong one, on the bench:


# %%
def exact_marginals(t, y):
    return exact.denoiser_marginals(t, y)


mixed_up = tj.truth_bench(
    truth,
    noise,
    {"right": tj.Denoiser(noise, exact_marginals), "mixed up": tj.Denoiser(noise, exact_marginals, face="cavities")},
    steps=(32, 128),
    methods=("analytical",),
)
print(mixed_up)
rows = {(row.denoiser, row.steps): row for row in mixed_up}
assert abs(rows["right", 128].variation - rows["exact", 128].variation) < 1e-9
assert rows["mixed up", 128].variation > 5 * rows["exact", 128].variation

# %% [markdown]
# ## Samplers without a step error
#
# Leaps move all sites at once and err at first order in the step. Uniformization and thinning go jump by jump; with
# the exact denoiser their law *is* the data law. They are drawn from:

# %%
y = tj.exact_start(truth, noise, 3.0, 4000, rng=1)
grid = tj.TimeGrid.uniform(3.0, 0.05, 32)
done = exact.reverse(y, grid, method="uniformization", rng=2)
index = done.x @ (1 << np.arange(N)[::-1])
drawn = np.bincount(index, minlength=2**N) / len(index)
independent = np.bincount(truth.sample(4000, rng=3).x @ (1 << np.arange(N)[::-1]), minlength=2**N) / 4000
print(f"jumps {done.jumps.mean():.2f}, events {done.events.mean():.2f} a sample, end: {done.finish}")
distances = [abs(p - law.p).sum() / 2 for p in (drawn, independent)]
print(f"TV of 4000 draws: {distances[0]:.4f}, of 4000 independent ones {distances[1]:.4f}")
