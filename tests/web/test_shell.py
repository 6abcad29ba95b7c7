"""The shell of every page: headers, languages, errors, assets, bad input."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

import pytest
from flask import Flask, abort
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from portal.app import create_app
from portal.config import Mode
from portal.domain.errors import DomainError
from portal.extensions import db, limiter
from portal.models import Member, Person
from portal.web.locale import LOCALES
from portal.web.pages import local_path
from portal.web.static_files import _contrast, accent_colours
from tests.conftest import Database
from tests.support.client import PortalClient

ADMIN = "giulia.ferrante@officine-valdarno.example"


@pytest.fixture
def member(session: Session) -> str:
    """The e-mail address of somebody who is only a member."""
    found = session.scalars(
        select(Person.email).join(Member, Member.person_id == Person.id)
        .where(Member.role == "member", Member.status == "active").order_by(Person.id)
    ).first()  # fmt: skip
    session.rollback()
    return found or ""


@pytest.fixture
def failing(app: Flask) -> Iterator[dict[str, BaseException]]:
    """Makes the sign-in page raise what the test puts in under "with"."""
    cause: dict[str, BaseException] = {}
    original = app.view_functions["auth.sent"]

    def view() -> str:
        raise cause["with"]

    view.portal_access = "public"  # type: ignore[attr-defined]
    app.view_functions["auth.sent"] = view
    yield cause
    app.view_functions["auth.sent"] = original


@pytest.mark.parametrize(
    ("path", "status"),
    [("/sign-in", 200), ("/nope", 404), ("/sign-in/nope", 410), ("/healthz", 200), ("/readyz", 200),
     ("/metrics", 404), ("/", 303), ("/licences", 303), ("/assets/0/portal.css", 404)],
)  # fmt: skip
def test_every_answer_has_the_security_headers(
    client: PortalClient, path: str, status: int
) -> None:
    headers = client.get(path, status).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Request-Id"]


def test_assets_are_immutable_and_zipped(client: PortalClient) -> None:
    client.get("/sign-in")
    assert client.page
    source = client.page.source
    for name in ("portal.css", "portal.js"):
        address = re.search(rf"/assets/[0-9a-f]+/{re.escape(name)}", source)
        assert address, name
        plain = client.get(address[0])
        assert "immutable" in plain.headers["Cache-Control"]
        assert "Content-Encoding" not in plain.headers
        zipped = client.get(address[0], headers={"Accept-Encoding": "gzip"})
        assert gzip.decompress(zipped.data) == plain.data
        assert not plain.headers.getlist("Set-Cookie")
    assert client.get("/favicon.ico").mimetype == "image/svg+xml"


@pytest.mark.parametrize("wanted", ["//[", "http://[", "//[::1", "//]"])
def test_a_next_that_is_no_address_leads_nowhere(client: PortalClient, wanted: str) -> None:
    """Python refuses to take "//[" apart: that is the visitor's mistake and not the portal's."""
    client.get(f"/sign-in?next={wanted}")
    answer = client.post(f"/languages/nl?next={wanted}")
    assert answer.headers["Location"] == "/languages"


def test_a_search_engine_may_lead_to_the_sign_in_page_alone(client: PortalClient) -> None:
    """Addresses with a token are secrets; what is behind the sign-in, nobody else is shown."""
    for path, status, found in (("/sign-in", 200, True), ("/languages", 200, False),
                                ("/sign-in/no-such-link", 410, False),
                                ("/consents/no-such-link", 410, False)):  # fmt: skip
        client.get(path, status)
        assert client.page is not None
        assert bool(client.page.all("meta", name="robots", content="noindex")) is not found, path
        described = client.page.all("meta", name="description")[0].get("content") or ""
        assert "Kanto" in described, path


@pytest.mark.parametrize(
    "accent", ["#2855d9", "#ffe600", "#000000", "#ffffff", "#7a1f3d", "#00c853"]
)
def test_any_accent_reads_well(accent: str) -> None:
    colours = accent_colours(accent)
    assert _contrast(colours["accent"], colours["on-accent"]) >= 4.5
    light, dark = re.findall(r"#[0-9a-f]{6}", colours["accent-ink"])
    assert _contrast(light, "#ffffff") >= 4.5
    assert _contrast(dark, "#171c24") >= 4.5


@pytest.mark.parametrize("locale", LOCALES)
def test_the_language_is_chosen_kept_and_remembered(
    client: PortalClient, session: Session, locale: str
) -> None:
    client.get("/sign-in", headers={"Accept-Language": locale})
    assert client.page
    assert f'lang="{locale}"' in client.page.source[:60]
    client.sign_in(ADMIN)
    client.get("/sessions")
    client.follow(client.post(f"/languages/{locale}?next=/sessions"))
    assert f'lang="{locale}"' in client.page.source[:60]
    assert session.scalar(select(Person.locale).where(Person.email == ADMIN)) == locale


def test_the_language_switch_keeps_what_was_typed(client: PortalClient) -> None:
    client.get("/sign-in?next=/quotes")
    assert client.page
    switch = client.page.all("button", form="sign-in", lang="nl")[0]
    answer = client.post(switch.get("formaction") or "", {"email": "half typed", "next": "/quotes"})
    assert answer.headers["Location"] == "/sign-in?next=/quotes"
    client.follow(answer)
    assert client.page.fields("sign-in")["email"] == "half typed"
    client.get("/sign-in?next=/quotes")
    assert client.page.fields("sign-in")["email"] == "", "it is shown once"


def test_enter_in_a_form_does_not_switch_the_language(client: PortalClient) -> None:
    """A browser presses the first button of the form, wherever in the page it stands."""
    client.get("/sign-in")
    assert client.page
    first = client.page.all("button", form="sign-in")[0]
    assert first.get("formaction") is None


@pytest.mark.parametrize("locale", ["xx", "EN", "en_GB", "\0"])
def test_an_unknown_language_is_404_and_changes_nothing(client: PortalClient, locale: str) -> None:
    client.get("/sign-in", headers={"Accept-Language": "de"})
    client.post(f"/languages/{locale}", status=404)
    client.get("/sign-in", headers={"Accept-Language": "de"})
    assert client.page
    assert 'lang="de"' in client.page.source[:60]


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "evil",
     "/a\nb", "", None, "/x" * 900, "http:///x", "/\t/evil.example"],
)  # fmt: skip
def test_only_paths_of_the_portal_are_gone_back_to(wanted: str | None) -> None:
    assert local_path(wanted, "/safe") == "/safe"


def test_a_form_without_csrf_token_is_refused_with_a_way_back(client: PortalClient) -> None:
    answer = client.post("/sign-in", {"email": "a@b.example"}, 403, csrf=False,
                         headers={"Referer": "http://localhost/sign-in", "Origin": "http://localhost"})  # fmt: skip
    assert client.page
    assert "/sign-in" in client.page.links()
    assert answer.headers["Cache-Control"] == "no-store"
    client.get("/sign-in")
    assert client.page.fields("sign-in")["email"] == "a@b.example", "what was typed is kept"
    client.get("/sign-in", headers={})
    client.post("/sign-in", {"email": "evil@b.example"}, 403, csrf=False,
                headers={"Referer": "http://localhost/sign-in", "Origin": "http://evil.example"})  # fmt: skip
    client.get("/sign-in")
    assert client.page.fields("sign-in")["email"] == "", "another site fills in nothing"


def test_ten_megabytes_are_413(client: PortalClient) -> None:
    client.get("/sign-in")
    client.post("/sign-in", {"email": "x" * 10_000_000}, 413)
    assert client.page
    assert client.page.all("h1")


@pytest.mark.parametrize(
    "path", ["/sign-in%00", "/sign-in?next=%00", "/sign-in/%00", "/sign-in/%ff%fe", "/%c0%ae",
             "/sessions?x=%00", "/quotes/99999999999999999999999", "/accounts/99999999999999999999"],
)  # fmt: skip
def test_nul_and_bytes_that_are_no_text_are_never_a_5xx(client: PortalClient, path: str) -> None:
    client.sign_in(ADMIN)
    assert 300 <= client.browser.get(path).status_code < 500


@pytest.mark.parametrize("typed", ["a\0@b.example", "a@b.example\0", "a\x07@b.example"])
def test_nul_in_a_form_is_422_with_the_form(client: PortalClient, typed: str) -> None:
    client.get("/sign-in")
    client.post("/sign-in", {"email": typed}, 422)
    assert client.page
    assert client.page.all("form", id="sign-in")
    assert client.page.all("a", href="#email"), "the summary links the field"
    assert client.page.title.startswith("Error:")


def test_bytes_that_are_no_text_in_a_form_are_422(client: PortalClient) -> None:
    client.get("/sign-in")
    parts = [("csrf_token", client.csrf_token().encode()), ("email", b"a\xff@b.example")]
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in parts
    )
    answer = client.browser.post(
        "/sign-in", data=body + b"--x--\r\n", content_type="multipart/form-data; boundary=x"
    )
    assert answer.status_code == 422


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 422, 429, 500, 503])
@pytest.mark.parametrize("signed", [True, False])
def test_every_error_has_a_page_and_a_fragment(
    client: PortalClient, failing: dict[str, BaseException], status: int, signed: bool
) -> None:
    if signed:
        client.sign_in(ADMIN)
    try:
        abort(status)
    except Exception as error:
        failing["with"] = error
    client.get("/sign-in/sent", status)
    assert client.page
    assert client.page.title.startswith(("Error:", "Errore:"))
    answer = client.get("/sign-in/sent", status, headers={"HX-Request": "true"})
    assert answer.headers["HX-Retarget"] == "#notices"
    assert "<html" not in answer.text


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (RuntimeError("secret detail"), 500),
        (OperationalError("secret statement", {}, Exception("database is locked")), 503),
        (DomainError("quote_expired"), 409),
    ],
)
def test_what_nobody_expected_is_a_page_without_a_trace(
    client: PortalClient, failing: dict[str, BaseException], cause: Exception, status: int
) -> None:
    failing["with"] = cause
    answer = client.get("/sign-in/sent", status)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["Content-Security-Policy"]


def test_a_lost_database_is_503_on_every_page(app: Flask, client: PortalClient) -> None:
    client.sign_in(ADMIN)

    def broken(*_arguments: object) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", broken)
    try:
        answer = client.get("/sessions", 503, headers={"Accept-Language": "en"})
        assert client.browser.get("/readyz").status_code == 503
        assert client.browser.get("/healthz").status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", broken)
    assert answer.headers["Retry-After"]


@pytest.fixture
def production(app: Flask, database: Database) -> Iterator[PortalClient]:
    """The same database behind a production app: limits and metrics on, no demo."""
    settings = replace(
        app.extensions["portal"].settings, mode=Mode.PRODUCTION, metrics_token="t" * 32
    )
    other = create_app(settings)
    yield PortalClient(other)
    limiter.reset()
    limiter.enabled = False
    with other.app_context():
        db.engine.dispose()


def test_too_many_attempts_are_429_with_when_to_try_again(production: PortalClient) -> None:
    production.get("/sign-in", headers={"Accept-Language": "en"})
    for _time in range(6):
        production.post("/sign-in", {"email": "nobody@nowhere.example"})
    answer = production.post("/sign-in", {"email": " Nobody@nowhere.example"}, 429,
                             headers={"Accept-Language": "en"})  # fmt: skip
    assert 0 < int(answer.headers["Retry-After"]) <= 600
    assert production.page
    assert "minute" in production.page.text()
    production.post("/sign-in", {"email": "somebody.else@nowhere.example"})


def test_metrics_need_their_token_and_the_demo_is_not_there(production: PortalClient) -> None:
    production.get("/sign-in")
    production.get("/metrics", 401)
    production.get("/metrics", 401, headers={"Authorization": "Bearer wrong"})
    answer = production.get("/metrics", headers={"Authorization": "Bearer " + "t" * 32})
    assert 'route="/sign-in"' in answer.text
    production.get("/demo", 404)


def test_the_log_holds_no_address_and_no_token(
    production: PortalClient, capsys: pytest.CaptureFixture[str]
) -> None:
    production.get("/sign-in/a-secret-token", 410)
    assert "a-secret-token" not in "".join(capsys.readouterr())


def test_a_member_sees_whom_to_ask(client: PortalClient, member: str) -> None:
    client.sign_in(member)
    client.get("/activity", 403)
    assert client.page
    assert any(link.startswith("mailto:") for link in client.page.links())


def test_the_navigation_shows_what_the_person_may_open(client: PortalClient, member: str) -> None:
    client.sign_in(ADMIN)
    client.get("/sessions")
    assert client.page
    nav = client.page.all("nav", class_="side")[0]
    everything = client.page.text(nav)
    client.sign_in(member)
    client.get("/sessions")
    assert len(client.page.text(client.page.all("nav", class_="side")[0])) < len(everything)


def test_a_get_of_the_shell_writes_nothing_and_reads_little(
    app: Flask, client: PortalClient
) -> None:
    client.sign_in(ADMIN)
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        if not statement.startswith(("BEGIN", "SAVEPOINT")):
            seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        for path, most in (("/sessions", 2), ("/accounts", 2), ("/languages", 1), ("/nope", 1)):
            seen.clear()
            client.get(path, 404 if path == "/nope" else 200)
            assert len(seen) <= most, seen
            assert all(s.lstrip().startswith("SELECT") for s in seen)
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_forced_language_inside_a_request_is_honoured(app: Flask) -> None:
    from flask_babel import force_locale

    from portal.web.locale import bind, speech

    with app.test_request_context("/"):
        bind("en")
        with force_locale("de"):
            assert speech().locale == "de"
        assert speech().locale == "en"


def test_french_elides_before_a_name_in_routes_and_in_templates(app: Flask) -> None:
    from flask import render_template_string
    from flask_babel import gettext, ngettext

    from portal.web.locale import bind

    said = "Billing periods of %(product)s"
    with app.test_request_context("/"):
        bind("fr")
        assert gettext(said, product="Insights") == "Périodes de facturation d’Insights"
        ends = (
            "Your trial of %(product)s ends in %(num)s day",
            "Your trial of %(product)s ends in %(num)s days",
        )
        assert ngettext(*ends, 3, product="Insights").startswith("Votre essai d’Insights ")
        page = "{{ _('" + said + "', product=name) }}{{ colon() }}"
        shown = render_template_string(page, name="Insights & <b>")
        assert shown == "Périodes de facturation d’Insights &amp; &lt;b&gt;\u00a0:"
        bind("en")
        assert render_template_string(page, name="Insights") == "Billing periods of Insights:"


def test_a_slash_at_the_end_leads_to_the_page(client: PortalClient) -> None:
    for path, there in (
        ("/sign-in/", "/sign-in"),
        ("/licences/?q=a%20b", "/licences?q=a%20b"),
        ("/sign-in/a%3Fb/", "/sign-in/a%3Fb"),
    ):
        answer = client.browser.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (308, there)
    assert client.browser.head("/sign-in/").status_code == 308


@pytest.mark.parametrize(
    "path",
    ["//evil.example/", "//evil.example/sign-in/", "/%2Fevil.example/", "/%5Cevil.example/",
     "/sign-in//", "/nowhere/", "/sign-out/"],
)  # fmt: skip
def test_a_slash_at_the_end_leads_nowhere_else(client: PortalClient, path: str) -> None:
    answer = client.browser.get("/", environ_overrides={"PATH_INFO": unquote(path)})
    assert "evil" not in answer.headers.get("Location", "")
    assert answer.status_code != 308 or answer.headers["Location"].startswith("http://localhost/")


def test_a_slash_at_the_end_of_a_post_is_404(client: PortalClient) -> None:
    client.post("/sign-in/", {"email": "a@b.example"}, 404)
