"""Samplers and denoisers against the truth of small systems, without a random number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._errors import ParameterError

if TYPE_CHECKING:
    from ._core import _Face, _Step

_Undo = Callable[[float, NDArray[np.uint8]], Any]


class BenchRow(NamedTuple):
    """One denoiser, step and number of steps."""

    denoiser: str
    step: str
    steps: int
    variation: float
    """Total variation between the sampler's law and the exact law at the last time."""
    kl: float
    """KL(exact || sampler) in nats."""
    kl_reverse: float
    """KL(sampler || exact) in nats."""
    lost: float
    """Mass in configurations of probability zero."""
    evaluations: int
    """Evaluations of the denoiser for a sample."""
    of_denoiser: float
    """Total variation to the law that the exact denoiser reaches in the same steps: what the denoiser adds.
    `variation` of the exact denoiser is what the sampler is wrong by; the two add up to `variation` at least."""


class Bench(Sequence[BenchRow]):
    """The rows of a truth bench: a sequence that prints as a table."""

    def __init__(self, rows: Sequence[BenchRow]) -> None:
        self.rows = list(rows)

    @overload
    def __getitem__(self, index: int) -> BenchRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[BenchRow]: ...
    def __getitem__(self, index: int | slice) -> BenchRow | list[BenchRow]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[BenchRow]:
        return iter(self.rows)

    def to_dict(self) -> dict[str, NDArray[Any]]:
        """An array (rows,) for each field: what `pandas.DataFrame` takes."""
        return {name: np.array([getattr(row, name) for row in self.rows]) for name in BenchRow._fields}

    def __repr__(self) -> str:
        head = f"{'denoiser':>10} {'step':>10} {'steps':>6} {'TV':>10} {'KL':>10} {'KL back':>10} {'evaluations':>12}"
        head += f" {'of denoiser':>12}"
        line = "{0.denoiser:>10} {0.step:>10} {0.steps:>6} {0.variation:>10.3e} {0.kl:>10.3e} {0.kl_reverse:>10.3e} "
        line += "{0.evaluations:>12} {0.of_denoiser:>12.3e}"
        return "\n".join([head, *(line.format(row) for row in self.rows)])


def truth_bench(
    model: _core.Model,
    noise: _core.Noise,
    f: _Undo | _core.Denoiser | Mapping[str, _Undo | _core.Denoiser] | None = None,
    *,
    face: _Face = "denoiser_marginals",
    steps: Sequence[int] = (8, 32, 128),
    methods: Sequence[_Step] = ("euler", "tau", "analytical"),
    horizon: float = 3.0,
    last: float = 0.0,
    start: Literal["exact", "prior"] = "exact",
    grid: Literal["uniform", "uniform_in_noise", "geometric"] = "uniform",
    corrector: tuple[int, float] | None = None,
) -> Bench:
    """The exact error of samplers of discrete diffusion, by enumeration, with the exact denoiser and with others.

    What the exact denoiser leaves is the error of the sampler, what others add is theirs.

    Parameters
    ----------
    model : Model
        The law of the data, exact and small: up to 2**20 configurations.
    noise : Noise
    f : callable, Denoiser, or dict of these, optional
        Denoisers beside the exact one, see `Denoiser`.
    face : str
        What callables return.
    steps, methods
        Numbers of steps, and steps as in `Denoiser.reverse`.
    horizon, last : float
        First and last time; the sampler's law is compared with the exact law at the last one.
    start : "exact" or "prior"
        The exact law at the first time, or the stationary law of the noise.
    grid : "uniform", "uniform_in_noise" or "geometric"
        Of the times.
    corrector : (int, float), optional
        See `Denoiser.reverse`.

    Returns
    -------
    Bench
        A sequence of `BenchRow`; `to_dict()` gives arrays.

    Raises
    ------
    TooLargeError
    """
    clean = _core.DenseLaw.of(model)
    truth = clean.noised(noise.kernel(last))
    if start not in ("exact", "prior"):
        raise ParameterError(f"start = {start} is not allowed: exact or prior")
    if start == "prior":
        first = _product(_core.prior_law(noise), noise.dims_out)
    else:
        first = clean.noised(noise.kernel(horizon))
    denoisers = {"exact": _core.Denoiser(noise, model)}
    if f is not None:
        for name, given in f.items() if isinstance(f, Mapping) else [("own", f)]:
            if name in denoisers:
                raise ParameterError(f"f has a denoiser of the name {name}, which is that of the exact one")
            denoisers[name] = given if isinstance(given, _core.Denoiser) else _core.Denoiser(noise, given, face=face)
    rows = []
    reached: dict[tuple[_Step, int], Any] = {}
    for name, denoiser in denoisers.items():
        for method in methods:
            for n in steps:
                times = _times(noise, grid, horizon, last, n)
                law, lost = denoiser.sampler_law(first, times, step=method, corrector=corrector)
                exact = reached.setdefault((method, n), law)  # the exact denoiser is the first
                there, back = _core.distances(truth, law), _core.distances(law, truth)
                corrected = 0 if corrector is None else corrector[0] * (n if last > 0 else n - 1)
                step = method if isinstance(method, str) else method[0]
                stages = 2 if step in ("trapezoidal", "runge_kutta") else 1
                apart = _core.distances(exact, law).variation
                evaluations = stages * n + corrected
                label = method if isinstance(method, str) else f"{step} {method[1]:g}"
                rows.append(BenchRow(name, label, n, *there, back.divergence, lost, evaluations, apart))
    return Bench(rows)


def _times(noise: _core.Noise, grid: str, horizon: float, last: float, steps: int) -> _core.TimeGrid:
    if grid == "uniform_in_noise":
        return _core.TimeGrid.uniform_in_noise(noise, horizon, last, steps)
    if grid == "geometric":
        return _core.TimeGrid.geometric(horizon, last, steps)
    if grid == "uniform":
        return _core.TimeGrid.uniform(horizon, last, steps)
    raise ValueError(f"grid = {grid} is not allowed: uniform, uniform_in_noise or geometric")


def _product(sites: NDArray[np.float64], dims: Sequence[int]) -> _core.DenseLaw:
    table = np.ones(1)
    for law, d in zip(sites, dims, strict=True):
        table = np.outer(table, law[:d]).ravel()
    return _core.DenseLaw(list(dims), table)
