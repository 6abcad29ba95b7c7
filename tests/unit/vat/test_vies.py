"""Asking VIES, against a server of the test's own: yes, no, and everything that is neither (I4)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from portal.app import _vat_register
from portal.config import Mode, demo_settings
from portal.vat import vies
from portal.vat.demo_register import DemoRegister
from portal.vat.no_register import NoRegister
from portal.vat.register import VatRegisterUnavailable
from portal.vat.vies import Vies
from tests.support.fake_vies import FakeVies

NUMBER = "EL094259216"


@pytest.fixture
def fake() -> Iterator[FakeVies]:
    with FakeVies() as server:
        yield server


def test_it_is_asked_with_the_country_apart(fake: FakeVies) -> None:
    fake.answers = {"valid": True}
    assert Vies(f"{fake.url}/").is_registered(NUMBER)
    [(path, question)] = fake.asked
    assert path == "/check-vat-number"
    assert question == {"countryCode": "EL", "vatNumber": "094259216"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"valid": True, "name": "---", "address": "---"}, True),
        ({"valid": False}, False),
        ({"valid": False, "userError": "INVALID"}, False),
        ({"valid": True, "userError": "VALID"}, True),
    ],
)
def test_a_plain_yes_or_no(fake: FakeVies, answer: dict[str, Any], expected: bool) -> None:
    fake.answers = answer
    assert Vies(fake.url).is_registered(NUMBER) is expected


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"valid": False, "userError": "MS_UNAVAILABLE"}),
        (200, {"valid": False, "userError": "MS_MAX_CONCURRENT_REQ"}),
        (200, {"actionSucceed": False, "errorWrappers": [{"error": "MS_UNAVAILABLE"}]}),
        (200, {"actionSucceed": False, "errorWrappers": []}),
        (200, {"errorWrappers": [{}], "valid": True}),
        (200, {"valid": "true"}),
        (200, {"valid": 1}),
        (200, {}),
        (200, []),
        (200, "yes"),
        (200, b"<html>maintenance</html>"),
        (200, b""),
        (200, b"\xff\xfe"),
        (200, b'{"valid": true'),
        (200, b'{"valid": true}' + b" " * 100_000 + b"x"),
        (400, {"actionSucceed": False, "errorWrappers": [{"error": "INVALID_INPUT"}]}),
        (500, {"valid": True}),
        (503, b"try later"),
        (302, {"valid": True}),
    ],
)
def test_I4_everything_else_is_no_answer(fake: FakeVies, status: int, answer: Any) -> None:
    fake.status = status
    fake.answers = answer
    with pytest.raises(VatRegisterUnavailable):
        Vies(fake.url).is_registered(NUMBER)


def test_it_says_which_register_did_not_answer(fake: FakeVies) -> None:
    fake.answers = {"valid": False, "userError": "MS_UNAVAILABLE"}
    with pytest.raises(VatRegisterUnavailable, match="MS_UNAVAILABLE"):
        Vies(fake.url).is_registered(NUMBER)


def test_nobody_waits_for_it_for_ever(fake: FakeVies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vies, "_READ_SECONDS", 0.2)
    release = threading.Event()
    fake.before = lambda: release.wait(5)
    began = time.monotonic()
    with pytest.raises(VatRegisterUnavailable, match="Timeout"):
        Vies(fake.url).is_registered(NUMBER)
    assert time.monotonic() - began < 3
    release.set()


def test_it_is_not_there_at_all(fake: FakeVies) -> None:
    url = fake.url
    fake.close()
    with pytest.raises(VatRegisterUnavailable):
        Vies(url).is_registered(NUMBER)


def test_the_answer_is_what_json_says_and_no_more() -> None:
    assert json.loads('{"valid": true}')["valid"] is True  # a bool, as the client demands
    assert Vies("https://vies.example/api//").base_url == "https://vies.example/api"


def test_the_others_that_may_stand_in_its_place() -> None:
    assert not NoRegister.is_on
    with pytest.raises(VatRegisterUnavailable):
        NoRegister().is_registered(NUMBER)
    demo = DemoRegister()
    assert demo.is_registered("DE136695976")
    assert not demo.is_registered("DE136695979")
    with pytest.raises(VatRegisterUnavailable):
        demo.is_registered("DE136695978")


@pytest.mark.parametrize(
    ("mode", "url", "expected"),
    [
        (Mode.PRODUCTION, "https://vies.example", Vies),
        (Mode.PRODUCTION, None, NoRegister),
        (Mode.TEST, None, NoRegister),
        (Mode.DEMO, "https://vies.example", DemoRegister),  # the demo asks nobody outside
    ],
)
def test_the_settings_choose_whom_to_ask(mode: Mode, url: str | None, expected: type) -> None:
    settings = replace(demo_settings({}, "secret"), mode=mode, vies_url=url)
    assert type(_vat_register(settings)) is expected
