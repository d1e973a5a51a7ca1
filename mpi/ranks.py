"""Chains, tempering and learning in the loop over the ranks of mpi4py; rank 0 prints a hash of all results."""

import hashlib

import numpy as np
from mpi4py import MPI

import tensorjump as tj

ranks = MPI.COMM_WORLD
betas = (0.4, 0.6, 0.9)
glasses = [tj.Ising(8, 8, beta, couplings="pm", geometry="torus", seed=1) for beta in betas]
heat_bath = [tj.Move.heat_bath(glass) for glass in glasses]

energy = {"energy": glasses[1].energy}
run = tj.run_chains(glasses[1], heat_bath[1], 12, energy, updates=60, seed=2, ranks=ranks, progress=False)

replicas = tj.Tempering(list(zip(betas, glasses, heat_bath)), proportional=True).start(2, seed=3)
replicas.advance(100, ranks=ranks)

ising = tj.Ising(4, 4, 0.3)
fit = tj.learn_in_the_loop(ising, max_bond=4, rounds=2, draws=512, chains=64, seed=4, ranks=ranks, progress=False)
draws = fit.born.sample(64, rng=tj.Streams(5))

parts = (run.series, run.log_weight, np.array(replicas.swap_rates), fit.x, draws.x, draws.log_prob)
found = hashlib.sha256(b"".join(part.tobytes() for part in parts) + replicas.snapshot().encode()).hexdigest()
hashes = ranks.allgather(found)
assert hashes == [found] * ranks.size, hashes
if ranks.rank == 0:
    print(found[:16])
