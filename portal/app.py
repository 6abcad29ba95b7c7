"""create_app(): the only place where the parts are put together."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from flask import Flask

from portal import models as models  # the tables must be known to the metadata
from portal.clock import clock
from portal.config import ROOT, ConfigMistakes, Mode, Settings, demo_settings, load_settings
from portal.db import engine_options, prepare_engine
from portal.domain.catalogue import Catalogue
from portal.domain.catalogue_file import CatalogueMistakes, parse_catalogue
from portal.extensions import LazyMigrate, babel, csrf, db, htmx, limiter, mail
from portal.mail.transport import MailTransport
from portal.parts import Parts
from portal.payments.gateway import Gateway
from portal.payments.time_limit import ANSWER_WITHIN, limited_to
from portal.vat.register import VatRegister

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

BODY_LIMIT = 1_000_000  # bytes; files have their own, larger limit where they are accepted


def create_app(settings: Settings | None = None) -> Flask:
    """The portal as a WSGI app; without `settings` it is configured from the environment."""
    from portal.web.templating import PortalEnvironment

    settings = settings or _settings_or_exit()
    app = Flask(
        "portal",
        static_folder=None,  # portal.web.static_files serves it under hashed addresses
        template_folder=str(ROOT / "templates"),
        instance_path=str(settings.instance.resolve()),
    )
    app.jinja_environment = PortalEnvironment
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url),
        SESSION_COOKIE_NAME="portal",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        MAX_CONTENT_LENGTH=BODY_LIMIT,
        MAX_FORM_MEMORY_SIZE=BODY_LIMIT,
        MAX_FORM_PARTS=2_000,
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its session: a slow reader is not punished
        WTF_CSRF_SSL_STRICT=False,
        RATELIMIT_STORAGE_URI=settings.rate_limit_storage,
        RATELIMIT_ENABLED=settings.mode is not Mode.TEST,
        RATELIMIT_HEADERS_ENABLED=True,
        BABEL_TRANSLATION_DIRECTORIES=str(ROOT / "translations"),
        MAIL_SERVER=settings.mail.host,
        MAIL_PORT=settings.mail.port,
        MAIL_USERNAME=settings.mail.username,
        MAIL_PASSWORD=settings.mail.password,
        MAIL_USE_TLS=settings.mail.security == "starttls",
        MAIL_USE_SSL=settings.mail.security == "tls",
        MAIL_DEFAULT_SENDER=settings.mail.sender,
        MAIL_TIMEOUT=20,
        TESTING=settings.mode is Mode.TEST,
        # Never on customers' screens; errors have pages of their own.
        TRAP_HTTP_EXCEPTIONS=False,
        PROPAGATE_EXCEPTIONS=False,
    )
    if settings.mode is Mode.DEMO:
        clock.shift_file = settings.instance / "demo-clock"

    if settings.database_url.startswith("sqlite"):  # a relative path is one in this folder
        settings.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
    LazyMigrate().init_app(app, ROOT / "portal" / "migrations")
    csrf.init_app(app)
    htmx.init_app(app)
    limiter.init_app(app)
    # There are no limits but those of single routes, which check themselves: not on every request.
    if limiter.enabled:
        app.before_request_funcs[None].remove(limiter._check_request_limit)
    mail.init_app(app)

    catalogue = read_catalogue(settings)
    _check_together(settings, catalogue)
    app.extensions["portal"] = Parts(
        settings=settings,
        clock=clock,
        catalogue=catalogue,
        gateway=_gateway(settings),
        mail=_mail_transport(settings),
        vat_register=_vat_register(settings),
    )

    from portal.web import install_web  # the pages import the extensions made above

    install_web(app, babel)
    app.wsgi_app = _in_time(app.wsgi_app)  # type: ignore[assignment, method-assign]
    return app


def _in_time(answer: WSGIApplication) -> WSGIApplication:
    """No answer, of a page or to a webhook, waits longer for the payment provider (M1)."""

    def limited(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with limited_to(ANSWER_WITHIN):
            return answer(environ, start_response)

    return limited


def create_demo_app() -> Flask:
    """The demo: embedded database, demo gateway, mailbox and clock; never for customers."""
    try:
        settings = demo_settings(os.environ, _demo_secret())
    except ConfigMistakes as error:
        _refuse(f"portal: {mistake}" for mistake in error.mistakes)
    return create_app(settings)


def read_catalogue(settings: Settings) -> Catalogue:
    """The vendor's catalogue; a mistake in it ends the start with every place named."""
    try:
        return parse_catalogue(settings.catalog_file.read_text(encoding="utf-8"))
    except CatalogueMistakes as error:
        _refuse(f"{settings.catalog_file.name}: {mistake}" for mistake in error.mistakes)


def _check_together(settings: Settings, catalogue: Catalogue) -> None:
    """What the environment and the catalogue only say together."""
    told = [product.key for product in catalogue.products if product.entitlement_url]
    if told and settings.entitlement_secret is None and settings.mode is Mode.PRODUCTION:
        lacking = "an entitlement_url, and what the portal tells it must be signed"
        _refuse([f"portal: ENTITLEMENT_SECRET is missing: {', '.join(told)} has {lacking}."])


def _settings_or_exit() -> Settings:
    try:
        return load_settings(os.environ)
    except ConfigMistakes as error:
        _refuse(f"portal: {mistake}" for mistake in error.mistakes)


def _refuse(lines: Iterable[str]) -> NoReturn:
    """End the start with one line per mistake.

    With 3 gunicorn's master ends as well, instead of starting worker after worker.
    """
    sys.stderr.writelines(f"{line}\n" for line in lines)
    raise SystemExit(3)


def _demo_secret() -> str:
    """A secret of this demo's own, made once, so that a restart keeps people signed in."""
    file = Path(os.environ.get("INSTANCE_PATH", "") or ROOT / "instance") / "demo-secret"
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32), encoding="ascii")
    return file.read_text(encoding="ascii").strip()


def _gateway(settings: Settings) -> Gateway:
    from portal.payments.demo_gateway import DemoGateway
    from portal.payments.no_gateway import NoGateway
    from portal.payments.stripe_gateway import StripeGateway

    if settings.stripe_secret_key and settings.stripe_webhook_secret:
        return StripeGateway(
            settings.stripe_secret_key,
            settings.stripe_webhook_secret,
            api_base=settings.stripe_api_base,
        )
    if settings.mode is Mode.PRODUCTION:
        return NoGateway()
    return DemoGateway(settings.public_url, settings.secret_key)


def _mail_transport(settings: Settings) -> MailTransport:
    from portal.mail.mailbox import DemoMailbox
    from portal.mail.smtp import SmtpTransport

    return DemoMailbox(settings.mail.sender) if settings.is_demo else SmtpTransport(settings.mail)


def _vat_register(settings: Settings) -> VatRegister:
    from portal.vat.demo_register import DemoRegister
    from portal.vat.no_register import NoRegister
    from portal.vat.vies import Vies

    if settings.is_demo:
        return DemoRegister()
    return Vies(settings.vies_url) if settings.vies_url is not None else NoRegister()
