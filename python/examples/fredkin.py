"""The Fredkin chain: noise, exact undoing, chains of connected moves against the exact mean area."""

import sys

import tensorjump as tj

N = 200
chain = tj.Fredkin(N, c=0.5)
model, kernel = tj.FredkinModel(chain), tj.Noise.flips(N).kernel(0.1)
x = model.sample(8, rng=1).x
y = kernel.sample(x, rng=2)
z, log_prob = model.denoise(kernel, y, rng=3)
run = tj.run_chains(chain, tj.Proposal(model, kernel), x, {"area": chain.area}, updates=2000)
print(run)
print(f"area {run.mean('area')}, exact {chain.area_mean:.2f}; {(x != z).sum(1).mean():.0f} sites of {N} renewed")
if "--plot" in sys.argv:
    tj.plot.heights(chain, [x[0], z[0]], labels=["before", "after"]).savefig("fredkin.png", dpi=120)
