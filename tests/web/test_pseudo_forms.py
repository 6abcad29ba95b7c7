"""Every form in the pseudo-locale: no label and no validator speaks English, whatever is typed."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from sys import modules
from typing import Any

import pytest
from flask import Flask
from wtforms import Field, SelectField
from wtforms.fields.core import UnboundField

from portal.web import locale
from portal.web.forms import UNREADABLE, PortalForm
from tests.support.pseudo import install, unexplained

# Nothing, far too much, nothing that can be read, and what fits no field of numbers or choices.
TYPED = ("", "x" * 6_000, UNREADABLE, "nonsense", "-1", "1.5", "a@b")


ASKED: dict[str, Any] = {"offered": (), "locale": "en"}  # by the forms that are made with more


def forms() -> list[type[PortalForm]]:
    """Every class of forms; those made while a page is shown are made of these."""
    found: list[type[PortalForm]] = []
    waiting = [PortalForm]
    while waiting:
        below = waiting.pop().__subclasses__()
        found += [
            form
            for form in below
            if getattr(modules.get(form.__module__), form.__name__, None) is form
        ]
        waiting += below
    return sorted(set(found), key=lambda form: (form.__module__, form.__qualname__))


@pytest.fixture
def pseudo_app(portal_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    install(monkeypatch)
    locale._catalogue.cache_clear()
    # What was looked up before, by requests and by whoever asked outside of one.
    with portal_app.app_context():
        for domain in (locale._sentences, portal_app.extensions["babel"].instance.domain_instance):
            monkeypatch.setattr(domain, "cache", {})
    yield portal_app
    locale._catalogue.cache_clear()


def names(kind: type[PortalForm]) -> list[str]:
    return [name for name in dir(kind) if isinstance(getattr(kind, name), UnboundField)]


def made(kind: type[PortalForm]) -> PortalForm:
    """The form with what the request brings; choices offer one that nobody typed."""
    wanted = [name for name in ASKED if name in signature(kind.__init__).parameters]
    form = kind(**{name: ASKED[name] for name in wanted})
    for field in form:
        if isinstance(field, SelectField) and field.choices is None:
            field.choices = [("1", "")]
    return form


def words_of(field: Field) -> Iterator[str]:
    yield str(field.label.text)
    yield from map(str, field.errors)


def test_no_form_speaks_english(pseudo_app: Flask) -> None:
    wrong: set[str] = set()
    errors = 0
    assert len(forms()) > 20
    for kind in forms():
        for typed in TYPED:
            data = dict.fromkeys(names(kind), typed)
            with pseudo_app.test_request_context("/", method="POST", data=data):
                form = made(kind)
                form.validate()
                errors += sum(len(field.errors) for field in form)
                for field in form:
                    # A field that no label names has its name for one; none of those is shown.
                    wrong |= {
                        f"{kind.__module__}.{kind.__qualname__}.{field.name}: {text}"
                        for text in words_of(field)
                        if text != field.label.text or not is_unnamed(field)
                        if unexplained(text)
                    }
    assert errors > 100
    assert not wrong, "\n".join(sorted(wrong))


def is_unnamed(field: Field) -> bool:
    """Whether the label is what WTForms makes of the field's name."""
    return bool(field.label.text == field.short_name.replace("_", " ").title())
