"""A worker of its own that renews what is due, to be killed: `python -m tests.support.renewal_process`.

    renewal_process DATABASE_URL INSTANCE NOW BATCH

It writes "ready" before it begins, so that a test knows when to strike.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from portal.app import create_app
from portal.clock import clock
from portal.config import DEMO_CATALOG, MailSettings, Mode, Settings
from portal.db import reading
from portal.jobs.renewals import run_renewals


def main() -> None:
    """Renew everything due."""
    url, instance, now, batch = sys.argv[1:]
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
    with app.app_context():
        with reading():
            pass
        print("ready", flush=True)
        run_renewals(app.extensions["portal"], {}, datetime.fromisoformat(now), batch=int(batch))


if __name__ == "__main__":
    main()
