"""Typed settings from the environment, checked at start with one clear line per mistake."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
LOCALES = ("en", "nl", "fr", "it", "de")
DEMO_CATALOG = ROOT / "portal" / "demo" / "catalog.toml"
VIES_URL = "https://ec.europa.eu/taxation_customs/vies/rest-api"

_WEAK_SECRETS = {"secret", "changeme", "change-me", "password", "dev", "development", "secretkey"}
_SECRET_LENGTH = 32
_Number = Callable[[str, int, int, int], int]  # name, default, lowest, highest
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


class Mode(StrEnum):
    """How the process runs: `production` for customers, `demo` to try it, `test` for the tests."""

    PRODUCTION = "production"
    DEMO = "demo"
    TEST = "test"


class ConfigMistakes(Exception):
    """The environment is not usable; `mistakes` has one plain English line for each reason."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class MailSettings:
    """SMTP server for outgoing e-mail; `sender` is the From address."""

    host: str = "127.0.0.1"
    port: int = 25
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    security: str = "none"  # none, starttls or tls
    sender: str = "portal@localhost"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the portal takes from its surroundings. Secrets do not show in its repr."""

    mode: Mode
    database_url: str = field(repr=False)
    secret_key: str = field(repr=False)
    catalog_file: Path
    public_url: str
    instance: Path
    mail: MailSettings = field(default_factory=MailSettings)
    stripe_secret_key: str | None = field(default=None, repr=False)
    stripe_webhook_secret: str | None = field(default=None, repr=False)
    stripe_api_base: str | None = None
    entitlement_secret: str | None = field(default=None, repr=False)
    vies_url: str | None = None
    rate_limit_storage: str = "memory://"
    trusted_proxies: int = 0
    metrics_token: str | None = field(default=None, repr=False)

    @property
    def is_demo(self) -> bool:
        return self.mode is Mode.DEMO

    @property
    def secure_cookies(self) -> bool:
        """Cookies are marked Secure wherever the portal is reached over https."""
        return self.public_url.startswith("https://")


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Settings for production out of `environ`; raises ConfigMistakes naming every mistake."""
    mistakes: list[str] = []

    def flag(name: str) -> bool:
        value = environ.get(name, "").strip().lower()
        if value not in _TRUE | _FALSE:
            mistakes.append(f"{name} must be 1 or 0, not {value!r}.")
        return value in _TRUE

    def number(name: str, default: int, lowest: int, highest: int) -> int:
        text = environ.get(name, "").strip() or str(default)
        if not re.fullmatch(r"[0-9]{1,6}", text) or not lowest <= int(text) <= highest:
            mistakes.append(f"{name} must be a number from {lowest} to {highest}, not {text!r}.")
            return default
        return int(text)

    if flag("FLASK_DEBUG"):
        mistakes.append("FLASK_DEBUG is on: the portal does not serve customers in debug mode.")
    if flag("PORTAL_DEMO"):
        mistakes.append(
            "PORTAL_DEMO is on: the demo is started with `make run`, never with wsgi:app."
        )

    database_url = _database_url(environ, mistakes)
    secret_key = _secret_key(environ, mistakes)
    public_url = _public_url(environ, mistakes)
    catalog_file = _catalog_file(environ, mistakes)
    mail = _mail(environ, number, mistakes)

    stripe_key, stripe_hook, stripe_api_base = _stripe(environ, mistakes)

    entitlement_secret = environ.get("ENTITLEMENT_SECRET", "").strip() or None
    if entitlement_secret is not None and _is_weak(entitlement_secret):
        mistakes.append(
            f"ENTITLEMENT_SECRET is weak: use at least {_SECRET_LENGTH} random characters."
        )

    vies_url = _vies_url(environ, mistakes)
    rate_limit_storage = _rate_limit_storage(environ, mistakes)
    trusted_proxies = number("TRUSTED_PROXIES", 0, 0, 5)
    if mistakes:
        raise ConfigMistakes(mistakes)
    return Settings(
        mode=Mode.PRODUCTION,
        database_url=database_url,
        secret_key=secret_key,
        catalog_file=catalog_file,
        public_url=public_url,
        instance=Path(environ.get("INSTANCE_PATH", "") or ROOT / "instance"),
        mail=mail,
        stripe_secret_key=stripe_key,
        stripe_webhook_secret=stripe_hook,
        stripe_api_base=stripe_api_base,
        entitlement_secret=entitlement_secret,
        vies_url=vies_url,
        rate_limit_storage=rate_limit_storage,
        trusted_proxies=trusted_proxies,
        metrics_token=environ.get("METRICS_TOKEN", "").strip() or None,
    )


