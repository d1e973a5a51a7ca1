"""Types that are plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ._core import BornMps, DenseLaw, Permuted, PositiveMps, SiteConditionals, Target


class Samples(NamedTuple):
    """Configurations with the logarithm of the probability under which each was drawn."""

    x: NDArray[np.uint8]
    """Configurations, shape (samples, sites)."""
    log_prob: NDArray[np.float64]
    """Log-probabilities in nats, shape (samples,)."""


class Trajectory(NamedTuple):
    """A path through chained denoising."""

    times: NDArray[np.float64]
    """Descending times, shape (times,)."""
    states: list[NDArray[np.uint8]]
    """Configurations (samples, sites) at each time; the first are the start."""
    log_prob: NDArray[np.float64]
    """Log-probability of each path given its start, in nats, shape (samples,)."""


class Reversed(NamedTuple):
    """Where a reverse process ended, and what it took; arrays have shape (samples,) if not said otherwise."""

    x: NDArray[np.uint8]
    """Configurations at the end, shape (samples, sites)."""
    finish: str
    """"grid": the times led to 0; "joint" or "product": by a last draw, exact or of the denoiser's marginals;
    "noised": at a time above 0, as asked."""
    jumps: NDArray[np.uint64]
    """Jumps, or changed sites of leaps, the last draw left out."""
    events: NDArray[np.uint64]
    """Events proposed by uniformization and thinning, jumps or not."""
    excesses: NDArray[np.uint64]
    """Sites, summed over steps, where a leap was longer than its rates allow."""
    evaluations: NDArray[np.uint64]
    """Evaluations of the denoiser."""
    calls: int
    """Calls of the denoiser for the whole batch."""
    bound: NDArray[np.float64]
    """Integral of the bound of the rates along each path; zero for leaps."""
    lost: NDArray[np.int64]
    """Rows that came to a configuration of probability zero and stayed there, shape (lost,)."""


class SamplerLaw(NamedTuple):
    """The law of a sampler by enumeration."""

    law: DenseLaw
    """Over noised configurations."""
    lost: float
    """Mass in configurations of probability zero."""


class Distances(NamedTuple):
    """How far one law is from another."""

    variation: float
    """Total variation, between 0 and 1."""
    divergence: float
    """Kullback-Leibler divergence KL(p || q) in nats."""


class LikelihoodBound(NamedTuple):
    """A bound of -log P(x) by its parts, in nats, each of shape (samples,)."""

    path: NDArray[np.float64]
    """Integral over time."""
    start: NDArray[np.float64]
    """-log P(x | z) at the first time."""
    end: NDArray[np.float64]
    """Divergence from the law at the last time."""
    error: NDArray[np.float64]
    """Standard error of the sum."""

    @property
    def total(self) -> NDArray[np.float64]:
        """The bound."""
        total: NDArray[np.float64] = self.path + self.start + self.end
        return total


class GuidedSamples(NamedTuple):
    """Draws of a guided process."""

    x: NDArray[np.uint8]
    """Configurations at the last time, shape (samples, sites)."""
    stranded: NDArray[np.int64]
    """Rows that reached what is impossible under the label and stopped there."""
    evaluations: int
    """Evaluations of the pair of denoisers."""


class LeaveOneOut(NamedTuple):
    """The leave-one-out likelihood of smoothed data at one time."""

    log_likelihood: float
    """In nats a sample."""
    derivative: float
    """By time."""
    by_site: NDArray[np.float64]
    """By the logarithm of the rates of each site, shape (sites,)."""


class Bandwidth(NamedTuple):
    """The time of the largest leave-one-out likelihood."""

    time: float
    log_likelihood: float
    """In nats a sample."""
    at_edge: bool
    """Whether it is an end of the range."""
    evaluations: int


class SiteRates(NamedTuple):
    """Rates of the sites fitted at one time."""

    factors: NDArray[np.float64]
    """Of the rates of each site, shape (sites,)."""
    log_likelihood: NDArray[np.float64]
    """Before the first round and after each, in nats a sample."""


class Round(NamedTuple):
    """One round of maximum likelihood; negative log-likelihoods in nats a sample."""

    number: int
    """Counted from zero."""
    train_nll: float
    """On the batch of the round."""
    validation_nll: float | None
    validation_error: float | None
    """Standard error of the validation NLL."""
    bonds: list[int]
    """Bond dimensions after the round."""
    discarded: float
    """Squared weight discarded by truncation."""
    zeros: int
    """Training samples of the round that have probability zero."""
    seconds: float
    improved: bool
    """Whether the model was the best so far."""


class Epoch(NamedTuple):
    """One pass of ratio or Glauber matching through the samples."""

    number: int
    """Counted from zero."""
    loss: float
    """Mean loss in nats, while it was learned."""


class LoopRound(NamedTuple):
    """One round of learning in the loop: the model before it, and what was done."""

    stage: int
    round: int
    acceptance: float
    """Of the model as a proposal, in equilibrium, by its own draws."""
    acceptance_error: float
    ess_fraction: float
    """Effective fraction of the draws under importance weights."""
    kl_model: float
    """KL(model || target) in nats."""
    kl_chains: float
    """KL(target || model) in nats, by the chains."""
    log_z: float
    """Of the target, by the bridge between draws and chains."""
    chain_acceptance: float
    """Of all updates of the chains."""
    tau: float
    """Autocorrelation time of the log-weight, in updates."""
    r_hat: float | None
    """Of the log-weight, where the round is long enough."""
    bonds: list[int]
    discarded: float
    rate: float
    seconds: float


M = TypeVar("M")


@dataclass(frozen=True)
class Fit(Generic[M]):
    """What learning gave."""

    model: M
    """The model of the best round."""
    history: list[Round]
    """All rounds."""
    best: int
    """The best round, counted from zero."""
    stop: str
    """Why it ended: "rounds", "patience", "asked" (by the callback or Ctrl-C) or "failed"."""
    error: str | None = None
    """What broke down in the round that failed; the model is the best before it."""

    def curve(self, name: str) -> NDArray[np.float64]:
        """A field of all rounds as an array, NaN where there is none: `fit.curve("validation_nll")`."""
        return _curve(self.history, name)

    def __repr__(self) -> str:
        if not self.history:
            return f"Fit({self.model!r}, no rounds, stop={self.stop!r})"
        best = self.history[self.best]
        nll = best.train_nll if best.validation_nll is None else best.validation_nll
        return f"Fit({self.model!r}, {len(self.history)} rounds, NLL {nll:.6g}, stop={self.stop!r})"


@dataclass(frozen=True)
class Matched:
    """What ratio or Glauber matching gave."""

    model: PositiveMps
    """The law of the clean data."""
    losses: NDArray[np.float64]
    """Mean loss of each pass through the samples, in nats, shape (epochs,)."""
    stop: str
    """"epochs" or "asked"."""
    conditionals: SiteConditionals | None = None
    """Of the token chain (Glauber matching)."""

    def __repr__(self) -> str:
        last = f", loss {self.losses[-1]:.6g}" if len(self.losses) else ""
        return f"Matched({self.model!r}, {len(self.losses)} epochs{last}, stop={self.stop!r})"


@dataclass(frozen=True)
class Stage:
    """A target on the way of learning in the loop, and how long to stay.

    Parameters
    ----------
    target : Target
    local : str
        A move that reaches all of the target: "auto" (heat baths of `Ising` and `PairModel`, exchanges of `Fredkin`,
        single sites else), "single-site", "heat-bath" or "exchange".
    max_bond, rounds : int
        Largest bond dimension, and two-site sweeps at most.
    polish : int
        Rounds after these that move all sites together at half the cost.
    rate : float
        Of the first round.
    enough : (float, float)
        Acceptance and effective fraction of the draws at which the stage ends.
    """

    target: Target
    local: str = "auto"
    max_bond: int = 16
    rounds: int = 10
    polish: int = 0
    rate: float = 0.3
    enough: tuple[float, float] = (0.9, 0.9)


@dataclass(frozen=True)
class LoopFit:
    """What learning in the loop gave."""

    model: Permuted
    """The law, sites in the order of the target: of the last stage the one of the best measured acceptance."""
    born: BornMps
    """The same in the order of its chain: site k of it is site `order[k]` of the target."""
    order: list[int]
    x: NDArray[np.uint8]
    """Where the chains ended, at the last target, shape (chains, sites)."""
    history: list[LoopRound]
    stop: str
    """"enough", "rounds" or "asked"."""

    def curve(self, name: str) -> NDArray[np.float64]:
        """A field of all rounds as an array, NaN where there is none: `fit.curve("acceptance")`."""
        return _curve(self.history, name)

    def __repr__(self) -> str:
        best = f", best acceptance {np.nanmax(self.curve('acceptance')):.4g}" if self.history else ""
        return f"LoopFit({self.born!r}, {len(self.history)} rounds{best}, stop={self.stop!r})"


def _curve(history: Sequence[object], name: str) -> NDArray[np.float64]:
    values = [getattr(round, name) for round in history]
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
