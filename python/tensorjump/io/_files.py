"""Files that are read with suspicion, and what is said about those that are damaged."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from .._errors import FileError, FormatError

AnyPath = Union[str, "os.PathLike[str]"]

MOST = 1 << 30
"""Numbers in one tensor above which a file is not believed: 8 GiB of reals."""


def damaged(path: AnyPath, reason: str) -> FormatError:
    """The error for a file that is not what it should be."""
    error = FormatError(f"{os.fspath(path)}: {reason}")
    error.path, error.reason = os.fspath(path), reason  # type: ignore[attr-defined]
    return error


def unreachable(path: AnyPath, cause: OSError) -> FileError:
    """The error for a file that the system does not open or write."""
    reason = cause.strerror or str(cause)
    error = FileError(f"{os.fspath(path)}: {reason}")
    error.path, error.reason = os.fspath(path), reason  # type: ignore[attr-defined]
    return error


@contextlib.contextmanager
def suspicion(path: AnyPath) -> Iterator[None]:
    """Whatever goes wrong in reading what a file holds is the file's fault."""
    try:
        yield
    except (FileError, KeyboardInterrupt):
        raise
    except KeyError as e:
        raise damaged(path, f"something is missing: {e.args[0] if e.args else e}") from e
    except MemoryError as e:
        raise damaged(path, "it claims more than fits in memory") from e
    except Exception as e:
        raise damaged(path, f"{type(e).__name__}: {e}") from e


@contextlib.contextmanager
def opened(path: AnyPath) -> Iterator[Any]:
    """An HDF5 file to be read."""
    try:
        import h5py
    except ImportError as e:
        raise ImportError("HDF5 files need h5py: pip install h5py, or tensorjump[files]") from e
    try:
        with open(path, "rb"):
            pass
    except OSError as e:
        raise unreachable(path, e) from e
    with suspicion(path):
        try:
            file = h5py.File(path, "r")
        except OSError as e:
            raise damaged(path, f"not an HDF5 file, or cut off: {e}") from e
        with file:
            yield file


def child(group: Any, name: str) -> Any:
    """What lies at `name`, with no way into other files."""
    import h5py

    at = group
    for part in name.split("/"):
        if not isinstance(at, h5py.Group):
            raise KeyError(f"{at.name} is no group and holds no {part}")
        if isinstance(at.get(part, getlink=True), h5py.ExternalLink):
            raise ValueError(f"{at.name}/{part} lies in another file")
        if part not in at:
            raise KeyError(f"{at.name.rstrip('/')}/{part}")
        at = at[part]
    return at


def text(value: Any) -> str:
    """A string of an attribute or of a scalar dataset, stored as bytes or text."""
    if hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, np.generic):
        value = value[()]
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0]
    return value.decode() if isinstance(value, bytes) else str(value)


def attribute(group: Any, name: str) -> Any:
    if name not in group.attrs:
        raise KeyError(f"attribute {name} of {group.name}")
    return group.attrs[name]


def whole(value: Any, least: int = 0) -> int:
    """A size: one whole number of at least `least`, from an attribute or dataset."""
    value = np.asarray(value[()] if hasattr(value, "id") else value)
    if value.size != 1 or value.dtype.kind not in "iu" or int(value.reshape(-1)[0]) < least:
        raise ValueError(f"a size of {value!r}")
    return int(value.reshape(-1)[0])


def _raw(dataset: Any) -> NDArray[Any]:
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{dataset.name} is a group, expected numbers")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"the numbers of {dataset.name} lie in another file")
    if dataset.shape is None:
        raise ValueError(f"{dataset.name} is empty")
    if dataset.size > MOST:
        raise ValueError(f"{dataset.name} claims {dataset.size} numbers, more than {MOST}")
    return np.asarray(dataset[()])


def integers(dataset: Any) -> NDArray[np.int64]:
    """An array of whole numbers that fit 63 bits."""
    raw = _raw(dataset)
    if raw.dtype.kind not in "iu" or (raw.size and int(raw.max()) > np.iinfo(np.int64).max):
        raise ValueError(f"{dataset.name} holds {raw.dtype}, expected integers")
    return raw.astype(np.int64)


def numbers(dataset: Any) -> NDArray[Any]:
    """A real or complex array: complex ones as such, as compounds of two fields, or marked with a last axis of two."""
    raw = _raw(dataset)
    if raw.dtype.names is not None:
        if len(raw.dtype.names) != 2:
            raise ValueError(f"{dataset.name} holds records {raw.dtype.names}, expected numbers")
        re, im = raw.dtype.names
        raw = raw[re] + 1j * raw[im]
    elif "__complex__" in dataset.attrs:
        if raw.ndim == 0 or raw.shape[-1] != 2:
            raise ValueError(f"{dataset.name} is marked as complex, and has shape {raw.shape}")
        raw = raw[..., 0] + 1j * raw[..., 1]
    if raw.dtype.kind not in "biufc":
        raise ValueError(f"{dataset.name} holds {raw.dtype}, expected numbers")
    out = raw.astype(np.complex128 if raw.dtype.kind == "c" else np.float64)
    if not np.isfinite(out).all():
        raise ValueError(f"{dataset.name} holds a number that is not finite")
    return out


def replaced(path: AnyPath, write: Any) -> None:
    """Writes a file beside its place, syncs and renames it: whoever is stopped leaves the old one."""
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as e:
        raise unreachable(path, e) from e