def demo_settings(environ: Mapping[str, str], secret_key: str) -> Settings:
    """Settings of the demo: embedded SQLite, a mailbox in the browser, the demo gateway.

    With Stripe's two secrets it collects in Stripe's test mode instead; ConfigMistakes for a key
    that moves real money, and where the environment is that of a production portal. DATABASE_URL
    is never read: it is the customers', and the demo fills and empties what it is given.
    """
    mistakes: list[str] = []
    public_url = environ.get("PUBLIC_URL", "").strip()
    for name, is_real in (("SMTP_HOST", bool(environ.get("SMTP_HOST", "").strip())),
                          ("PUBLIC_URL", public_url.lower().startswith("https:"))):  # fmt: skip
        if is_real:
            mistakes.append(
                f"{name} is set as for a production portal: start the demo in a shell without it."
            )
    stripe_key, stripe_hook, stripe_api_base = _stripe(environ, mistakes)
    if stripe_key and not re.match(r"(sk|rk)_test_", stripe_key):
        mistakes.append("STRIPE_SECRET_KEY of the demo must be one of the test mode: sk_test_….")
    if mistakes:
        raise ConfigMistakes(mistakes)
    instance = Path(environ.get("INSTANCE_PATH", "") or ROOT / "instance")
    port = environ.get("PORT", "").strip() or "8000"
    embedded = f"sqlite:///{instance / 'demo.db'}"
    database_url = environ.get("DEMO_DATABASE_URL", "").strip() or embedded
    return Settings(
        mode=Mode.DEMO,
        database_url=_with_driver(database_url),
        secret_key=secret_key,
        catalog_file=Path(environ.get("CATALOG_FILE", "") or DEMO_CATALOG),
        public_url=public_url or f"http://127.0.0.1:{port}",
        instance=instance,
        mail=MailSettings(sender="portal@kanto.example"),
        stripe_secret_key=stripe_key,
        stripe_webhook_secret=stripe_hook,
        stripe_api_base=stripe_api_base,
    )


def _database_url(environ: Mapping[str, str], mistakes: list[str]) -> str:
    url = environ.get("DATABASE_URL", "").strip()
    if not url:
        mistakes.append(
            "DATABASE_URL is missing, for example postgresql://portal:…@db.example/portal."
        )
    elif not url.startswith(
        ("postgresql://", "postgres://", "postgresql+psycopg://", "sqlite:///")
    ):
        mistakes.append("DATABASE_URL must begin with postgresql:// or sqlite:///.")
    return _with_driver(url)


