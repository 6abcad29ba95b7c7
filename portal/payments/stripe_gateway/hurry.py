"""The HTTP session of calls made while a person waits: none outlives the answer's time limit."""

from __future__ import annotations

from typing import Any

import requests

from portal.payments.time_limit import seconds_left

__all__ = ["HurriedSession"]

_SHORTEST = 0.3
"""Seconds. With less than that a call is not begun: it could not be answered."""


class HurriedSession(requests.Session):
    """Cuts the timeouts of a call (connect, read) to what is left of the limit."""

    def request(  # type: ignore[override]
        self, method: str, url: str, *, timeout: tuple[float, float], **told: Any
    ) -> requests.Response:
        """One call; a Timeout at once where no time is left."""
        left = seconds_left()
        if left is not None:
            if left < _SHORTEST:
                raise requests.Timeout("no time is left for this call")
            connect = min(timeout[0], left / 2)
            timeout = connect, min(timeout[1], left - connect)
        return super().request(method, url, timeout=timeout, **told)
