"""A worker that is killed at a boundary of a charge: `python -m tests.support.charge_process`.

    charge_process DATABASE_URL INSTANCE NOW BOUNDARY

`before_call`: the attempt is stored, the provider was not called. `after_call`: the provider did
it, its answer is lost. `before_commit`: it was settled and not committed. `after_commit`: all is
written, the job is not finished.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from portal.app import create_app
from portal.clock import clock
from portal.config import DEMO_CATALOG, MailSettings, Mode, Settings
from portal.jobs import collection
from portal.jobs.worker import run_due
from portal.payments.demo_gateway import DemoGateway
from portal.services import collecting

BOUNDARIES = ("before_call", "after_call", "before_commit", "after_commit")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _dying(work: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    def dying(*args: Any, **more: Any) -> Any:
        if before:
            _die()
        answer = work(*args, **more)
        _die()
        return answer

    return dying


def _let_die(owner: object, name: str, *, before: bool) -> None:
    setattr(owner, name, _dying(getattr(owner, name), before=before))


def _prepare(boundary: str) -> None:
    if boundary in ("before_call", "after_call"):
        for name in ("charge", "retry_charge"):
            _let_die(DemoGateway, name, before=boundary == "before_call")
    elif boundary == "before_commit":
        _let_die(collecting, "settle_charge", before=False)
    else:
        _let_die(collection, "refresh_attempt", before=False)


def main() -> None:
    """Run everything that is due, and die."""
    url, instance, now, boundary = sys.argv[1:]
    settings = Settings(
        mode=Mode.TEST,
        database_url=url,
        secret_key="a-secret-of-the-tests-0123456789abcdef",
        catalog_file=DEMO_CATALOG,
        public_url="http://localhost",
        instance=Path(instance),
        mail=MailSettings(host="127.0.0.1", port=1, sender="portal@kanto.example"),
    )
    app = create_app(settings)
    clock.fix(datetime.fromisoformat(now))
    _prepare(boundary)
    with app.app_context():
        run_due(app.extensions["portal"], datetime.fromisoformat(now))


if __name__ == "__main__":
    main()
