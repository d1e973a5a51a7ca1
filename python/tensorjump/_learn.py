"""Learning from samples and from log-weights.

Ctrl-C ends a run within a second, in the middle of a round: the best model of whole rounds comes back with
`stop="asked"` and a warning, or with `raise_on_interrupt=True` a `KeyboardInterrupt` is raised; a checkpoint stays as
last written. Callbacks are called on the calling thread. Results depend on data, options and seed, not on the number
of threads.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._progress import Progress, Reporter
from ._types import Epoch, Fit, LoopFit, LoopRound, Matched, Round, Stage

Dims = int | Sequence[int]


def _ended(raised: BaseException | None, raise_on_interrupt: bool) -> None:
    """Raises what was raised on the way; Ctrl-C is a warning unless asked for."""
    if raised is None:
        return
    if isinstance(raised, KeyboardInterrupt) and not raise_on_interrupt:
        warnings.warn("learning was interrupted: what there is comes back, stop='asked'", RuntimeWarning, stacklevel=3)
        return
    raise raised


def _training(
    rounds: int,
    validation: float | ArrayLike | None,
    patience: int,
    batch: int,
    symmetries: Sequence[_core.Symmetry],
    seed: int,
    checkpoint: str | os.PathLike[str] | None,
    every: int,
    resume: bool,
) -> dict[str, object]:
    if checkpoint is not None and not resume and os.path.exists(checkpoint):
        os.remove(checkpoint)
    return {
        "rounds": rounds,
        "validation": validation,
        "patience": patience,
        "batch": batch,
        "symmetries": list(symmetries),
        "seed": seed,
        "checkpoint": checkpoint,
        "every": every,
    }


def _round_text(round: Round) -> str:
    nll = round.train_nll if round.validation_nll is None else round.validation_nll
    return f"NLL {nll:.6g}, chi {max(round.bonds, default=1)}"


def learn_born(
    x: ArrayLike,
    dims: Dims,
    *,
    max_bond: int = 32,
    rounds: int = 100,
    batch: int = 8192,
    seed: int = 0,
    weights: ArrayLike | None = None,
    validation: float | ArrayLike | None = 0.1,
    patience: int = 10,
    method: Literal["two-site", "one-site", "adam", "lbfgs"] = "two-site",
    start: int | _core.BornMps = 4,
    rate: float | None = None,
    iterations: int = 2,
    slowing: float = float("inf"),
    significance: float = 1.0,
    explore: int = 0,
    cutoff: float = 1e-10,
    memory: int = 10,
    symmetries: Sequence[_core.Symmetry] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 1,
    resume: bool = True,
    progress: Progress[Round] = True,
    raise_on_interrupt: bool = False,
) -> Fit[_core.BornMps]:
    """Learns `P = psi**2 / Z` from samples by maximum likelihood.

    Parameters
    ----------
    x : array (n, sites)
        Samples.
    dims : int or sequence of int
        Number of states, of all sites or of each.
    max_bond, cutoff : int, float
        Limits of two-site sweeps: largest bond dimension, squared weight that an SVD may discard.
    rounds, patience : int
        Rounds at most, and rounds without a better model after which learning stops.
    batch : int
        Samples a round (sweeps) or a step (Adam).
    seed : int
        Of the split, the start and the batches.
    weights : array (n,), optional
        Of the samples; equal if not given.
    validation : float, array (m, sites) or None
        Fraction of the samples, or samples, that the model is judged by; None: the training likelihood decides.
    method : "two-site", "one-site", "adam" or "lbfgs"
        Sweeps whose bonds adapt (arXiv 1709.01662), sweeps with fixed bonds, or gradients of all tensors.
    start : int or BornMps
        Bond dimension of a random start, or a model to go on from.
    rate : float, optional
        Of sweeps, the fraction of the way to the minimum at each place (0.5); the step length of Adam (0.01).
    iterations, slowing : int, float
        Of sweeps: conjugate gradients for the Newton direction; rounds after which the rate has halved.
    significance, explore : float, int
        Two-site: singular values below this many times the noise of the samples are cut, but for the first rounds.
    memory : int
        Pairs of steps that L-BFGS remembers.
    symmetries : sequence of Symmetry
        Images of the training samples are learned from too.
    checkpoint : path, optional
        Where the state is kept, written each `every` rounds and at the end.
    resume : bool
        Whether to go on, bit for bit, from a checkpoint that exists; otherwise it is replaced.
    progress : bool or callable
        A bar where stderr is a terminal; or `progress(round)` with a `Round`, which stops by returning False.
    raise_on_interrupt : bool
        Ctrl-C raises, instead of returning the best model with a warning.

    Returns
    -------
    Fit
        `model` of the best round, `history`, `best`, `stop` and, where numbers broke down, `error`.

    Raises
    ------
    SamplesError, StateError, ShapeError, ParameterError
    FormatError
        For a checkpoint of another run.
    """
    options = {
        "method": method,
        "max_bond": max_bond,
        "cutoff": cutoff,
        "significance": significance,
        "explore": explore,
        "iterations": iterations,
        "rate": rate,
        "slowing": slowing,
        "memory": memory,
    }
    training = _training(rounds, validation, patience, batch, symmetries, seed, checkpoint, every, resume)
    with Reporter(progress, rounds, _round_text) as report:
        found = _core.fit_born(x, dims, weights, start, options, training, report.callback)
    model, history, best, stop, error, raised = found
    _ended(raised, raise_on_interrupt)
    return Fit(model, history, best, stop, error)


def learn_positive(
    x: ArrayLike,
    dims: Dims,
    *,
    bond: int = 16,
    rounds: int = 500,
    batch: int = 8192,
    seed: int = 0,
    weights: ArrayLike | None = None,
    validation: float | ArrayLike | None = 0.1,
    patience: int = 10,
    method: Literal["em", "adam", "lbfgs"] = "em",
    start: _core.PositiveMps | None = None,
    rate: float | None = None,
    memory: int = 10,
    symmetries: Sequence[_core.Symmetry] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 1,
    resume: bool = True,
    progress: Progress[Round] = True,
    raise_on_interrupt: bool = False,
) -> Fit[_core.PositiveMps]:
    """Learns a law of non-negative tensors (a hidden-Markov chain) from samples by maximum likelihood.

    Parameters
    ----------
    bond : int
        Bond dimension of a random start; bonds stay as they are.
    method : "em", "adam" or "lbfgs"
        Expectation-maximisation, under which the training NLL never rises, or gradients in logits.
    start : PositiveMps, optional
        A model to go on from.
    x, dims, rounds, batch, seed, weights, validation, patience, rate, memory, symmetries, checkpoint, every, resume, \
