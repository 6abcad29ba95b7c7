"""The demo's own pages: sign in as anybody, read the mail safely, move the clock."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import clock
from portal.db import transaction
from portal.demo import demo_catalogue_text
from portal.demo.people import DEMO_PEOPLE
from portal.domain.catalogue_file import parse_catalogue
from portal.mail.mailbox import DemoMailbox
from portal.mail.messages import read_message
from portal.mail.rendering import render_mail
from portal.mail.transport import Attachment, RenderedMail
from portal.models import DemoMail
from portal.services.outbox import enqueue_mail
from tests.conftest import NOW
from tests.support.client import PortalClient


@pytest.fixture
def moving_clock(app: Flask, tmp_path: Path) -> Iterator[None]:
    """The demo's clock: it runs, and is moved by a file."""
    clock.fix(None)
    clock.shift_file = tmp_path / "demo-clock"
    clock.move(max(NOW - datetime.now(UTC), timedelta()))
    yield
    clock.shift_file = None


def mail_of(app: Flask, html: str | None = None, *, number: int = 1) -> int:
    message = read_message("sign_in_link", {"link": "https://x.example/s/abc"}, "https://x.example")
    mail = render_mail(message, recipient="lotte@x.example", locale="de", message_id=f"<{number}@x>",
                       vendor=parse_catalogue(demo_catalogue_text()).vendor)  # fmt: skip
    pdf = Attachment("KAN-1.pdf", "application/pdf", b"%PDF \x00\xff")
    sent = RenderedMail(mail.recipient, mail.subject, mail.text, html or mail.html, mail.locale,
                        mail.message_id, (pdf,))  # fmt: skip
    with app.app_context():
        DemoMailbox("portal@kanto.example").send(sent)
        with transaction() as session:
            return session.scalars(select(DemoMail.id).order_by(DemoMail.id.desc())).first() or 0


@pytest.mark.parametrize("person", DEMO_PEOPLE, ids=lambda person: person.email)
def test_one_can_be_every_person_of_the_demo(person: object, client: PortalClient) -> None:
    email = person.email  # type: ignore[attr-defined]
    client.get("/demo")
    assert client.page is not None
    assert email in client.page.text()
    answer = client.post("/demo/sign-in", {"email": email})
    assert answer.headers["Location"] == "/"
    answer = client.browser.get("/", follow_redirects=True)
    assert answer.status_code == 200
    assert "/sign-in" not in answer.request.path


def test_nobody_else_can_be_signed_in_as(client: PortalClient) -> None:
    client.get("/demo")
    client.post("/demo/sign-in", {"email": "nobody@x.example"}, status=404)
    client.post("/demo/sign-in", {}, status=404)
    client.post("/demo/sign-in", {"email": DEMO_PEOPLE[0].email}, status=403, csrf=False)


def test_the_pages_carry_the_demo_mark(client: PortalClient, app: Flask) -> None:
    mail_id = mail_of(app)
    for path in ("/demo", "/demo/mailbox", f"/demo/mailbox/{mail_id}", "/demo/clock"):
        client.get(path)
        assert client.page is not None
        assert any(
            client.page.text(tag) == "Demo" for tag in client.page.all("span", class_="demo")
        )


def test_the_mailbox_keeps_a_repeated_message_once(app: Flask) -> None:
    mail_of(app)
    mail_of(app)
    with app.app_context(), transaction() as session:
        assert len(session.scalars(select(DemoMail)).all()) == 1


def test_a_mail_is_shown_with_its_text_its_frame_and_its_attachment(
    client: PortalClient, app: Flask
) -> None:
    mail_id = mail_of(app)
    client.get("/demo/mailbox")
    assert client.page is not None
    assert f"/demo/mailbox/{mail_id}" in client.page.links()
    answer = client.get(f"/demo/mailbox/{mail_id}")
    [frame] = client.page.all("iframe")
    assert frame.get("src") == f"/demo/mailbox/{mail_id}/html"
    assert "allow-scripts" not in (frame.get("sandbox") or "")
    assert "frame-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "https://x.example/s/abc" in client.page.links(), "the link in the text can be followed"
    saved = client.get(f"/demo/mailbox/{mail_id}/attachments/0")
    assert saved.data == b"%PDF \x00\xff"
    assert "attachment" in saved.headers["Content-Disposition"]
    client.get(f"/demo/mailbox/{mail_id}/attachments/1", 404)


def test_the_html_part_has_a_policy_of_its_own(client: PortalClient, app: Flask) -> None:
    answer = client.get(f"/demo/mailbox/{mail_of(app)}/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "unsafe-inline" not in policy
    assert "script" not in policy
    assert "frame-ancestors 'self'" in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    [style] = re.findall(r"<style>(.*?)</style>", answer.get_data(as_text=True), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy


@pytest.mark.parametrize("path", ["/demo/mailbox/999999", "/demo/mailbox/999999/html",
                                  "/demo/mailbox/99999999999999999999999", "/demo/mailbox?page=0",
                                  "/demo/mailbox?page=77", "/demo/mailbox?page=x"])  # fmt: skip
def test_what_is_not_there_is_not_found(path: str, client: PortalClient) -> None:
    client.get(path, 404)


def test_the_clock_moves_runs_what_is_due_and_keeps_people_signed_in(
    client: PortalClient, app: Flask, moving_clock: None
) -> None:
    before = clock.now()
    client.get("/demo")
    client.post("/demo/sign-in", {"email": DEMO_PEOPLE[0].email})
    with app.app_context(), transaction() as session:
        enqueue_mail(session, "new_admin_contact", recipient="a@x.example", locale="en",
                     payload={"account_name": "A", "name": "B", "email": "b@x.example",
                              "added_by": "C"},
                     now=before, available_at=before + timedelta(days=20))  # fmt: skip
    client.get("/demo/clock")
    answer = client.post("/demo/clock", {"days": "30"})
    client.follow(answer)
    assert timedelta(days=30) <= clock.now() - before < timedelta(days=30, minutes=5)
    assert client.page is not None
    assert "The clock was moved." in client.page.text()
    client.get("/licences")


def test_the_clock_goes_to_the_next_renewal(
    client: PortalClient, app: Flask, moving_clock: None
) -> None:
    before = clock.now()
    client.get("/demo/clock")
    client.post("/demo/clock", {"to": "renewal"})
    assert clock.now() > before


@pytest.mark.parametrize("days", ["", "0", "-1", "401", "x", "1.5", "99999999999999999999"])
def test_a_number_of_days_that_makes_no_sense_moves_nothing(
    days: str, client: PortalClient, moving_clock: None
) -> None:
    client.get("/demo/clock")
    before = clock.shift()
    client.post("/demo/clock", {"days": days}, status=422)
    assert clock.shift() == before
