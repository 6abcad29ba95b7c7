"""Transfers for tests: an open invoice of the customer who pays so, a statement of the bank."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from xml.sax.saxutils import escape

from sqlalchemy import select

from portal.bank.camt053 import read_statements
from portal.clock import clock
from portal.db import transaction
from portal.domain.money import Money
from portal.models import Invoice, Person, StaffMember
from portal.parts import Parts
from portal.queries.quotes import get_account_buying
from portal.services.audit import Actor
from portal.services.invoicing import DraftLine, issue_invoice
from portal.services.snapshots import buyer_snapshot
from portal.services.statement_import import Imported, import_statements
from portal.services.transfer_booking import Transfer, book_transfer, preview_transfer
from tests.support.buying import LUMIERE, account_named

__all__ = ["HUGO", "OPERATOR", "Line", "an_open_invoice", "camt", "eur", "imported", "staff",
           "transferred"]  # fmt: skip

HUGO = "hugo.peeters@kanto.example"  # serves the bank-transfer customer
OPERATOR = "greta.wouters@kanto.example"
VENDOR_IBAN = "BE68539007547034"


def eur(minor: int) -> Money:
    """Euro cents."""
    return Money(minor, "EUR")


def staff(email: str = HUGO) -> Actor:
    """One of the vendor's people as the one who acts."""
    with transaction() as session:
        person = session.scalars(select(Person).where(Person.email == email)).one()
        assert session.scalars(select(StaffMember).where(StaffMember.person_id == person.id)).one()
        return Actor("staff", person.name, person.id)


def transferred(parts: Parts, invoice: Invoice, minor: int | None = None) -> None:
    """An operator books what a customer has transferred today: all of the invoice, or so much."""
    actor, today = staff(OPERATOR), clock.today(parts.catalogue.vendor.time_zone)
    transfer = Transfer(
        Money(minor or invoice.gross_minor, invoice.currency), today, "as they wrote it"
    )
    where = (invoice.account_id, invoice.number, transfer)
    with transaction() as session:
        shown = preview_transfer(session, *where, today=today).key
        book_transfer(session, *where, shown=shown, catalogue=parts.catalogue, actor=actor,
                      now=clock.now())  # fmt: skip


def an_open_invoice(parts: Parts, net: int = 10_000, *, account: str = LUMIERE) -> Invoice:
    """An invoice that is due in 30 days, reverse charge: its gross is `net`."""
    with transaction() as session:
        row = account_named(session, account)
        return issue_invoice(
            session, account=row, catalogue=parts.catalogue, kind="service",
            lines=[DraftLine("service", "Training", None, 1, net, 0, None, None, None, None, net, "0")],
            net_minor=net, tax_minor=0,
            tax={"treatment": "reverse_charge", "rate_country": "", "rate": "0",
                 "groups": [{"rate": "0", "net_minor": net, "tax_minor": 0}]},
            buyer=buyer_snapshot(get_account_buying(session.connection(), row.id)),
            status="open", now=clock.now(), due_days=30,
        )  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One booking of a statement; `minor` below zero left the account."""

    minor: int
    reference: str = ""
    text: str = ""
    payer: str = "Lumière Conseil SAS"
    iban: str = "FR1420041010050500013M02606"
    on: date = date(2026, 10, 28)
    currency: str = "EUR"
    bank_ref: str = ""
    reversal: bool = False
    status: str = "BOOK"
    valued: date | None = None


def camt(*lines: Line, iban: str = VENDOR_IBAN, number: str = "212", version: str = "08") -> bytes:
    """A CAMT.053 file as a bank writes it."""
    nested = version != "02"
    entries = "".join(_entry(line, nested) for line in lines)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt>
<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-10-29T06:00:00</CreDtTm></GrpHdr>
<Stmt><Id>S-{number}</Id><LglSeqNb>{number}</LglSeqNb>
<Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>{entries}</Stmt>
</BkToCstmrStmt></Document>""".encode()


def imported(parts: Parts, *lines: Line, email: str = HUGO, **more: str) -> tuple[Imported, ...]:
    """A statement of `lines`, brought by one of the vendor's people."""
    actor = staff(email)
    with transaction() as session:
        return import_statements(session, read_statements(camt(*lines, **more)), file_name="a.xml",
                                 catalogue=parts.catalogue, actor=actor, now=clock.now())  # fmt: skip


def _entry(line: Line, nested: bool) -> str:
    amount = f'<Amt Ccy="{line.currency}">{Decimal(abs(line.minor)) / 100}</Amt>'
    side, other = ("DBIT", "Cdtr") if line.minor < 0 else ("CRDT", "Dbtr")
    structured = (
        f"<Strd><CdtrRefInf><Ref>{escape(line.reference)}</Ref></CdtrRefInf></Strd>"
        if line.reference
        else ""
    )
    words = f"<Ustrd>{escape(line.text)}</Ustrd>" if line.text else ""
    name = f"<Nm>{escape(line.payer)}</Nm>"
    party = f"<Pty>{name}</Pty>" if nested else name
    status = f"<Cd>{line.status}</Cd>" if nested else line.status
    ref = f"<AcctSvcrRef>{line.bank_ref}</AcctSvcrRef>" if line.bank_ref else ""
    reversal = "<RvslInd>true</RvslInd>" if line.reversal else ""
    valued = f"<ValDt><Dt>{line.valued.isoformat()}</Dt></ValDt>" if line.valued else ""
    return f"""<Ntry>{amount}<CdtDbtInd>{side}</CdtDbtInd>{reversal}<Sts>{status}</Sts>
<BookgDt><Dt>{line.on.isoformat()}</Dt></BookgDt>{valued}{ref}<NtryDtls><TxDtls>
<RltdPties><{other}>{party}</{other}><{other}Acct><Id><IBAN>{line.iban}</IBAN></Id></{other}Acct></RltdPties>
<RmtInf>{words}{structured}</RmtInf></TxDtls></NtryDtls></Ntry>"""
