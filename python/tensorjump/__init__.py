"""Tensor-network samplers for lattice systems: batched, scored, exact draws; noise and its exact undoing; Monte
Carlo proposals.

>>> import tensorjump as tj
>>> ising = tj.Ising(16, 16, beta=0.44)
>>> x, log_prob = tj.BoundaryMps(ising, chi=8).sample(1000, rng=1)
>>> x.shape, x.dtype, log_prob.shape
((1000, 256), dtype('uint8'), (1000,))
"""

from ._core import (
    Automaton,
    BornMps,
    BoundaryMps,
    Chains,
    DenseLaw,
    Draws,
    Fredkin,
    FredkinModel,
    Ising,
    Kernel,
    KernelMixture,
    Labelled,
    Model,
    Move,
    Noise,
    PairModel,
    Permuted,
    PositiveMps,
    Proposal,
    Replicas,
    Schedule,
    SnakeMps,
    Streams,
    Target,
    Tempering,
    __version__,
    autocorrelation_time,
    bridge_log_z,
    contract,
    missing_mass,
    pinned,
    series_mean,
    split_r_hat,
)
from ._errors import (
    ConvergenceError,
    FileError,
    FormatError,
    NumberError,
    ParameterError,
    SamplesError,
    ShapeError,
    StateError,
    TensorJumpError,
    TooLargeError,
    ZeroEvidenceError,
)
from . import plot
from ._run import Importance, Mean, Run, run_chains
from ._spins import from_spins, to_spins
from ._types import Samples

__all__ = [name for name in dir() if not name.startswith("_")] + ["__version__"]
