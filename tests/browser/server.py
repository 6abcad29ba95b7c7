"""The demo as `make run` serves it, with data of its own, for one run of the browser tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

__all__ = ["DemoServer"]

_ROOT = Path(__file__).resolve().parents[2]
_FLASK = (sys.executable, "-m", "flask", "--app", "portal.cli:make_demo_app")
_START_SECONDS = 90
_STOP_SECONDS = 20
# What a person's own shell may have set and the tests must not inherit.
_NOT_INHERITED = {
    "CATALOG_FILE", "DEMO_DATABASE_URL", "FLASK_DEBUG", "INSTANCE_PATH", "PORT", "PORTAL_DEMO",
    "PUBLIC_URL", "RATE_LIMIT_STORAGE", "SECRET_KEY", "SMTP_HOST", "STRIPE_API_BASE",
    "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET",
}  # fmt: skip


class DemoServer:
    """`flask demo serve`: web server and worker on a free loopback port; a context manager.

    `more` is put into its environment.
    """

    def __init__(self, **more: str) -> None:
        self._environ = {
            name: value for name, value in os.environ.items() if name not in _NOT_INHERITED
        }
        self._folder = tempfile.TemporaryDirectory(prefix="portal-browser-")
        self._log = Path(self._folder.name) / "server.log"
        self._environ["INSTANCE_PATH"] = str(Path(self._folder.name) / "instance")
        self._environ["PYTHONUNBUFFERED"] = "1"
        self._environ |= more
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = Path(self._environ["INSTANCE_PATH"]) / "demo.db"

    def __enter__(self) -> DemoServer:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_FLASK, "demo", "serve", "--port", str(self.port)],
                cwd=_ROOT,
                env=self._environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def log(self) -> str:
        """What web server and worker have printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def ledger_differences(self) -> str:
        """What `flask ledger check` finds, nothing where the books agree (M7).

        Another provider knows nothing of what the demo's past was paid with.
        """
        checked = subprocess.run(
            [*_FLASK, "ledger", "check"],
            cwd=_ROOT,
            env=self._environ,
            capture_output=True,
            text=True,
        )
        if checked.returncode == 0:
            return ""
        found = (checked.stdout + checked.stderr).splitlines()
        return "\n".join(line for line in found if ": " in line and "demo_pi_seed_" not in line)

    def failures(self) -> list[str]:
        """Lines of the log that tell of a request or job that ended in an error of ours."""
        marks = ("request_failed", "error_page_failed", "Traceback", '"level": "error"')
        return [line for line in self.log().splitlines() if any(mark in line for mark in marks)]

    @contextmanager
    def without_worker(self) -> Iterator[None]:
        """The worker stands still meanwhile: what it would do waits."""
        worker = self._worker()
        os.kill(worker, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(worker, signal.SIGCONT)

    def _worker(self) -> int:
        assert self._process is not None
        parent = self._process.pid
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            if Path(f"/proc/{child}/cmdline").read_bytes().endswith(b"\0worker\0"):
                return int(child)
        raise RuntimeError(f"the demo has no worker:\n{self.log()}")

    def _wait(self) -> None:
        assert self._process is not None
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise RuntimeError(f"the demo server ended by itself:\n{self.log()}")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"the demo server did not answer:\n{self.log()}")

    def _stop(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()
