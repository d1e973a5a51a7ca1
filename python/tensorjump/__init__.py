"""Tensor-network samplers for lattice systems: batched, scored, exact draws; noise and its exact undoing; Monte
Carlo proposals.

>>> import tensorjump as tj
>>> ising = tj.Ising(16, 16, beta=0.44)
>>> x, log_prob = tj.BoundaryMps(ising, chi=8).sample(1000, rng=1)
>>> x.shape, x.dtype, log_prob.shape
((1000, 256), dtype('uint8'), (1000,))
"""

from ._bench import Bench, BenchRow, truth_bench
from ._core import (
    Automaton,
    BornMps,
    BoundaryMps,
    Bridge,
    Classified,
    ConditionalTables,
    Denoiser,
    DenseLaw,
    Draws,
    Fredkin,
    FredkinModel,
    GlauberWindow,
    Guided,
    Ising,
    Kernel,
    KernelMixture,
    Labelled,
    Model,
    Noise,
    OperatorScores,
    PairModel,
    Permuted,
    PositiveMps,
    Schedule,
    SiteConditionals,
    Smoothing,
    SnakeMps,
    SoftmaxDenoiser,
    Streams,
    Symmetry,
    Target,
    TimeGrid,
    TokenNoise,
    __version__,
    contract,
    convert_scores,
    distances,
    exact_paths,
    exact_start,
    generator_matrix,
    kernel_matrix,
    pinned,
    prior_law,
    prior_start,
    signal,
    time_of_signal,
    windows,
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
from ._learn import learn_born, learn_glauber, learn_in_the_loop, learn_positive, learn_ratio_matching
from ._types import (
    Bandwidth,
    Distances,
    Epoch,
    Fit,
    GuidedSamples,
    LeaveOneOut,
    LikelihoodBound,
    LoopFit,
    LoopRound,
    Matched,
    Reversed,
    Round,
    SamplerLaw,
    Samples,
    SiteRates,
    Stage,
    Trajectory,
)
