"""gunicorn with a bad environment: it says why, line by line, and ends (it does not loop)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_gunicorn_ends_where_the_environment_is_wrong() -> None:
    clean = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
    answer = subprocess.run(
        [
            sys.executable, "-m", "gunicorn", "wsgi:app", "--no-control-socket",
            "--bind", f"127.0.0.1:{_free_port()}",
        ],
        cwd=ROOT, env={**clean, "SECRET_KEY": "changeme", "PORTAL_DEMO": "1"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.returncode == 3
    lines = [line for line in answer.stderr.splitlines() if line.startswith("portal: ")]
    for words in ("SECRET_KEY is weak", "PORTAL_DEMO is on", "DATABASE_URL is missing"):
        assert sum(words in line for line in lines) == 1
    assert "Traceback" not in answer.stderr
