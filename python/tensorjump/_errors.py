"""Exceptions of the package: all are `ValueError`, and carry the fields of the library's error as attributes."""


class TensorJumpError(ValueError):
    """An input that the library refuses, or a computation that it does not vouch for."""


class ParameterError(TensorJumpError):
    """A parameter outside its domain: `name`, `value`, `expected` (or `place`; or times `s`, `t` out of order)."""


class ShapeError(TensorJumpError):
    """An array of the wrong shape: `expected`, `got`, and where it matters `field`, `site`, `row` or `place`."""


class StateError(TensorJumpError):
    """A state that its site does not have: `row`, `site`, `state`, `dim`."""


class NumberError(TensorJumpError):
    """A number that is negative, infinite, NaN, or of the wrong sum: `field`, `site` or `row`, `value` or `sum`."""


class ZeroEvidenceError(TensorJumpError):
    """Conditioning on something of probability zero, or a law without weight: `row`, or `what`."""


class SamplesError(TensorJumpError):
    """Too few samples, or all the same: `needed`, `got`, or `samples`."""


class ConvergenceError(TensorJumpError, ArithmeticError):
    """A contraction or decomposition that the library does not vouch for: `what`, `site`."""


class RankError(TensorJumpError, RuntimeError):
    """Work over several processes that failed on another one, which has the error itself: `rank`."""


class TooLargeError(TensorJumpError, MemoryError):
    """An object above its size limit: `what`, `size`, `limit`."""


class FileError(TensorJumpError, OSError):
    """A file that cannot be read or written: `path`, `reason`."""


class FormatError(FileError):
    """A file that is cut off, damaged, of another kind or of another run: `path`, `reason`."""
