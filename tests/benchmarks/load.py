"""The load: a process of its own that sends one prepared request again and again.

    python -m tests.benchmarks.load < job.json

The job names host, port, the request's bytes, the threads (each keeps one connection alive) and
how many requests or seconds it may take, whichever ends first. The answer is JSON on stdout:
requests, seconds, latencies in milliseconds, bytes of a page, and how many were not 200.
"""

from __future__ import annotations

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter

TIMEOUT = 20.0


@dataclass(slots=True)
class Job:
    """What to send where, and for how long."""

    port: int
    request: bytes
    threads: int
    count: int
    seconds: float


@dataclass(slots=True)
class Result:
    """What one thread, or all of them, measured."""

    times: list[float] = field(default_factory=list)
    failed: int = 0
    size: int = 0


class Connection:
    """One keep-alive connection; opened again where the server closed it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket: socket.socket | None = None

    def exchange(self, request: bytes) -> tuple[int, int]:
        """Send and read one answer: its status and the length of its body."""
        fresh = self.socket is None
        try:
            return self._exchange(request)
        except (ConnectionError, EOFError):
            self.close()
            if fresh:
                raise
            return self._exchange(request)

    def _exchange(self, request: bytes) -> tuple[int, int]:
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), TIMEOUT)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive(65536)
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        length, closes = 0, False
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            elif name.lower() == b"connection":
                closes = value.strip().lower() == b"close"
        missing = length - len(rest)
        while missing > 0:
            missing -= len(self._receive(min(missing, 65536)))
        if closes:
            self.close()
        return int(lines[0].split()[1]), length

    def _receive(self, most: int) -> bytes:
        assert self.socket is not None
        data = self.socket.recv(most)
        if not data:
            raise EOFError("the server closed the connection")
        return data

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = None


def run(job: Job) -> dict[str, object]:
    """Send from all threads at once; every thread has its share of the count."""
    share = max(1, job.count // job.threads)
    begun = perf_counter()
    with ThreadPoolExecutor(job.threads) as pool:
        results = list(pool.map(lambda _: _send(job, share, begun), range(job.threads)))
    seconds = perf_counter() - begun
    times = sorted(time for result in results for time in result.times)
    return {
        "requests": len(times),
        "seconds": seconds,
        "p50": _percentile(times, 0.5) * 1000,
        "p99": _percentile(times, 0.99) * 1000,
        "failed": sum(result.failed for result in results),
        "bytes": max(result.size for result in results),
    }


def _send(job: Job, count: int, begun: float) -> Result:
    connection, result = Connection(job.port), Result()
    try:
        for _ in range(count):
            before = perf_counter()
            if before - begun > job.seconds:
                break
            status, length = connection.exchange(job.request)
            result.times.append(perf_counter() - before)
            result.failed += status != 200
            result.size = length
    finally:
        connection.close()
    return result


def _percentile(times: list[float], part: float) -> float:
    return times[min(int(len(times) * part), len(times) - 1)] if times else 0.0


def main() -> None:
    given = json.load(sys.stdin)
    given["request"] = given["request"].encode("latin-1")
    json.dump(run(Job(**given)), sys.stdout)


if __name__ == "__main__":
    main()
