"""VIES, the EU's register of VAT numbers, through its REST interface.

POST …/check-vat-number with `countryCode` and `vatNumber`. The answer has `valid`; where the
member state's own register does not answer, an error code such as MS_UNAVAILABLE stands beside or
instead of it, and `valid` then says nothing.
"""

from __future__ import annotations

import json
from typing import Any

from portal.vat.register import VatRegisterUnavailable

__all__ = ["Vies"]

_CONNECT_SECONDS, _READ_SECONDS = 3, 10
_LONGEST_ANSWER = 64_000  # bytes; a real one has some hundred
# What VIES says beside a plain yes or no; every other code means that it could not tell.
_ANSWERS = {"", "VALID", "INVALID"}


class Vies:
    """Asks VIES at `base_url`, which is in the settings so that tests have one of their own."""

    is_on = True

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")

    def is_registered(self, number: str) -> bool:
        """Whether VIES knows the number; VatRegisterUnavailable where it could not say."""
        answer = self._ask({"countryCode": number[:2], "vatNumber": number[2:]})
        code = _error_code(answer)
        valid = answer.get("valid")
        if code not in _ANSWERS or not isinstance(valid, bool):
            raise VatRegisterUnavailable(f"VIES: {code or 'no yes or no in its answer'}")
        return valid

    def _ask(self, question: dict[str, str]) -> dict[str, Any]:
        import requests
        from urllib3.exceptions import HTTPError

        try:
            with requests.post(
                f"{self.base_url}/check-vat-number",
                json=question,
                headers={"Accept": "application/json"},
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as answer:
                status = answer.status_code
                body = answer.raw.read(_LONGEST_ANSWER + 1, decode_content=True)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise VatRegisterUnavailable(f"VIES: {type(error).__name__}") from error
        if len(body) > _LONGEST_ANSWER:
            raise VatRegisterUnavailable("VIES: the answer is too long")
        if status != requests.codes.ok:
            raise VatRegisterUnavailable(f"VIES answered {status}")
        try:
            found = json.loads(body)
        except ValueError as error:
            raise VatRegisterUnavailable("VIES: the answer is not JSON") from error
        if not isinstance(found, dict):
            raise VatRegisterUnavailable("VIES: the answer is not an object")
        return found


def _error_code(answer: dict[str, Any]) -> str:
    """The code of an answer that tells of an error, in either of the forms that VIES uses."""
    wrappers = answer.get("errorWrappers")
    if isinstance(wrappers, list) and wrappers and isinstance(wrappers[0], dict):
        return str(wrappers[0].get("error") or "ERROR")[:60]
    if answer.get("actionSucceed") is False:
        return "ERROR"
    return str(answer.get("userError") or "")[:60]
