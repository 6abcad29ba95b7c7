"""The webhooks: signed, and as late, as often and in as wild an order as a test wants."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

__all__ = ["Postman", "sign"]

_TRIES = 8


def sign(body: bytes, secret: str, at: int) -> str:
    """The Stripe-Signature of a body."""
    digest = hmac.new(secret.encode(), str(at).encode() + b"." + body, hashlib.sha256)
    return f"t={at},v1={digest.hexdigest()}"


class Postman:
    """Posts every event to `url`; `copies` of each, up to `delay` seconds late, shuffled by it."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._bag: list[tuple[float, bytes, int]] = []
        self._out = 0
        self.posted = 0
        self.configure({})
        threading.Thread(target=self._walk, daemon=True).start()

    def configure(self, wanted: dict[str, Any]) -> None:
        """Take url, secret, delay (seconds), copies and seed; without a url nothing is posted."""
        self.url = wanted.get("url", "")
        self.secret = wanted.get("secret", "")
        self.delay = float(wanted.get("delay", 0))
        self.copies = int(wanted.get("copies", 1))
        self._random = random.Random(wanted.get("seed", 1))

    def take(self, event: dict[str, Any]) -> None:
        """Put an event into the bag."""
        if not self.url:
            return
        body = json.dumps(event).encode()
        with self._lock:
            for _ in range(self.copies):
                at = time.monotonic() + self._random.uniform(0, self.delay)
                self._bag.append((at, body, 1))

    @property
    def waiting(self) -> int:
        """How many are in the bag or on their way."""
        with self._lock:
            return len(self._bag) + self._out

    def _walk(self) -> None:
        while True:
            with self._lock:
                ready = min(self._bag, default=None)
                if ready is not None and ready[0] <= time.monotonic():
                    self._bag.remove(ready)
                    self._out += 1
                else:
                    ready = None
            if ready is None:
                time.sleep(0.01)
                continue
            taken = self._post(ready[1])
            with self._lock:
                self._out -= 1
                if not taken and ready[2] < _TRIES:
                    again = time.monotonic() + 0.1 * 2 ** ready[2]
                    self._bag.append((again, ready[1], ready[2] + 1))

    def _post(self, body: bytes) -> bool:
        request = urllib.request.Request(
            self.url,
            body,
            {
                "Content-Type": "application/json",
                "Stripe-Signature": sign(body, self.secret, self._now()),
            },
        )
        self.posted += 1
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return bool(answer.status < 300)
        except (urllib.error.URLError, OSError):
            return False
