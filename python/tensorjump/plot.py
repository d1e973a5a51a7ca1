"""Pictures of configurations, paths and runs. Needs matplotlib (`pip install tensorjump[plot]`).

Each function draws on `ax`, or on a new figure, and returns the figure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _core
from ._run import Run


def _axes(ax: Any, count: int = 1) -> tuple[Any, list[Any]]:
    import matplotlib.pyplot as plt

    if ax is not None:
        given = list(np.ravel(ax))
        return given[0].figure, given
    figure, axes = plt.subplots(1, count, squeeze=False, figsize=(3 * count if count > 1 else 5, 3), layout="constrained")
    return figure, list(np.ravel(axes))


def configurations(model: _core.Ising | _core.PairModel, x: ArrayLike, *, ax: Any = None) -> Any:
    """Configurations of a lattice as images, one for each row of `x` (at most eight)."""
    rows = np.atleast_2d(np.asarray(x))[:8].reshape(-1, model.rows, model.cols)
    figure, axes = _axes(ax, len(rows))
    for axis, image in zip(axes, rows):
        axis.imshow(image, cmap="viridis", vmin=0, vmax=max(int(max(model.dims)) - 1, 1), interpolation="nearest")
        axis.set(xticks=[], yticks=[])
    return figure


def heights(chain: _core.Fredkin, x: ArrayLike, *, labels: list[str] | None = None, ax: Any = None) -> Any:
    """Height profiles of Fredkin paths with the exact mean profile."""
    figure, (axis, *_) = _axes(ax)
    profile = chain.equilibrium()["height_profile"]
    for k, path in enumerate(chain.heights(np.atleast_2d(np.asarray(x)))):
        axis.plot(path, lw=0.8, label=labels[k] if labels else None)
    axis.plot(np.arange(len(path))[-len(profile) :], profile, "k--", lw=1, label="exact mean")
    axis.set(xlabel="site $j$", ylabel="height $h_j$")
    axis.legend(frameon=False)
    return figure


def series(run: Run, *names: str, ax: Any = None) -> Any:
    """Series of observables over records, one line for each chain (at most sixteen)."""
    names = names or tuple(run.names)
    figure, axes = _axes(ax, len(names))
    for axis, name in zip(axes, names):
        axis.plot(run[name][:, :16], lw=0.6)
        axis.set(xlabel="record", title=f"{name}: {run.mean(name)}")
    return figure


def acceptance(times: ArrayLike, rates: ArrayLike, *, ax: Any = None) -> Any:
    """Acceptance of connected moves against noise time."""
    figure, (axis, *_) = _axes(ax)
    axis.semilogx(np.asarray(times), np.asarray(rates), "o-")
    axis.set(xlabel="noise time", ylabel="acceptance", ylim=(0, 1.05))
    return figure


def convergence(steps: ArrayLike, errors: dict[str, ArrayLike], *, ax: Any = None) -> Any:
    """Errors of samplers against their number of steps, on logarithmic axes."""
    figure, (axis, *_) = _axes(ax)
    for name, values in errors.items():
        axis.loglog(np.asarray(steps), np.asarray(values), "o-", label=name)
    axis.set(xlabel="steps", ylabel="total variation")
    axis.legend(frameon=False)
    return figure
