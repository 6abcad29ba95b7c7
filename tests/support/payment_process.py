"""A process of its own that collects or gives back, and is killed at a moment of it.

    python -m tests.support.payment_process DATABASE_URL INSTANCE NOW WORK ID MOMENT

WORK is `attempt` (a request's own call) or `worker` (what the worker finds waiting).
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from portal.app import create_app
from portal.clock import clock
from portal.config import DEMO_CATALOG, MailSettings, Mode, Settings
from portal.db import reading
from portal.extensions import db
from portal.jobs.worker import run_due
from portal.parts import Parts
from tests.support.buying import collected
from tests.support.crashing import killed_at


def main() -> None:
    """Do the work until the moment comes."""
    url, instance, now, work, key, moment = sys.argv[1:]
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
    parts: Parts = app.extensions["portal"]
    with app.app_context():
        with reading():
            pass
        with killed_at(db.engine, int(moment)):
            if work == "attempt":
                collected(parts, int(key))
            else:
                run_due(parts, clock.now(), periodic=False)


if __name__ == "__main__":
    main()
