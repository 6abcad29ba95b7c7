"""A web worker imports what a page needs, and nothing that only some requests or commands need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from portal.config import DEMO_CATALOG, ROOT

# Each is imported where it is used: PDF and QR code, payments, migrations, outgoing calls.
HEAVY = (
    "alembic", "email_validator", "facturx", "flask_migrate", "lxml", "mako", "requests", "segno",
    "stripe", "typst",
)  # fmt: skip

_START = """
import json, sys
from portal.app import create_app
answer = create_app().test_client().get("/sign-in")
print(json.dumps([answer.status_code, sorted(sys.modules)]))
"""


def test_a_worker_starts_without_what_only_some_requests_need(tmp_path: Path) -> None:
    """After create_app() and one page the heavy packages are not imported yet."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'start.db'}",
        "SECRET_KEY": "a-secret-of-the-tests-0123456789abcdef",
        "ENTITLEMENT_SECRET": "another-secret-of-the-tests-0123456789",
        "PUBLIC_URL": "http://127.0.0.1",
        "CATALOG_FILE": str(DEMO_CATALOG),
        "SMTP_HOST": "127.0.0.1",
        "MAIL_FROM": "portal@kanto.example",
        "INSTANCE_PATH": str(tmp_path),
        "STRIPE_SECRET_KEY": "sk_test_1",
        "STRIPE_WEBHOOK_SECRET": "whsec_1",
    }
    done = subprocess.run(
        [sys.executable, "-c", _START],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    status, modules = json.loads(done.stdout)
    assert status == 200
    assert not set(HEAVY) & set(modules)
