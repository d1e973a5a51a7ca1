"""Runs of chains and importance weights, with means, errors and conversion to xarray and ArviZ."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._progress import Progress, Reporter
from ._types import Samples

if TYPE_CHECKING:
    import xarray

Observable = Callable[[NDArray[np.uint8]], ArrayLike]


class Mean(NamedTuple):
    """A mean with its error."""

    mean: float
    error: float

    def __repr__(self) -> str:
        if not (0 < self.error < np.inf):
            return f"{self.mean:.8g} +- {self.error:.2g}"
        digits = max(1 - int(np.floor(np.log10(self.error))), 0)
        return f"{self.mean:.{digits}f} +- {self.error:.{digits}f}"


class RunProgress(NamedTuple):
    """How far a run is."""

    done: int
    """Updates made, warm-up included."""
    total: int
    """Updates to make, warm-up included."""
    acceptance: float
    """Accepted over proposed since the warm-up."""


class TemperingProgress(NamedTuple):
    """How far a run of tempering is."""

    done: int
    """Updates made by this call, warm-up included."""
    total: int
    """Updates to make, warm-up included, those of a checkpoint too."""
    swap_rate: float
    """The smallest swap rate so far, nan before the first attempts."""


class Importance:
    """Importance weights of independent draws against a target.

    Parameters
    ----------
    target : Target
    samples : Samples
        What `Model.sample` returned: the weight of a draw is `exp(log_weight(x) - log_prob)`.

    Attributes
    ----------
    log_weights : array (samples,)
    ess, fraction : float
        Effective sample size, and over the number of draws. A few draws flatter heavy tails: look at
        `max_log_relative` too.
    log_z : float, with `log_z_error`
    max_log_relative : float
        Largest weight over the mean weight, in nats.
    acceptance : Mean
        Of independent proposals from these draws in equilibrium.
    outside : float
        Fraction of draws that the target forbids.
    """

    def __init__(self, target: _core.Target, samples: Samples) -> None:
        if not (isinstance(samples, tuple) and len(samples) == 2):
            raise TypeError(f"expected Samples, the pair (x, log_prob) of Model.sample, got {type(samples).__name__}")
        self.log_weights, found = _core._importance(target, *samples)
        self.ess, self.fraction = found["ess"], found["fraction"]
        self.log_z, self.log_z_error = found["log_z"]
        self.max_log_relative, self.outside = found["max_log_relative"], found["outside"]
        self.acceptance = Mean(*found["acceptance"])

    def mean(self, values: ArrayLike) -> Mean:
        """Mean of an observable, given as values (samples,), under the target, with its error."""
        return Mean(*_core._importance_mean(self.log_weights, values))

    def __repr__(self) -> str:
        return (
            f"Importance(ESS/n={self.fraction:.5f}, log Z={self.log_z:.6f} +- {self.log_z_error:.1e}, "
            f"max/mean=e^{self.max_log_relative:.2f})"
        )


class Run:
    """What a run of chains recorded.

    Attributes
    ----------
    names : list of str
    series : array (records, chains, observables)
    log_weight : array (records, chains)
    report : dict
        Counts of proposals and acceptances; `acceptance` for short.
    stopped : bool
        Whether the run ended before its time (by Ctrl-C or by the progress callable).
    chains : Chains
        Where the chains stand; another run goes on from there. None for a level of `run_tempering`, and after
        pickling: a process that goes on takes a checkpoint.
    """

    def __init__(
        self,
        names: list[str],
        series: NDArray[np.float64],
        log_weight: NDArray[np.float64],
        report: dict[str, Any],
        stopped: bool,
        chains: _core.Chains | None,
    ) -> None:
        self.names, self.series, self.log_weight, self.report = names, series, log_weight, report
        self.stopped, self.chains = stopped, chains

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "chains": None}

    @property
    def acceptance(self) -> float:
        """Accepted over proposed."""
        return float(self.report["acceptance"])

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """The series of one observable, shape (records, chains)."""
        if name not in self.names:
            raise KeyError(f"{name!r}: recorded were {self.names}")
        return self.series[:, :, self.names.index(name)]

    def mean(self, name: str) -> Mean:
        """Mean of an observable with its error from the autocorrelation time."""
        found = _core.series_mean(self[name])
        return Mean(found["mean"], found["error"])

    def jackknife(self, f: Callable[[dict[str, float]], float]) -> Mean:
        """A function of the means of several observables, given by name, with its error by the jackknife.

        `tensorjump.jackknife` tells more: the bias, and whether the error is a lower bound.

        >>> run.jackknife(lambda mean: beta**2 * (mean["e2"] - mean["e"] ** 2))  # doctest: +SKIP
        """
        found = _core.jackknife(self.series, lambda means: f(dict(zip(self.names, means.tolist(), strict=True))))
        return Mean(found["value"], found["error"])

    def autocorrelation_time(self, name: str) -> float:
        """Integrated autocorrelation time of an observable, in records; one half if all are independent."""
        return _core.autocorrelation_time(self[name])

    def r_hat(self, name: str) -> float:
        """Rank-normalised split-R-hat: near one where the chains agree."""
        return _core.split_r_hat(self[name])

    def to_xarray(self) -> xarray.Dataset:
        """A dataset with dimensions (chain, draw), as ArviZ has them."""
        import xarray as xr

        data = {name: (("chain", "draw"), self[name].T) for name in self.names}
        return xr.Dataset(data, attrs={"acceptance": self.acceptance, "inference_library": "tensorjump"})

    def to_arviz(self) -> Any:
        """`arviz.InferenceData` (ArviZ before 1.0) or `xarray.DataTree` (from 1.0 on)."""
        stats = {"lp": self.log_weight.T}
        posterior = {name: self[name].T for name in self.names}
        import arviz

        if hasattr(arviz, "InferenceData"):
            return arviz.from_dict(posterior=posterior, sample_stats=stats)
        return arviz.from_dict({"posterior": posterior, "sample_stats": stats})

    def plot(self, *names: str) -> Any:
        """Series of observables over records; needs matplotlib. Returns the figure."""
        from .plot import series

        return series(self, *names)

    def __repr__(self) -> str:
        records, chains = self.log_weight.shape
        stopped = ", stopped" if self.stopped else ""
        means = "".join(f", {name}={self.mean(name)}" for name in self.names if records > 1)
        return f"Run({records} records of {chains} chains, acceptance={self.acceptance:.4f}{means}{stopped})"


def _text(progress: RunProgress) -> str:
    return f"acceptance {progress.acceptance:.3f}"


def _observe(
    observables: Mapping[str, Observable] | None, rows: bool = True
) -> Callable[[NDArray[np.uint8]], NDArray[np.float64]] | None:
    """All observables as one table (rows, observables); the rows are those of `x`, or any."""
    if not observables:
        return None

    def observe(x: NDArray[np.uint8]) -> NDArray[np.float64]:
        x.flags.writeable = False  # all observables look at the same array
        values = {name: np.asarray(f(x), dtype=float) for name, f in observables.items()}
        expected = (len(x),) if rows else next(iter(values.values())).shape
        for name, value in values.items():
            if value.shape != expected or value.ndim != 1:
                raise ValueError(f"observable {name!r} has shape {value.shape}, expected {expected if rows else '(rows,)'}")
        return np.stack(list(values.values()), axis=1)

    return observe


def run_chains(
    target: _core.Target,
    dynamics: _core.Move | _core.Proposal,
    start: ArrayLike | Samples | _core.Chains | int,
    observables: Mapping[str, Observable] | None = None,
    *,
    updates: int = 1000,
    warm_up: int = 100,
    thin: int = 1,
    seed: int = 0,
    first_chain: int = 0,
    ranks: _core._Ranks | None = None,
    progress: Progress[RunProgress] = True,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 60.0,
) -> Run:
    """Runs chains of a target and records observables.

    Parameters
    ----------
    target : Target
    dynamics : Move or Proposal
        A proposal is accepted or rejected by Metropolis-Hastings.
    start : array (chains, sites), Samples, Chains or int
        Where to start, or how many chains to start where the target says. `Chains` go on from where they stand.
    observables : dict of callables, optional
        Each maps configurations (chains, sites) to values (chains,).
    updates, warm_up, thin : int
        Updates after the warm-up, of which every `thin`-th is recorded.
    seed : int
        Names all draws; `first_chain` numbers the first chain, so that chains run elsewhere are those of one run.
    ranks : mpi4py communicator, optional
        Shares the chains out over its processes, which must all make this call with the same arguments: each gets
        the whole `Run`, that of one process bit for bit. Observables see the chains of their own process. Anything
        with `rank` (or `Get_rank()`), `size` and `allgather` of float64 arrays will do.
    progress : bool or callable, optional
        True for a bar where people look (a terminal, a notebook); or called with a `RunProgress`, False stops.
    checkpoint : path, optional
        Where to keep the state, every `checkpoint_every` seconds and at the end. If the file exists the run goes on
        where it stands and returns the same `Run`, bit for bit, as one that was never interrupted; more `updates`
        prolong it. Series grow beside in `{path}.series.npy` (records, chains, observables) and
        `{path}.log_weight.npy` (records, chains), which `numpy.load` reads at any moment. Moves and names of
        observables are not compared.

    Raises
    ------
    FormatError
        For a checkpoint of another run, naming what differs.

    Returns
    -------
    Run
        After Ctrl-C what was recorded so far, with a warning and `stopped` set.
    """
    names = list(observables or {})
    if isinstance(start, _core.Chains):
        chains = start
    elif isinstance(start, (int, np.integer)):
        chains = _core.Chains.initial(target, int(start), seed=seed)
    else:
        if isinstance(start, Samples):
            start = start.x
        chains = _core.Chains(target, start)
    with Reporter(progress, warm_up + updates, _text, lambda p: p.done) as report:
        tell = report.callback
        series, log_weight, counts, stopped, interrupted = _core._run(
            target,
            dynamics,
            chains,
            _observe(observables),
            updates,
            warm_up,
            thin,
            seed,
            first_chain,
            None if tell is None else lambda state: tell(RunProgress(*state)),
            ranks,
            None if checkpoint is None else (os.fspath(checkpoint), checkpoint_every),
        )
    if interrupted:
        warnings.warn("the run was interrupted: it has what was recorded so far", stacklevel=2)
    return Run(names, series, log_weight, counts, stopped, chains)


def run_tempering(
    replicas: _core.Replicas,
    observables: Mapping[str, Observable] | None = None,
    *,
    updates: int = 1000,
    warm_up: int = 100,
    thin: int = 1,
    ranks: _core._Ranks | None = None,
    progress: Progress[TemperingProgress] = True,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 60.0,
) -> list[Run]:
    """Runs parallel tempering and records observables of each level.

    Parameters
    ----------
    replicas : Replicas
        What `Tempering.start` returned; they go on from where they stand. Their swap rates, round trips and reports
        count from the end of the warm-up.
    observables : dict of callables, optional
        Each maps the configurations of a level (copies, sites) to values (rows,), one row a copy or any other number:
        the overlap of two copies is one row.
    updates, warm_up, thin, ranks, progress, checkpoint, checkpoint_every
        As of `run_chains`; the files have one axis more, `(records, levels, rows, observables)` and
        `(records, levels, copies)`.

    Returns
    -------
    list of Run
        One a level, its chains are the copies. After Ctrl-C what was recorded so far, with a warning.
    """
    names = list(observables or {})
    with Reporter(progress, warm_up + updates, lambda p: f"swap rate {p.swap_rate:.3f}", lambda p: p.done) as report:
        tell = report.callback
        levels, stopped, interrupted = _core._temper(
            replicas,
            _observe(observables, rows=False),
            updates,
            warm_up,
            thin,
            None if tell is None else lambda state: tell(TemperingProgress(*state)),
            ranks,
            None if checkpoint is None else (os.fspath(checkpoint), checkpoint_every),
        )
    if interrupted:
        warnings.warn("the run was interrupted: it has what was recorded so far", stacklevel=2)
    return [Run(names, series, log_weight, counts, stopped, None) for series, log_weight, counts in levels]
