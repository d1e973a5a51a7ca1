"""Progress of long work: a bar on stderr where it is a terminal, tqdm's where it can be imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

R = TypeVar("R")
Progress = bool | Callable[[R], object]
"""True for a bar where stderr is a terminal or in a notebook, False for none, or a callable that is told each round: it stops the work
by returning False, and what it raises ends the work."""


class _Bar(Protocol):
    def update(self, text: str, done: int | None = None) -> None: ...
    def close(self) -> None: ...


class _Plain:
    """One line of stderr, rewritten."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.width = total, 0, 0

    def update(self, text: str, done: int | None = None) -> None:
        self.done = self.done + 1 if done is None else done
        line = f"{self.done}/{self.total} {text}"
        self.width = max(self.width, len(line))
        sys.stderr.write("\r" + line.ljust(self.width))
        sys.stderr.flush()

    def close(self) -> None:
        if self.done:
            sys.stderr.write("\n")


class _Tqdm:
    def __init__(self, tqdm: Any, total: int) -> None:
        self.bar = tqdm(total=total, leave=True)

    def update(self, text: str, done: int | None = None) -> None:
        self.bar.set_postfix_str(text, refresh=False)
        self.bar.update(1 if done is None else done - self.bar.n)

    def close(self) -> None:
        self.bar.close()


def _bar(total: int) -> _Bar:
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        return _Plain(total)
    return _Tqdm(tqdm, total)


class Reporter(Generic[R]):
    """What the library is given to tell: `callback`, closed with the block."""

    def __init__(
        self, progress: Progress[R], total: int, text: Callable[[R], str], done: Callable[[R], int] | None = None
    ) -> None:
        self.callback: Callable[[R], object] | None = None
        self._bar: _Bar | None = None
        if callable(progress):
            self.callback = progress
        elif progress and sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules):
            bar = self._bar = _bar(total)
            self.callback = lambda round: bar.update(text(round), done and done(round))

    def __enter__(self) -> Reporter[R]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
