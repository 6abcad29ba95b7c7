"""One form for one address: who is written under it is found by it."""

from __future__ import annotations

import pytest

from portal.domain.email_addresses import known_email, normal_email
from portal.domain.errors import DomainError

SAME = ("jan@müller.example", " Jan@MÜLLER.example ", "JAN@xn--mller-kva.example",
        "jan@mu\u0308ller.example")  # fmt: skip
NONE = ("", "jan", "jan@", "@x.example", "jan@-.example", "a b@x.example")


@pytest.mark.parametrize("typed", SAME)
def test_an_address_has_one_form_however_it_is_written(typed: str) -> None:
    assert normal_email(typed) == "jan@müller.example"
    assert known_email(typed) == normal_email(normal_email(typed)) == normal_email(typed)


@pytest.mark.parametrize("typed", NONE)
def test_what_is_no_address_is_refused_and_looked_up_as_it_is(typed: str) -> None:
    with pytest.raises(DomainError, match="email_malformed"):
        normal_email(typed)
    assert known_email(f" {typed.upper()} ") == typed
