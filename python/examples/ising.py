"""Independent draws of a 64 x 64 Ising model at three temperatures, with their weights and log Z."""

import sys

import tensorjump as tj

DRAWS = 2000
for beta in (0.3, 0.440687, 0.6):
    ising = tj.Ising(64, 64, beta)
    model = tj.BoundaryMps(ising, chi=8)
    draws = model.sample(DRAWS, rng=1)
    weights = tj.Importance(ising, draws)
    energy = weights.mean(ising.energy(draws.x) / 64**2)
    exact = ising.free_fermions()
    print(f"beta = {beta}: {weights}")
    print(f"  energy a site {energy}, exact {exact['energy_per_site']:.6f}; log Z exact {exact['log_z']:.6f}")
if "--plot" in sys.argv:
    tj.plot.configurations(ising, draws.x[:4]).savefig("ising.png", dpi=120)