def _with_driver(url: str) -> str:
    """The same database, spoken to through psycopg 3."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)


def _is_weak(secret: str) -> bool:
    # "aaaa…" is long and still weak.
    return len(secret) < _SECRET_LENGTH or len(set(secret)) < 10 or secret.lower() in _WEAK_SECRETS


def _secret_key(environ: Mapping[str, str], mistakes: list[str]) -> str:
    secret = environ.get("SECRET_KEY", "").strip()
    if not secret:
        mistakes.append(
            "SECRET_KEY is missing: python3 -c 'import secrets; print(secrets.token_hex(32))'."
        )
    elif _is_weak(secret):
        mistakes.append(f"SECRET_KEY is weak: use at least {_SECRET_LENGTH} random characters.")
    return secret


def _public_url(environ: Mapping[str, str], mistakes: list[str]) -> str:
    url = environ.get("PUBLIC_URL", "").strip().rstrip("/")
    try:
        parts = urlsplit(url)
        _ = parts.port  # read here, as a wrong one is noticed only then
    except ValueError:
        mistakes.append("PUBLIC_URL must look like https://portal.example.com, without a path.")
        return url
    local = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if not url:
        mistakes.append(
            "PUBLIC_URL is missing: the address customers open, for example https://portal.example.com."
        )
    elif parts.scheme not in {"https", "http"} or not parts.hostname or parts.path:
        mistakes.append("PUBLIC_URL must look like https://portal.example.com, without a path.")
    elif parts.scheme == "http" and not local:
        mistakes.append("PUBLIC_URL must use https: links and cookies would travel unprotected.")
    return url


def _vies_url(environ: Mapping[str, str], mistakes: list[str]) -> str | None:
    """Where VAT numbers are asked about; None where the operator has switched it off."""
    url = environ.get("VIES_URL", "").strip().rstrip("/") or VIES_URL
    if url.lower() == "off":
        return None
    if not re.match(r"https://[^/\s]+|http://(127\.0\.0\.1|localhost)[:/]", url):
        mistakes.append("VIES_URL must begin with https:// (or be off, or be left out).")
    return url


def _stripe(
    environ: Mapping[str, str], mistakes: list[str]
) -> tuple[str | None, str | None, str | None]:
    """Stripe's secret key, its webhook secret, and another address of its API (for tests)."""
    key = environ.get("STRIPE_SECRET_KEY", "").strip() or None
    hook = environ.get("STRIPE_WEBHOOK_SECRET", "").strip() or None
    if bool(key) != bool(hook):
        missing = "STRIPE_WEBHOOK_SECRET" if key else "STRIPE_SECRET_KEY"
        mistakes.append(
            f"{missing} is missing: Stripe needs its secret key and its webhook secret."
        )
    base = environ.get("STRIPE_API_BASE", "").strip().rstrip("/") or None
    if base is not None and not re.fullmatch(
        r"https://[^/?#@\s]+|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", base
    ):
        mistakes.append(
            "STRIPE_API_BASE must begin with https:// and have no path (or be left out)."
        )
    return key, hook, base


def _rate_limit_storage(environ: Mapping[str, str], mistakes: list[str]) -> str:
    storage = environ.get("RATE_LIMIT_STORAGE", "").strip() or "memory://"
    if not storage.startswith(("memory://", "redis://", "rediss://")):
        mistakes.append("RATE_LIMIT_STORAGE must begin with redis:// (or be left out).")
    elif storage.startswith("redis") and find_spec("redis") is None:
        mistakes.append("RATE_LIMIT_STORAGE needs the package redis: pip install redis.")
    return storage


def _catalog_file(environ: Mapping[str, str], mistakes: list[str]) -> Path:
    text = environ.get("CATALOG_FILE", "").strip()
    if not text:
        mistakes.append("CATALOG_FILE is missing: the path of the vendor's catalogue (TOML).")
        return DEMO_CATALOG
    path = Path(text)
    if not path.is_file():
        mistakes.append(f"CATALOG_FILE names no file: {text}.")
    return path


def _mail(environ: Mapping[str, str], number: _Number, mistakes: list[str]) -> MailSettings:
    host = environ.get("SMTP_HOST", "").strip()
    sender = environ.get("MAIL_FROM", "").strip()
    security = environ.get("SMTP_SECURITY", "").strip().lower() or "starttls"
    if not host:
        mistakes.append("SMTP_HOST is missing: the server that sends the portal's e-mail.")
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", sender):
        mistakes.append("MAIL_FROM must be the e-mail address the portal sends from.")
    password = environ.get("SMTP_PASSWORD", "") or None
    if security not in {"none", "starttls", "tls"}:
        mistakes.append("SMTP_SECURITY must be none, starttls or tls.")
    elif security == "none" and password and not _is_this_machine(host):
        mistakes.append(
            "SMTP_SECURITY is none and there is an SMTP_PASSWORD: it would travel unprotected to "
            f"{host or 'the server'}; use starttls or tls."
        )
    return MailSettings(
        host=host,
        port=number("SMTP_PORT", 465 if security == "tls" else 587, 1, 65535),
        username=environ.get("SMTP_USERNAME", "").strip() or None,
        password=password,
        security=security,
        sender=sender,
    )


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
