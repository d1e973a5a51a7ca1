"""How objects are put together again: by the arguments that made them, models by their files (bit for bit)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from . import _core


def by_file(model: Any) -> tuple[Callable[..., Any], tuple[Any, bytes]]:
    """What `__reduce__` of a model with files returns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        return restored, (type(model), path.read_bytes())


def restored(kind: Any, content: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(content)
        return kind.load(path)


def noise(made: list[tuple[str, dict[str, Any]]], schedule: _core.Schedule | None) -> _core.Noise:
    """The calls that made it, once more."""
    (name, keywords), *changes = made
    start = _core.Noise if name == "Noise" else getattr(_core.Noise, name)
    out = start(**keywords, schedule=schedule)
    for name, keywords in changes:
        out = getattr(out, name)(**keywords)
    return out


def mixture(centres: NDArray[Any], tables: Sequence[NDArray[Any]], weights: list[float]) -> _core.KernelMixture:
    return _core.KernelMixture(centres, tables, weights=weights)


def ising(
    rows: int, cols: int, beta: float, couplings: Any, geometry: Any, field: NDArray[Any], diagonals: Any = None
) -> _core.Ising:
    return _core.Ising(rows, cols, beta, couplings=couplings, geometry=geometry, field=field, diagonals=diagonals)


def pair_model(
    rows: int, cols: int, sites: Any, horizontal: Any, vertical: Any, geometry: Any, diagonals: Any = None
) -> _core.PairModel:
    return _core.PairModel(rows, cols, sites, horizontal, vertical, geometry=geometry, diagonals=diagonals)


def boundary(model: _core.PairModel, chi: int, checked: bool) -> _core.BoundaryMps:
    return _core.BoundaryMps(model, chi=chi) if checked else _core.BoundaryMps.proposal(model, chi=chi)


def fredkin(sites: int, c: float) -> _core.Fredkin:
    return _core.Fredkin(sites, c=c)


def fredkin_model(sites: int, c: float, chi: int | None) -> _core.FredkinModel:
    return _core.FredkinModel(_core.Fredkin(sites, c=c), chi=chi)


def denoiser(noise: _core.Noise, undo: Any, face: Any, label: int | None) -> _core.Denoiser:
    return _core.Denoiser(noise, undo, face=face, label=label)
