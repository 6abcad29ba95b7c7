"""gunicorn under measurement: portal and floor alike, one worker with four threads.

Every server is a child of this process, listens on loopback only and is stopped by its pid.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, perf_counter, sleep
from types import TracebackType
from typing import Self

from tests.benchmarks.load import Connection

ROOT = Path(__file__).resolve().parent.parent.parent
THREADS = 4
START_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """One gunicorn; `with Server(...)` starts and stops it."""

    def __init__(self, app: str, environment: Mapping[str, str], log: Path) -> None:
        self.app = app
        self.environment = environment
        self.log = log
        self.port = free_port()
        self.first_page_seconds = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, request: bytes) -> float:
        """Start, and the seconds until `request` was answered with a whole page."""
        begun = perf_counter()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "gunicorn", self.app,
                    *("--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread"),
                    *("--workers", "1", "--threads", str(THREADS), "--no-control-socket"),
                    *("--keep-alive", "75", "--log-level", "warning"),
                ],
                cwd=ROOT,
                env={**_plain_environment(), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )  # fmt: skip
        deadline = monotonic() + START_SECONDS
        while True:
            connection = Connection(self.port)
            try:
                status, _ = connection.exchange(request)
                break
            except (ConnectionError, EOFError, TimeoutError):
                if self._process.poll() is not None or monotonic() > deadline:
                    raise RuntimeError(f"{self.app} did not start:\n{self._tail()}") from None
                sleep(0.005)
            finally:
                connection.close()
        if status != 200:
            raise RuntimeError(f"{self.app} answered {status}:\n{self._tail()}")
        self.first_page_seconds = perf_counter() - begun
        return self.first_page_seconds

    def stop(self) -> None:
        """SIGTERM to gunicorn, by its pid; SIGKILL if it hangs."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def cpu_seconds(self) -> float:
        """CPU time of the worker so far, user and system."""
        fields = Path(f"/proc/{self.worker()}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> int:
        """Resident memory of the worker, in bytes."""
        pages = Path(f"/proc/{self.worker()}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def worker(self) -> int:
        """The pid of gunicorn's one worker."""
        assert self._process is not None, "the server is not running"
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0])

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _plain_environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ}
