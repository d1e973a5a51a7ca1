"""A bar on stderr for long work: tqdm where it is installed, else a line of text."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol

Progress = bool | Callable[..., Any] | None


class _Shown(Protocol):
    def __call__(self, done: int, total: int, *rest: Any) -> None: ...


class Bar:
    """Called with `(done, total, *values)`; shows how far work is."""

    def __init__(self, label: str, describe: Callable[..., str] = lambda *_: "") -> None:
        self.label, self.describe, self.start, self.bar = label, describe, time.monotonic(), None
        try:
            from tqdm.auto import tqdm
        except ImportError:
            self.tqdm = None
        else:
            self.tqdm = tqdm

    def __call__(self, done: int, total: int, *rest: Any) -> None:
        text = self.describe(*rest)
        if self.tqdm is not None:
            if self.bar is None:
                self.bar = self.tqdm(total=total, desc=self.label, leave=False, file=sys.stderr)
            self.bar.n = done
            self.bar.set_postfix_str(text)
            if done >= total:
                self.bar.close()
            return
        left = (time.monotonic() - self.start) * (total - done) / max(done, 1)
        end = "\n" if done >= total else ""
        print(f"\r{self.label}: {done}/{total} {text} {left:.0f} s left  ", end=end, file=sys.stderr, flush=True)


def _notebook() -> bool:
    return "ipykernel" in sys.modules


def shown(progress: Progress, label: str, describe: Callable[..., str] = lambda *_: "") -> Callable[..., Any] | None:
    """What to tell progress to: a callable as it is; a bar for True; for None a bar where people look."""
    if callable(progress):
        return progress
    if progress is None:
        progress = _notebook() or (sys.stderr is not None and sys.stderr.isatty())
    return Bar(label, describe) if progress else None
