"""How long an answer may wait for the provider in all, however many calls it takes (M1).

One call made while a person waits has 3 seconds. A page that needs two or three of them would make
the person wait for their sum: it has a limit of its own, from the moment the request came.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

__all__ = ["ANSWER_WITHIN", "limited_to", "seconds_left"]

ANSWER_WITHIN = 4.5
"""Seconds for the provider's part; a page answers within 5."""

_ends_at: ContextVar[float | None] = ContextVar("provider_time_ends_at", default=None)


@contextmanager
def limited_to(seconds: float) -> Iterator[None]:
    """What is asked of the provider in here, while a person waits, is answered or given up by then."""
    token = _ends_at.set(monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def seconds_left() -> float | None:
    """What is left of the limit, below zero once it has passed; None where there is none."""
    ends_at = _ends_at.get()
    return None if ends_at is None else ends_at - monotonic()
