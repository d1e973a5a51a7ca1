"""A Born machine from samples: a bar in a terminal, Ctrl-C keeps the best model, a checkpoint goes on."""

import tempfile
from pathlib import Path

import numpy as np

import tensorjump as tj

N = 20
truth = tj.PositiveMps.ising(0.6, np.ones(N - 1), np.zeros(N))
data = truth.sample(4000, rng=1).x  # or np.load("samples.npy")
with tempfile.TemporaryDirectory() as folder:
    fit = tj.learn_born(data, 2, max_bond=16, rounds=15, checkpoint=Path(folder) / "state.safetensors")
    fit.model.save(Path(folder) / "model.safetensors")
    model = tj.BornMps.load(Path(folder) / "model.safetensors")
print(fit, "best round", fit.best)
fresh = truth.sample(20000, rng=2)
print("KL(truth || model) =", np.mean(fresh.log_prob - model.log_prob(fresh.x)))
