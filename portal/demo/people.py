"""The people of the demo: whom the demo's sign-in page offers, and many more."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from portal.demo.plans import MemberPlan

__all__ = ["DEMO_PEOPLE", "OFFICINE_MEMBERS", "STAFF", "DemoPerson", "DemoStaff"]


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Someone to sign in as. `account` is a company name, empty for the vendor's staff.

    `role` is admin, billing_admin, member, account_executive or operator; `shows` says in the
    reader's language what there is to see.
    """

    email: str
    name: str
    account: str
    role: str
    shows: LazyString


DEMO_PEOPLE = (
    DemoPerson(
        "lotte.verbeke@atelier-noordzee.example",
        "Lotte Verbeke",
        "Atelier Noordzee BV",
        "admin",
        _l("Quarterly CRM plan with add-ons, 12 licences of which 10 are used, paid by card."),
    ),
    DemoPerson(
        "pieter.claes@atelier-noordzee.example",
        "Pieter Claes",
        "Atelier Noordzee BV",
        "admin",
        _l("The same company, in Dutch."),
    ),
    DemoPerson(
        "jonas.wittevrongel@atelier-noordzee.example",
        "Jonas Wittevrongel",
        "Atelier Noordzee BV",
        "member",
        _l("A member: sees the licences and whom to ask, and changes nothing."),
    ),
    DemoPerson(
        "sofie.maes@boekhoud-maes.example",
        "Sofie Maes",
        "Atelier Noordzee BV, Lumière Conseil SAS",
        "billing_admin",
        _l("A bookkeeper who belongs to two companies and switches between them."),
    ),
    DemoPerson(
        "katrin.mueller@mueller-soehne.example",
        "Katrin Müller",
        "Müller & Söhne Werkzeugbau GmbH",
        "admin",
        _l("Monthly plan that renews in 9 days, paid by SEPA direct debit."),
    ),
    DemoPerson(
        "camille.roussel@lumiere-conseil.example",
        "Camille Roussel",
        "Lumière Conseil SAS",
        "admin",
        _l("Yearly plan, paid by bank transfer, with an account executive."),
    ),
    DemoPerson(
        "giulia.ferrante@officine-valdarno.example",
        "Giulia Ferrante",
        "Officine Valdarno S.p.A.",
        "admin",
        _l(
            "Five products, one of them with extra support, more than 60 people, and an open quote."
        ),
    ),
    DemoPerson(
        "amelia.hart@brightwater.example",  # codespell:ignore hart
        "Amelia Hart",  # codespell:ignore hart
        "Brightwater Studio Ltd",
        "admin",
        _l("A trial with 6 days left."),
    ),
    DemoPerson(
        "sanne.dijkstra@de-ketting.example",
        "Sanne Dijkstra",
        "Rijwielhandel De Ketting V.O.F.",
        "admin",
        _l("A trial that is over: it can only be read, and still be bought."),
    ),
    DemoPerson(
        "hugo.peeters@kanto.example",
        "Hugo Peeters",
        "",
        "account_executive",
        _l("The vendor’s account executive, at the desk."),
    ),
    DemoPerson(
        "greta.wouters@kanto.example",
        "Greta Wouters",
        "",
        "operator",
        _l("The vendor’s operator, who sees all accounts."),
    ),
)


@dataclass(frozen=True, slots=True)
class DemoStaff:
    """One of the vendor's people."""

    name: str
    email: str
    locale: str
    role: str
    phone: str
    hours: tuple[tuple[str, str], ...]


STAFF = (
    DemoStaff(
        "Hugo Peeters",
        "hugo.peeters@kanto.example",
        "nl",
        "account_executive",
        "+32 59 00 01 45",
        (
            ("en", "Monday to Thursday, 9:00 to 17:00"),
            ("nl", "Maandag tot en met donderdag, van 9 tot 17 uur"),
            ("fr", "Du lundi au jeudi, de 9 h à 17 h"),
            ("it", "Dal lunedì al giovedì, 9–17"),
            ("de", "Montag bis Donnerstag, 9 bis 17 Uhr"),
        ),
    ),
    DemoStaff(
        "Greta Wouters",
        "greta.wouters@kanto.example",
        "en",
        "operator",
        "+32 59 00 01 40",
        (
            ("en", "Monday to Friday, 8:30 to 17:30"),
            ("nl", "Maandag tot en met vrijdag, van 8.30 tot 17.30 uur"),
            ("fr", "Du lundi au vendredi, de 8 h 30 à 17 h 30"),
            ("it", "Dal lunedì al venerdì, 8.30–17.30"),
            ("de", "Montag bis Freitag, 8:30 bis 17:30 Uhr"),
        ),
    ),
)

_FIRST = (
    "Marco", "Elena", "Luca", "Chiara", "Andrea", "Sara", "Davide", "Martina", "Paolo", "Valentina",
    "Simone", "Federica", "Niccolò", "Alessia", "Tommaso", "Ilaria", "Riccardo", "Beatrice", "Pietro",
    "Silvia",
)  # fmt: skip
_LAST = ("Bianchini", "Corsi", "Della Casa", "Fiorini", "Galletti", "Landucci", "Morandi")


def _address(name: str, domain: str) -> str:
    plain = unicodedata.normalize("NFD", name).encode("ascii", "ignore").decode().lower()
    first, _, last = plain.partition(" ")
    return f"{first}.{last.replace(' ', '')}@{domain}"


def _officine() -> tuple[MemberPlan, ...]:
    domain = "officine-valdarno.example"
    known = (
        MemberPlan("Giulia Ferrante", f"giulia.ferrante@{domain}", "it", "admin", 620),
        MemberPlan("Matteo Renzini", f"matteo.renzini@{domain}", "it", "admin", 620),
        MemberPlan("Francesca Lodi", f"francesca.lodi@{domain}", "it", "billing_admin", 619),
    )
    names = [f"{_FIRST[n % 20]} {_LAST[n % 7]}" for n in range(63)]
    others = tuple(
        MemberPlan(name, _address(name, domain), "it", days_ago=615 - 9 * n,
                   status="deactivated" if n == 61 else "invited" if n == 62 else "active")
        for n, name in enumerate(names)
    )  # fmt: skip
    return known + others


OFFICINE_MEMBERS = _officine()
