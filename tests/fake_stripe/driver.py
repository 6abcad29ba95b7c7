"""Starts the fake Stripe and acts at its counter, from a test's own process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["API_KEY", "WEBHOOK_SECRET", "FakeStripe"]

API_KEY = "sk_test_fake_0123456789"
WEBHOOK_SECRET = "whsec_fake_0123456789"
_ROOT = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 10


class FakeStripe:
    """The process; a context manager. `check` fails where the contract was broken."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fake_stripe", API_KEY],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the fake Stripe did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def act(self, action: str, **told: Any) -> dict[str, Any]:
        """One action at the counter."""
        request = urllib.request.Request(
            f"{self.url}/_control/{action}", json.dumps(told).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            done: dict[str, Any] = json.loads(answer.read())
            return done

    def things(self, kind: str) -> list[dict[str, Any]]:
        """Every object of a kind, the oldest first."""
        found: list[dict[str, Any]] = self.act("state", kind=kind)["things"]
        return found

    def fail(self, kind: str, operation: str = "*", times: int = 1) -> None:
        """The next calls of an operation go wrong."""
        self.act("faults", faults=[[operation, kind]] * times)

    def calls(self) -> list[str]:
        """The operations that were asked so far."""
        asked: list[str] = self.act("state", kind="none")["calls"]
        return asked

    def drain(self, seconds: float = 20) -> None:
        """Wait until every webhook was taken or given up."""
        until = time.monotonic() + seconds
        while self.act("state", kind="none")["waiting"]:
            if time.monotonic() > until:
                raise RuntimeError("webhooks are still on their way")
            time.sleep(0.02)

    def check(self) -> None:
        """Hold that the contract was kept in both directions."""
        wrong = self.act("violations")["violations"]
        assert not wrong, "\n".join(wrong)
