"""How objects are put together again: by the arguments that made them, models by their files (bit for bit)."""

import tempfile
from pathlib import Path

from . import _core


def by_file(model):
    """What `__reduce__` of a model with files returns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        return restored, (type(model), path.read_bytes())


def restored(kind, content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(content)
        return kind.load(path)


def noise(matrices, dims, mask, schedule):
    if mask is None:
        return _core.Noise(matrices, schedule=schedule)
    return _core.Noise.mask(dims, rate=1.0, schedule=schedule).scaled(mask)


def mixture(centres, tables, weights):
    return _core.KernelMixture(centres, tables, weights=weights)


def ising(rows, cols, beta, couplings, geometry, field):
    return _core.Ising(rows, cols, beta, couplings=couplings, geometry=geometry, field=field)


def pair_model(rows, cols, sites, horizontal, vertical, geometry):
    return _core.PairModel(rows, cols, sites, horizontal, vertical, geometry=geometry)


def boundary(model, chi, checked):
    return _core.BoundaryMps(model, chi=chi) if checked else _core.BoundaryMps.proposal(model, chi=chi)


def fredkin(sites, c):
    return _core.Fredkin(sites, c=c)


def fredkin_model(sites, c, chi):
    return _core.FredkinModel(_core.Fredkin(sites, c=c), chi=chi)


def denoiser(noise, undo, face, label):
    return _core.Denoiser(noise, undo, face=face, label=label)
