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
# # A DMRG state, drawn and measured
#
# A matrix-product state gives expectation values of local operators by contraction. Draws give what an experiment
# gives: whole configurations, in any basis, and with them full distributions. `tj.BornMps` takes the tensors of a
# state and draws from $|\psi(x)|^2$ in batches, each draw with its log-probability.

# %%
import matplotlib.pyplot as plt
import numpy as np

import tensorjump as tj

# %% [markdown]
# ## A ground state
#
# The XX chain $H = \sum_j S^x_j S^x_{j+1} + S^y_j S^y_{j+1}$ is free fermions in disguise: everything measured below
# has an exact value. DMRG does not know that. With [TeNPy](https://tenpy.readthedocs.io) installed the state is its;
# otherwise twenty lines of imaginary time make one here.

# %%
N, CHI = 40, 40


def imaginary_time(n, chi):
    """Ground state by imaginary-time evolution, tensors (left, state, right), right-canonical."""
    gate_h = np.zeros((4, 4))
    gate_h[1, 2] = gate_h[2, 1] = 0.5
    energies, vectors = np.linalg.eigh(gate_h)
    tensors = [np.zeros((1, 2, 1)) for _ in range(n)]
    for j, a in enumerate(tensors):
        a[0, j % 2, 0] = 1.0
    for step in np.repeat([1.0, 0.3, 0.1, 0.03], [60, 30, 20, 20]):
        gate = (vectors * np.exp(-step * energies)) @ vectors.T
        for sweep in (range(n - 1), reversed(range(n - 1))):
            right = isinstance(sweep, range)
            for j in sweep:
                a, b = tensors[j], tensors[j + 1]
                theta = np.tensordot(a, b, 1)
                left, _, _, end = theta.shape
                theta = np.einsum("st,ltr->lsr", gate, theta.reshape(left, 4, end)).reshape(2 * left, 2 * end)
                u, s, v = np.linalg.svd(theta, full_matrices=False)
                keep = max(1, min(chi, int((s > 1e-9 * s[0]).sum())))
                u, s, v = u[:, :keep], s[:keep] / np.linalg.norm(s[:keep]), v[:keep]
                tensors[j] = (u if right else u * s).reshape(left, 2, keep)
                tensors[j + 1] = (s[:, None] * v if right else v).reshape(keep, 2, end)
    return tensors


