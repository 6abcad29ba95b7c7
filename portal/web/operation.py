"""For whoever runs the portal: health, metrics, and one JSON line a request without personal data.

A line names the route's rule and never the address: addresses hold tokens and numbers of people.
"""

from __future__ import annotations

import contextlib
import hmac
import re
import secrets
import sys
from collections.abc import Iterator
from time import perf_counter
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, g, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from portal.config import Mode
from portal.db import reading
from portal.queries.ledger import count_reported
from portal.queries.parked import count_parked
from portal.queries.trials import count_late_trials
from portal.web.access import public
from portal.web.signed_in import parts

# structlog imports rich and pygments for colours wherever they are installed (flask-limiter brings
# them): 4 MB of every worker, and our lines are JSON.
_absent = "rich" not in sys.modules
if _absent:
    sys.modules["rich"] = None  # type: ignore[assignment]  # `import rich` finds nothing
import structlog  # noqa: E402

if _absent:
    del sys.modules["rich"]

__all__ = ["blueprint", "install", "log", "request_id"]

blueprint = Blueprint("operation", __name__)

_GIVEN_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_METRICS = "portal_metrics"

log: Any = structlog.wrap_logger(
    structlog.PrintLogger(sys.stderr),
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ],
    cache_logger_on_first_use=True,
)


def request_id() -> str:
    """The id of this request: the trusted proxy's where it sends one, else our own."""
    if "request_id" not in g:
        given = request.headers.get("X-Request-Id", "")
        believed = parts().settings.trusted_proxies > 0 and _GIVEN_ID.fullmatch(given)
        g.request_id = given if believed else secrets.token_hex(8)
    return str(g.request_id)


@blueprint.get("/healthz")
@public
def healthz() -> ResponseReturnValue:
    """The process answers."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
@public
def readyz() -> ResponseReturnValue:
    """The process can reach its database, which has every migration."""
    from portal.migrations.head import is_current  # alembic, for whoever asks this

    try:
        with reading() as connection:
            current = is_current(connection)
    except SQLAlchemyError:
        return Response("no database\n", status=503, mimetype="text/plain")
    if not current:
        return Response("migrations are missing: flask db upgrade\n", 503, mimetype="text/plain")
    return Response("ready\n", mimetype="text/plain")


@blueprint.get("/metrics")
@public
def metrics() -> ResponseReturnValue:
    """Prometheus' page of this worker (of all, where PROMETHEUS_MULTIPROC_DIR is set)."""
    token = parts().settings.metrics_token
    if token is None or _METRICS not in current_app.extensions:
        abort(404)
    given = request.headers.get("Authorization", "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, f"Bearer {token}".encode()):
        return Response("no\n", 401, {"WWW-Authenticate": "Bearer"}, mimetype="text/plain")
    return current_app.extensions[_METRICS]()


def install(app: Flask) -> None:
    """Give every request an id, a line in the log, and its place in the metrics."""
    settings = app.extensions["portal"].settings
    observe = _prometheus(app) if settings.metrics_token else None
    logs = settings.mode is Mode.PRODUCTION

    def begin() -> None:
        g.begun = perf_counter()

    def end(response: Response) -> Response:
        response.headers["X-Request-Id"] = request_id()
        seconds = perf_counter() - g.get("begun", perf_counter())
        route = request.url_rule.rule if request.url_rule else "(none)"
        if observe is not None:
            observe(request.method, route, response.status_code, seconds)
        if logs:
            log.info(
                "request",
                request_id=g.request_id,
                method=request.method,
                route=route,
                status=response.status_code,
                ms=round(seconds * 1000, 1),
            )
        return response

    app.before_request_funcs.setdefault(None, []).insert(0, begin)
    app.after_request(end)


class _Waiting:
    """What the database tells when it is asked for: not of this worker, but of all there is."""

    def describe(self) -> list[Any]:
        """Nothing is counted before somebody asks."""
        return []

    def collect(self) -> Iterator[Any]:
        """How many renewals stand still (`flask renewals parked` lists them), how much of the money
        is not as the provider says (`flask ledger check`), and whether trials end in time."""
        from prometheus_client.core import GaugeMetricFamily

        with contextlib.suppress(SQLAlchemyError), reading() as connection:
            yield GaugeMetricFamily(
                "portal_parked_renewals",
                "Subscriptions that could not be renewed and wait for an operator.",
                value=count_parked(connection),
            )
            yield GaugeMetricFamily(
                "portal_reconciliation_differences",
                "Payments and refunds that differ from the provider's and wait for an operator.",
                value=count_reported(connection),
            )
            today = parts().clock.now().date()
            yield GaugeMetricFamily(
                "portal_late_trials",
                "Trials that were over a day ago and that no worker has made read-only.",
                value=count_late_trials(connection, today),
            )


def _prometheus(app: Flask) -> Any:
    import os

    from prometheus_client import (
        CONTENT_TYPE_LATEST,
        CollectorRegistry,
        Counter,
        Histogram,
        generate_latest,
        multiprocess,
    )

    registry = CollectorRegistry()
    labels = ("method", "route", "status")
    count = Counter("portal_requests_total", "Requests answered.", labels, registry=registry)
    timing = Histogram(
        "portal_request_seconds", "Seconds a request took.", ("method", "route"),
        registry=registry, buckets=_BUCKETS,
    )  # fmt: skip

    parked = CollectorRegistry()
    parked.register(_Waiting())

    def page() -> Response:
        shown = registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            shown = CollectorRegistry()
            multiprocess.MultiProcessCollector(shown)
        text = generate_latest(shown) + generate_latest(parked)
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    def observe(method: str, route: str, status: int, seconds: float) -> None:
        known = method if method in {"GET", "HEAD", "POST"} else "other"
        count.labels(known, route, str(status)).inc()
        timing.labels(known, route).observe(seconds)

    app.extensions[_METRICS] = page
    return observe
