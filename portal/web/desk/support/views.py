"""What a service package is called, and what the vendor can say about one that was asked for."""

from __future__ import annotations

from flask_babel import gettext as _

from portal.domain.labels import service_label
from portal.domain.service_packages import RequestStatus, words_on
from portal.web.locale import speech
from portal.web.signed_in import parts

__all__ = ["done_sentence", "package_name", "words_open_to"]

_ORDER = (RequestStatus.CONFIRMED, RequestStatus.DONE, RequestStatus.DECLINED)


def package_name(key: str) -> str:
    """The package in the language of the page; its key where the catalogue has dropped it."""
    return service_label(parts().catalogue, key, speech().locale)


def words_open_to(status: str) -> list[RequestStatus]:
    """What the vendor can say now, the usual first."""
    can = words_on(status, by_vendor=True)
    return [word for word in _ORDER if word in can]


def done_sentence(word: RequestStatus) -> str:
    """What the desk hears after its word on a package."""
    if word is RequestStatus.CONFIRMED:
        return _("It is confirmed. The customer was told.")
    if word is RequestStatus.DONE:
        return _("It is delivered. The customer was told.")
    return _("It is declined. The customer was told.")
