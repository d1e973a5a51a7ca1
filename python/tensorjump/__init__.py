"""Tensor-network samplers for lattice systems: batched, scored, exact draws; noise and its exact undoing; Monte
Carlo proposals.

>>> import tensorjump as tj
>>> ising = tj.Ising(16, 16, beta=0.44)
>>> x, log_prob = tj.BoundaryMps(ising, chi=8).sample(1000, rng=1)
>>> x.shape, x.dtype, log_prob.shape
((1000, 256), dtype('uint8'), (1000,))
"""

from . import io
from ._core import (
    Automaton,
    BornMps,
    BoundaryMps,
    DenseLaw,
    Draws,
    Fredkin,
    FredkinModel,
    Ising,
    Kernel,
    KernelMixture,
    Labelled,
    Model,
    Noise,
    PairModel,
    Permuted,
    PositiveMps,
    Schedule,
    SnakeMps,
    Streams,
    Target,
    __version__,
    contract,
    pinned,
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
from ._types import Samples