try:
    import warnings

    warnings.simplefilter("ignore", UserWarning)  # of TeNPy, on its coming versions
    from tenpy.algorithms import dmrg
    from tenpy.models.xxz_chain import XXZChain
    from tenpy.networks.mps import MPS

    xx = XXZChain({"L": N, "Jxx": 1.0, "Jz": 0.0, "hz": 0.0, "bc_MPS": "finite"})
    psi = MPS.from_product_state(xx.lat.mps_sites(), ["up", "down"] * (N // 2))
    dmrg.run(psi, xx, {"trunc_params": {"chi_max": CHI, "svd_min": 1e-9}, "mixer": True})
    tensors = tj.io.from_tenpy(psi, arrays=True)
except ImportError:
    tensors = imaginary_time(N, CHI)

state = tj.BornMps(tensors)
print(state)

# %% [markdown]
# In `tensors` state 0 is spin up. `tj.io` reads states of TeNPy, quimb and ITensor, objects and HDF5 files, and puts
# the basis in order: packages sort it by charge.
#
# ## Draws
#
# A batch, with log-probabilities. The number of up spins is a good quantum number, so every draw has $S^z = 0$:

# %%
n = 40_000
z = state.sample(n, rng=1)
assert (z.x.sum(axis=1) == N // 2).all()
sz = 0.5 - z.x.astype(float)
entropy = -z.log_prob.mean()
print(f"Shannon entropy of the state in this basis: {entropy:.4f} +- {z.log_prob.std() / n**0.5:.4f} nats")

# %% [markdown]
# ## Correlations, in two bases
#
# `bases="X"` gives the law of a measurement of $S^x$ at every site. Any unitary a site, and another one for each
# site, can be asked for. Even distances are left out: there $\langle S^zS^z\rangle$ vanishes. In both bases the draws
# meet the free-fermion values: $\langle S^z_i S^z_j\rangle = -|C_{ij}|^2$ with $C_{ij} = \langle c_i^\dagger
# c_j\rangle$, and $\langle S^x_i S^x_j\rangle$ is a determinant of $2C - 1$ (Lieb, Schultz, Mattis).

# %%
hopping = 0.5 * (np.eye(N, k=1) + np.eye(N, k=-1))
levels, modes = np.linalg.eigh(hopping)
filled = modes[:, levels < 0]
C = filled @ filled.T
G = 2 * C - np.eye(N)

x = tj.BornMps(tensors, bases="X").sample(n, rng=2)
sx = 0.5 - x.x.astype(float)

middle, distances = N // 2 - 8, np.arange(1, 17, 2)
figure, axis = plt.subplots(figsize=(6, 3.4))
for name, s, colour in (
    (r"$|\langle S^z_i S^z_{i+r}\rangle|$", sz, "C0"),
    (r"$|\langle S^x_i S^x_{i+r}\rangle|$", sx, "C1"),
):
    products = s[:, [middle]] * s[:, middle + distances]
    mean, error = products.mean(0), products.std(0) / np.sqrt(n)
    if s is sz:
        exact = -(C[middle, middle + distances] ** 2)
    else:
        exact = [np.linalg.det(G[middle : middle + r, middle + 1 : middle + r + 1]) / 4 for r in distances]
    worst = np.abs((mean - exact) / error).max()
    print(f"{name}: largest deviation {worst:.1f} sigma of {len(distances)}")
    assert worst < 5
    axis.errorbar(distances, np.abs(mean), error, fmt="o", color=colour, label=f"{name}, drawn")
    axis.semilogy(distances, np.abs(exact), "-", color=colour, lw=1, label="exact")
axis.set(xlabel="distance $r$", ylim=(1e-4, 1), xticks=distances)
axis.legend(frameon=False, ncols=2)
# %% [markdown]
# ## What contraction does not give: a distribution
#
# The magnetisation of half the chain fluctuates. Its whole distribution comes from the same draws, and of free
# fermions it is known: its generating function is $\det(1 + (e^{i\lambda} - 1)\, C_A)$.

# %%
half = N // 2
counts = np.bincount((1 - z.x[:, :half]).sum(axis=1), minlength=half + 1)
angles = 2 * np.pi * np.arange(half + 1) / (half + 1)
generating = [np.linalg.det(np.eye(half) + (np.exp(1j * a) - 1) * C[:half, :half]) for a in angles]
law = np.real(np.fft.fft(generating)) / (half + 1)

figure, axis = plt.subplots(figsize=(5.5, 3.2))
m = np.arange(half + 1) - half / 2
axis.errorbar(m, counts / n, np.sqrt(np.maximum(counts, 1)) / n, fmt="o", label="drawn")
axis.plot(m, law, "k_", ms=12, label="exact")
axis.set(yscale="log", xlim=(-4.5, 4.5), ylim=(1e-6, 1), xlabel="$S^z$ of the left half", ylabel="probability")
axis.legend(frameon=False)
seen = law * n > 20
chi2 = ((counts - n * law)[seen] ** 2 / (n * law)[seen]).sum()
print(f"chi^2 = {chi2:.1f} with {seen.sum()} values")
assert chi2 < 40

# %% [markdown]
# ## Conditioning
#
# A Born law is tilted like any other: `constrained`, site weights, `tj.pinned`. Given that the two spins in the
# middle are both up, how do the others respond?

# %%
pins = tj.pinned([2] * N, {half - 1: 0, half: 0})
pinned = state.sample(20_000, rng=3, weights=pins)
profile = (0.5 - pinned.x.astype(float)).mean(axis=0)
figure, axis = plt.subplots(figsize=(6, 2.8))
axis.bar(np.arange(1, N + 1), profile, color=["C3" if j in (half - 1, half) else "C0" for j in range(N)])
axis.axhline(0, color="k", lw=0.6)
axis.set(xlabel="site $j$", ylabel=r"$\langle S^z_j\rangle$ given both up")
# %% [markdown]
# `state.log_evidence(pins)` is the logarithm of the probability of the condition: no draw is thrown away for it.

# %%
probability = np.exp(state.log_evidence(pins)[0])
seen = (z.x[:, half - 1] == 0) & (z.x[:, half] == 0)
print(f"P(both up) = {probability:.5f}, counted {seen.mean():.5f} +- {seen.std() / np.sqrt(n):.5f}")
assert abs(seen.mean() - probability) < 5 * seen.std() / np.sqrt(n)
