"""A process of its own that collects or gives back, and is killed at a moment of it.

    python -m tests.support.payment_process DATABASE_URL INSTANCE NOW WORK ID MOMENT [STRIPE]

WORK is `attempt` (a request's own call), `press` (the whole request of the button that spends
money; ID is the quote's) or `worker` (what the worker finds waiting). STRIPE is a fake Stripe's
address; without it the demo's gateway collects.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from flask import Flask

from portal.app import create_app
from portal.clock import clock
from portal.config import DEMO_CATALOG, MailSettings, Mode, Settings
from portal.db import reading
from portal.extensions import db
from portal.jobs.worker import run_due
from portal.parts import Parts
from tests.fake_stripe.driver import API_KEY, WEBHOOK_SECRET
from tests.support.buying import LOTTE, collected
from tests.support.client import PortalClient
from tests.support.crashing import killed_at


def at_the_button(app: Flask, quote_id: int) -> Callable[[], object]:
    """Lotte has the service order before her; its button is pressed by calling what is returned."""
    browser, url = PortalClient(app), f"/checkout/{quote_id}/service-order"
    browser.sign_in(LOTTE)
    browser.get(url)
    assert browser.page is not None
    shown = browser.page.fields()["shown"]
    return lambda: browser.post(url, {"shown": shown})


def main() -> None:
    """Do the work until the moment comes."""
    url, instance, now, work, key, moment, *stripe = sys.argv[1:]
    settings = Settings(
        mode=Mode.TEST,
        database_url=url,
        secret_key="a-secret-of-the-tests-0123456789abcdef",
        catalog_file=DEMO_CATALOG,
        public_url="http://localhost",
        instance=Path(instance),
        mail=MailSettings(host="127.0.0.1", port=1, sender="portal@kanto.example"),
        stripe_secret_key=API_KEY if stripe else None,
        stripe_webhook_secret=WEBHOOK_SECRET if stripe else None,
        stripe_api_base=stripe[0] if stripe else None,
    )
    app = create_app(settings)
    clock.fix(datetime.fromisoformat(now))
    parts: Parts = app.extensions["portal"]
    with app.app_context():
        with reading():
            pass
        engine = db.engine
    if work == "press":
        press = at_the_button(app, int(key))
        with killed_at(engine, int(moment)):
            press()
        return
    with app.app_context(), killed_at(engine, int(moment)):
        if work == "attempt":
            collected(parts, int(key))
        else:
            run_due(parts, clock.now(), periodic=False)


if __name__ == "__main__":
    main()