progress, raise_on_interrupt
        As for `learn_born`.

    Returns
    -------
    Fit
    """
    training = _training(rounds, validation, patience, batch, symmetries, seed, checkpoint, every, resume)
    begin = bond if start is None else start
    with Reporter(progress, rounds, _round_text) as report:
        way = (method, rate, memory)
        found = _core.fit_positive(x, dims, weights, begin, way, training, report.callback)
    model, history, best, stop, error, raised = found
    _ended(raised, raise_on_interrupt)
    return Fit(model, history, best, stop, error)


def _matching(
    start: int | _core.PositiveMps, times: ArrayLike | None, epochs: int, batch: int, rate: float, seed: int
) -> dict[str, object]:
    return {"start": start, "times": times, "epochs": epochs, "batch": batch, "rate": rate, "seed": seed}


def _epoch_text(epoch: Epoch) -> str:
    return f"loss {epoch.loss:.6g}"


def learn_ratio_matching(
    x: ArrayLike,
    noise: _core.Noise,
    *,
    start: int | _core.PositiveMps = 8,
    epochs: int = 60,
    batch: int = 60,
    rate: float = 0.03,
    times: ArrayLike | None = None,
    seed: int = 0,
    weights: ArrayLike | None = None,
    progress: Progress[Epoch] = True,
    raise_on_interrupt: bool = False,
) -> Matched:
    """Learns a law of non-negative tensors by ratio matching: `E[-sum_j log P_t(y_j | y without j)]` of noised samples
    (arXiv 2211.16750). `Denoiser(noise, fit.model)` are its conditionals at any time.

    Parameters
    ----------
    x : array (n, sites)
    noise : Noise
    start : int or PositiveMps
        Bond dimension of a random start, or a model to go on from.
    epochs, batch, rate : int, int, float
        Passes through the samples, samples a step, first step length of Adam.
    times : array, optional
        Ascending times from which each batch takes one; 13 even in the logit of the signal if not given.
    seed, weights, progress, raise_on_interrupt
        As for `learn_born`; a callback gets an `Epoch`.

    Returns
    -------
    Matched
        `model`, `losses` and `stop`.
    """
    options = _matching(start, times, epochs, batch, rate, seed)
    with Reporter(progress, epochs, _epoch_text) as report:
        model, losses, raised = _core.fit_ratio_matching(x, noise, weights, options, report.callback)
    _ended(raised, raise_on_interrupt)
    return Matched(model, np.array(losses), "epochs" if len(losses) == epochs else "asked")


def learn_glauber(
    x: ArrayLike,
    tokens: _core.TokenNoise,
    *,
    start: int | _core.PositiveMps = 8,
    epochs: int = 60,
    batch: int = 60,
    rate: float = 0.03,
    seed: int = 0,
    weights: ArrayLike | None = None,
    progress: Progress[Epoch] = True,
    raise_on_interrupt: bool = False,
) -> Matched:
    """Learns a law of non-negative tensors by classifying "was a state given?" in a token chain (arXiv 2405.17035).

    Parameters
    ----------
    tokens : TokenNoise
    x, start, epochs, batch, rate, seed, weights, progress, raise_on_interrupt
        As for `learn_ratio_matching`.

    Returns
    -------
    Matched
        `model`, `losses`, `stop` and `conditionals`, whose `reverse` draws.
    """
    options = _matching(start, None, epochs, batch, rate, seed)
    with Reporter(progress, epochs, _epoch_text) as report:
        model, conditionals, losses, raised = _core.fit_glauber(x, tokens, weights, options, report.callback)
    _ended(raised, raise_on_interrupt)
    return Matched(model, np.array(losses), "epochs" if len(losses) == epochs else "asked", conditionals)


def _loop_text(round: LoopRound) -> str:
    return f"stage {round.stage}, acceptance {round.acceptance:.4f}, chi {max(round.bonds, default=1)}"


def learn_in_the_loop(
    target: _core.Target | Stage | Sequence[_core.Target | Stage],
    *,
    max_bond: int = 16,
    rounds: int = 10,
    polish: int = 0,
    rate: float = 0.3,
    enough: tuple[float, float] = (0.9, 0.9),
    local: str = "auto",
    order: Sequence[int] | Literal["auto"] | None = "auto",
    draws: int = 16384,
    chains: int = 2048,
    updates: int = 4,
    warm_up: int = 100,
    first: tuple[int, int] = (8, 8),
    toward: Literal["overlap", "divergence"] = "overlap",
    slowing: float = 8.0,
    keep: float = 1.0,
    cutoff: float = 1e-12,
    significance: float = 0.05,
    symmetries: Sequence[_core.Symmetry] = (),
    seed: int = 0,
    ranks: _core._Ranks | None = None,
    progress: Progress[LoopRound] = True,
    raise_on_interrupt: bool = False,
) -> LoopFit:
    """Learns a Born law from log-weights alone: chains whose proposals are the model teach it (arXiv 2407.11133).

    Parameters
    ----------
    target : Target, Stage, or sequence of these
        One law, or a way to it (annealing); chains start at the first, where the local move must mix within the
        warm-up.
    max_bond, rounds, polish, rate, enough, local
        Of targets that are not a `Stage`, see there.
    order : "auto", sequence of int or None
        Site of the target at each site of the chain: a snake for lattices, their own order for others and for None.
    draws, chains, updates : int
        A round: draws of the model, chains of the target and updates of each.
    warm_up : int
        Local updates before the first model.
    first : (int, int)
        Bond dimension and rounds of the first model, by maximum likelihood.
    toward : "overlap" or "divergence"
        What a round makes small.
    slowing : float
        Rounds of a stage after which the rate has halved.
    keep : float
        Share of the samples that is learned from, in (0, 1].
    cutoff, significance : float
        Of the truncation.
    symmetries : sequence of Symmetry
        Of every target.
    seed : int
    ranks : mpi4py communicator, optional
        Shares draws and chains out over its processes, as for `run_chains`: each gets the same model.
    progress, raise_on_interrupt
        As for `learn_born`; a callback gets a `LoopRound`.

    Returns
    -------
    LoopFit
    """
    listed = [target] if isinstance(target, (_core.Target, Stage)) else list(target)
    given = (local, max_bond, rounds, polish, rate, enough)
    stages = [stage if isinstance(stage, Stage) else Stage(stage, *given) for stage in listed]
    sites = _core.snake_order(stages[0].target) if stages and order == "auto" else order
    options = {
        "order": sites,
        "draws": draws,
        "chains": chains,
        "updates": updates,
        "warm_up": warm_up,
        "first": first,
        "toward": toward,
        "slowing": slowing,
        "keep": keep,
        "cutoff": cutoff,
        "significance": significance,
        "symmetries": list(symmetries),
        "seed": seed,
    }
    total = sum(stage.rounds + stage.polish + 1 for stage in stages)
    with Reporter(progress, total, _loop_text) as report:
        found = _core.fit_in_the_loop([vars(stage) for stage in stages], options, report.callback, ranks)
    born, taken, x, history, stop, raised = found
    _ended(raised, raise_on_interrupt)
    return LoopFit(_core.Permuted(born, taken), born, taken, x, history, stop)
