"""Settings: one clear line for every mistake, and no start in an unsafe state."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal.config import (
    DEMO_CATALOG,
    VIES_URL,
    ConfigMistakes,
    Mode,
    demo_settings,
    load_settings,
)

SECRET = "0f3a9c57b1e84d26a7c05e9183fb264d"
GOOD = {
    "DATABASE_URL": "postgresql://portal:pw@db.example/portal",
    "SECRET_KEY": SECRET,
    "PUBLIC_URL": "https://portal.example.com",
    "CATALOG_FILE": str(DEMO_CATALOG),
    "SMTP_HOST": "mail.example.com",
    "MAIL_FROM": "portal@example.com",
}


def mistakes(**changed: str | None) -> list[str]:
    environ = {**GOOD, **changed}
    with pytest.raises(ConfigMistakes) as found:
        load_settings({name: value for name, value in environ.items() if value is not None})
    return found.value.mistakes


def test_good_settings_are_taken() -> None:
    settings = load_settings({**GOOD, "TRUSTED_PROXIES": "1", "SMTP_SECURITY": "tls"})
    assert settings.mode is Mode.PRODUCTION
    assert settings.database_url == "postgresql+psycopg://portal:pw@db.example/portal"
    assert settings.secure_cookies
    assert (settings.trusted_proxies, settings.mail.port) == (1, 465)
    assert SECRET not in repr(settings)
    assert "pw@" not in repr(settings)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", VIES_URL),
        ("off", None),
        ("https://vies.example/rest/", "https://vies.example/rest"),
        ("http://127.0.0.1:8200", "http://127.0.0.1:8200"),
    ],
)
def test_I4_where_vat_numbers_are_asked_about(value: str, expected: str | None) -> None:
    assert load_settings({**GOOD, "VIES_URL": value}).vies_url == expected
    assert demo_settings({"VIES_URL": value}, SECRET).vies_url is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SECRET_KEY", None, "SECRET_KEY is missing"),
        ("SECRET_KEY", "short", "SECRET_KEY is weak"),
        ("SECRET_KEY", "a" * 64, "SECRET_KEY is weak"),
        ("SECRET_KEY", "changeme", "SECRET_KEY is weak"),
        ("FLASK_DEBUG", "1", "debug mode"),
        ("FLASK_DEBUG", "perhaps", "FLASK_DEBUG must be 1 or 0"),
        ("PORTAL_DEMO", "true", "PORTAL_DEMO is on"),
        ("DATABASE_URL", None, "DATABASE_URL is missing"),
        ("DATABASE_URL", "mysql://x", "DATABASE_URL must begin"),
        ("DATABASE_URL", "sqlite://", "DATABASE_URL must begin"),
        ("PUBLIC_URL", None, "PUBLIC_URL is missing"),
        ("PUBLIC_URL", "http://portal.example.com", "must use https"),
        ("PUBLIC_URL", "https://portal.example.com/app", "without a path"),
        ("PUBLIC_URL", "portal.example.com", "PUBLIC_URL must look like"),
        ("PUBLIC_URL", "https://[oops", "PUBLIC_URL must look like"),
        ("PUBLIC_URL", "https://x.example:99999", "PUBLIC_URL must look like"),
        ("VIES_URL", "http://vies.example", "VIES_URL must begin with https://"),
        ("VIES_URL", "no", "VIES_URL must begin with https://"),
        ("CATALOG_FILE", None, "CATALOG_FILE is missing"),
        ("CATALOG_FILE", "nowhere.toml", "names no file"),
        ("SMTP_HOST", None, "SMTP_HOST is missing"),
        ("SMTP_PORT", "0", "SMTP_PORT must be a number"),
        ("SMTP_PORT", "smtp", "SMTP_PORT must be a number"),
        ("SMTP_SECURITY", "ssl", "SMTP_SECURITY must be"),
        ("MAIL_FROM", "portal", "MAIL_FROM must be"),
        ("TRUSTED_PROXIES", "-1", "TRUSTED_PROXIES must be a number"),
        ("STRIPE_SECRET_KEY", "sk_test_1", "STRIPE_WEBHOOK_SECRET is missing"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1", "STRIPE_SECRET_KEY is missing"),
        ("STRIPE_API_BASE", "http://stripe.example", "STRIPE_API_BASE must begin with https://"),
        ("STRIPE_API_BASE", "http://127.0.0.1.evil.example", "STRIPE_API_BASE must begin"),
        ("STRIPE_API_BASE", "https://stripe.example/path", "have no path"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_clear_line(name: str, value: str | None, words: str) -> None:
    (line,) = mistakes(**{name: value})
    assert words in line
    assert "\n" not in line
    assert line.endswith(".")


def test_all_mistakes_are_told_at_once() -> None:
    assert len(mistakes(SECRET_KEY=None, DATABASE_URL=None, SMTP_HOST=None)) == 3


def test_a_mail_password_travels_protected() -> None:
    secret = {"SMTP_PASSWORD": "s3cret", "SMTP_SECURITY": "none"}
    for host in ("mail.example.com", "10.0.0.5", "localhost.example.com", "128.0.0.1"):
        (line,) = mistakes(**secret, SMTP_HOST=host)
        assert line == (
            "SMTP_SECURITY is none and there is an SMTP_PASSWORD: it would travel unprotected to "
            f"{host}; use starttls or tls."
        )
    for host in ("127.0.0.1", "localhost", "::1", "[::1]", "127.8.0.1"):
        assert load_settings({**GOOD, **secret, "SMTP_HOST": host}).mail.password == "s3cret"
    for more in ({"SMTP_SECURITY": "none"}, {"SMTP_PASSWORD": "s3cret"}):
        assert load_settings({**GOOD, **more}).mail.host == "mail.example.com"


def test_http_is_for_this_machine_alone() -> None:
    assert not load_settings({**GOOD, "PUBLIC_URL": "http://127.0.0.1:8000"}).secure_cookies


def test_the_demo_needs_nothing(tmp_path: Path) -> None:
    settings = demo_settings({"INSTANCE_PATH": str(tmp_path), "PORT": "8123"}, SECRET)
    assert settings.is_demo
    assert settings.database_url == f"sqlite:///{tmp_path / 'demo.db'}"
    assert settings.public_url == "http://127.0.0.1:8123"
    assert settings.catalog_file == DEMO_CATALOG


def test_the_demo_never_takes_the_customers_database(tmp_path: Path) -> None:
    environ = {"INSTANCE_PATH": str(tmp_path), "DATABASE_URL": "postgresql://db.example/portal"}
    assert demo_settings(environ, SECRET).database_url == f"sqlite:///{tmp_path / 'demo.db'}"
    environ["DEMO_DATABASE_URL"] = "postgresql://db.example/demo"
    assert demo_settings(environ, SECRET).database_url == "postgresql+psycopg://db.example/demo"


@pytest.mark.parametrize(
    ("name", "value"), [("SMTP_HOST", "mail.example"), ("PUBLIC_URL", "HTTPS://portal.example")]
)
def test_the_demo_does_not_start_with_the_settings_of_a_production_portal(
    name: str, value: str
) -> None:
    with pytest.raises(ConfigMistakes) as found:
        demo_settings({name: value}, SECRET)
    assert found.value.mistakes == [
        f"{name} is set as for a production portal: start the demo in a shell without it."
    ]
    assert demo_settings({"PUBLIC_URL": "http://localhost:8123"}, SECRET).public_url


STRIPE = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}


@pytest.mark.parametrize("base", ["http://127.0.0.1:9000", "http://localhost", "https://x.example"])
def test_stripe_and_where_it_is_reached(base: str) -> None:
    settings = load_settings({**GOOD, **STRIPE, "STRIPE_API_BASE": f"{base}/"})
    assert (settings.stripe_secret_key, settings.stripe_api_base) == ("sk_test_1", base)
    assert load_settings({**GOOD, **STRIPE}).stripe_api_base is None
    assert "sk_test_1" not in repr(settings)
    assert "whsec_1" not in repr(settings)


def test_the_demo_takes_keys_of_the_test_mode_alone() -> None:
    assert demo_settings(STRIPE, SECRET).stripe_secret_key == "sk_test_1"
    for key in ("sk_live_1", "rk_live_1", "secret"):
        with pytest.raises(ConfigMistakes, match="test mode"):
            demo_settings({**STRIPE, "STRIPE_SECRET_KEY": key}, SECRET)
