"""Dying at a chosen moment: at the n-th statement or commit that a piece of work sends.

Whatever lies between two statements of ours is no other state than the one before it, so that
these are all the moments at which a process can die and leave something different behind.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

__all__ = ["Killed", "count_moments", "dying_at", "killed_at"]


class Killed(BaseException):
    """The process is gone, as far as the code can tell: nothing but a rollback follows."""


class _Moments:
    def __init__(self, at: int | None, *, really: bool = False) -> None:
        self.at, self.really, self.seen = at, really, 0

    def pass_one(self) -> None:
        self.seen += 1
        if self.seen != self.at:
            return
        if self.really:
            os.kill(os.getpid(), signal.SIGKILL)
        raise Killed


@contextmanager
def _moments(engine: Engine, moments: _Moments) -> Iterator[_Moments]:
    def statement(*_args: Any) -> None:
        moments.pass_one()

    def commit(_connection: object) -> None:
        moments.pass_one()

    event.listen(engine, "before_cursor_execute", statement)
    event.listen(engine, "commit", commit)
    try:
        yield moments
    finally:
        event.remove(engine, "before_cursor_execute", statement)
        event.remove(engine, "commit", commit)


@contextmanager
def count_moments(engine: Engine) -> Iterator[_Moments]:
    """How many moments there are in what is done inside: `.seen` at its end."""
    with _moments(engine, _Moments(None)) as moments:
        yield moments


@contextmanager
def dying_at(engine: Engine, moment: int) -> Iterator[_Moments]:
    """Raise Killed at that moment, and go on outside of it."""
    with _moments(engine, _Moments(moment)) as moments:
        try:
            yield moments
        except Killed:
            return


@contextmanager
def killed_at(engine: Engine, moment: int) -> Iterator[_Moments]:
    """SIGKILL to ourselves at that moment."""
    with _moments(engine, _Moments(moment, really=True)) as moments:
        yield moments
