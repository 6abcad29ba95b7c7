"""/webhooks/…: signed bytes in, a short answer out (M2)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from portal.api.webhooks import BODY_LIMIT
from portal.clock import clock
from portal.db import transaction
from portal.models import GatewayEvent
from portal.parts import Parts
from portal.payments.demo_gateway import SIGNATURE_HEADER, DemoGateway, Fault


@pytest.fixture
def gateway(parts: Parts) -> DemoGateway:
    assert isinstance(parts.gateway, DemoGateway)
    parts.gateway.faults.clear()
    return parts.gateway


def post(app: Flask, body: bytes, headers: dict[str, str]) -> TestResponse:
    return app.test_client().post("/webhooks/demo", data=body, headers=headers)


def signed(
    gateway: DemoGateway, *, ahead: int = 0, about: str = "weather"
) -> tuple[bytes, dict[str, str]]:
    at = int(clock.now().timestamp()) + ahead
    event = gateway.sign_event("evt_1", "weather.changed", about, "cloud", at)
    return event.body, dict(event.headers)


def stored(app: Flask) -> int:
    with app.app_context(), transaction() as session:
        return int(session.scalars(select(func.count()).select_from(GatewayEvent)).one())


def test_M2_an_unknown_type_is_stored_and_acknowledged(app: Flask, gateway: DemoGateway) -> None:
    event = signed(gateway)
    answers = [post(app, *event) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.get_json()["outcome"] for answer in answers] == ["ignored", "duplicate"]
    assert stored(app) == 1


def test_M2_a_bad_signature_is_400_and_leaves_nothing(app: Flask, gateway: DemoGateway) -> None:
    body, headers = signed(gateway)
    for wrong in ({}, {SIGNATURE_HEADER: "t=1,v1=00"}, {SIGNATURE_HEADER: "nonsense"}):
        assert post(app, body, wrong).status_code == 400
    assert post(app, body + b" ", headers).status_code == 400
    assert stored(app) == 0


@pytest.mark.parametrize("ahead", [-3600, 3600, 10**8])
def test_M2_a_time_far_away_is_400(app: Flask, gateway: DemoGateway, ahead: int) -> None:
    assert post(app, *signed(gateway, ahead=ahead)).status_code == 400
    assert stored(app) == 0


def test_a_body_that_is_no_event_is_400(app: Flask, gateway: DemoGateway) -> None:
    from portal.payments.event_signature import sign

    at = int(clock.now().timestamp())
    for body in (b"", b"{}", b"[]", b"null", b"\xff\x00", b'{"id":1,"type":2,"about":3,"ref":4}'):
        header = sign(body, gateway._secret, at)
        assert post(app, body, {SIGNATURE_HEADER: header}).status_code == 400
    assert stored(app) == 0


def test_a_body_that_is_too_large_is_413(app: Flask, gateway: DemoGateway) -> None:
    _, headers = signed(gateway)
    assert post(app, b"x" * (BODY_LIMIT + 1), headers).status_code == 413


def test_a_provider_that_does_not_answer_gets_the_event_again(
    app: Flask, gateway: DemoGateway
) -> None:
    event = signed(gateway, about="charge")
    gateway.faults.append(Fault.BEFORE)
    busy = post(app, *event)
    assert busy.status_code == 503
    assert busy.headers["Retry-After"]
    assert post(app, *event).get_json()["outcome"] == "unknown_object"


def test_nobody_gets_anything_by_a_get(app: Flask) -> None:
    assert app.test_client().get("/webhooks/demo").status_code == 405


# --- Stripe's address ----------------------------------------------------------------


def test_an_address_of_a_provider_that_is_not_ours_is_not_there(
    app: Flask, gateway: DemoGateway
) -> None:
    body, headers = signed(gateway)
    assert app.test_client().post("/webhooks/stripe", data=body, headers=headers).status_code == 404
    assert app.test_client().post("/webhooks/other", data=body, headers=headers).status_code == 404
    assert stored(app) == 0


def test_M2_stripe_is_answered_without_session_form_token_or_cookie(
    app: Flask, gateway: DemoGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "name", "stripe")
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)
    body, headers = signed(gateway)
    answer = app.test_client().post("/webhooks/stripe", data=body, headers=headers)
    assert (answer.status_code, answer.get_json()) == (200, {"outcome": "ignored"})
    assert "Set-Cookie" not in answer.headers
    assert app.test_client().post("/webhooks/demo", data=body, headers=headers).status_code == 404


def test_M2_the_provider_is_never_limited(
    app: Flask, gateway: DemoGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.extensions import limiter

    monkeypatch.setattr(limiter, "enabled", True)
    client = app.test_client()
    at = int(clock.now().timestamp())
    for number in range(120):
        event = gateway.sign_event(f"evt_{number}", "weather.changed", "weather", "cloud", at)
        answer = client.post("/webhooks/demo", data=event.body, headers=dict(event.headers))
        assert answer.status_code == 200
    assert stored(app) == 120


def test_M2_a_replay_after_days_is_a_duplicate_and_after_the_purge_does_no_harm(
    app: Flask, gateway: DemoGateway, parts: Parts
) -> None:
    from datetime import timedelta

    from portal.jobs.housekeeping import purge

    days = parts.catalogue.policy.payment_event_days
    assert days >= 30
    assert post(app, *signed(gateway)).get_json() == {"outcome": "ignored"}
    for later, outcome in ((4, "duplicate"), (days - 5, "duplicate"), (2, "ignored")):
        clock.fix(clock.now() + timedelta(days=later))
        with app.app_context(), transaction() as session:
            purge(session, parts, {}, clock.now())
        assert post(app, *signed(gateway)).get_json() == {"outcome": outcome}


@pytest.mark.parametrize("event_id", ["e" * 121, "evt_\n1", "evt_\u00e9", "evt_\x00"])
def test_M2_an_event_that_no_database_takes_is_refused(
    app: Flask, gateway: DemoGateway, monkeypatch: pytest.MonkeyPatch, event_id: str
) -> None:
    from portal.payments.gateway import GatewayEventNotice

    monkeypatch.setattr(
        gateway, "read_event", lambda *given: GatewayEventNotice(event_id, "a.b", "other", "x")
    )
    assert post(app, b"{}", {}).status_code == 400
    assert stored(app) == 0


def test_M2_a_long_type_is_kept_cut(
    app: Flask, gateway: DemoGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.payments.gateway import GatewayEventNotice

    monkeypatch.setattr(
        gateway, "read_event", lambda *given: GatewayEventNotice("e", "t" * 200, "other", "x")
    )
    assert post(app, b"{}", {}).status_code == 200
    assert stored(app) == 1
