"""CAMT.053 files: every version's entries, each with a key of its own; what is no statement is refused."""

from __future__ import annotations

from datetime import date

import pytest

from portal.bank import camt053
from portal.bank.camt053 import read_statements
from portal.domain.bank_statements import InvoiceToMatch, plan_matching
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.payment_references import find_references, reference_for
from tests.support.transfers import VENDOR_IBAN, Line, camt, eur


def refused(content: bytes) -> str:
    with pytest.raises(DomainError) as caught:
        read_statements(content)
    return caught.value.code


@pytest.mark.parametrize("version", ["02", "04", "08", "13"])
def test_the_entries_of_every_version_are_read(version: str) -> None:
    line = Line(121_00, "RF18539007547034", "Rechnung 12", bank_ref="B1")
    (statement,) = read_statements(camt(line, version=version))
    assert (statement.iban, statement.number, statement.currency) == (VENDOR_IBAN, "212", "EUR")
    (entry,) = statement.entries
    assert entry.amount == eur(12_100)
    assert entry.booked_on == date(2026, 10, 28)
    assert entry.payer_name == "Lumière Conseil SAS"
    assert entry.payer_iban == "FR1420041010050500013M02606"
    assert (entry.reference, entry.text) == ("RF18539007547034", "Rechnung 12")
    assert not entry.reversal


def test_the_value_date_is_read_beside_the_day_of_booking() -> None:
    both = Line(1, on=date(2026, 10, 28), valued=date(2026, 10, 26))
    booked, valued = read_statements(camt(both, Line(2, on=date(2026, 10, 28))))[0].entries
    assert (booked.booked_on, booked.valued_on) == (date(2026, 10, 28), date(2026, 10, 26))
    assert valued.valued_on is None
    without = camt(both).replace(b"<ValDt><Dt>2026-10-26</Dt></ValDt>", b"")
    assert read_statements(without)[0].entries[0].key == booked.key, "known by its older import"


def test_money_that_left_is_below_zero_and_names_whom_it_went_to() -> None:
    (entry,) = read_statements(camt(Line(-500, payer="Landlord")))[0].entries
    assert (entry.amount, entry.payer_name) == (eur(-500), "Landlord")


def test_a_currency_without_decimals_has_no_cents() -> None:
    text = camt(Line(100, currency="JPY")).replace(b">1<", b">1500<").replace(b">1.00<", b">1500<")
    (entry,) = read_statements(text)[0].entries
    assert entry.amount == Money(1500, "JPY")


def test_what_the_bank_has_not_booked_yet_is_left_out() -> None:
    (statement,) = read_statements(camt(Line(100), Line(200, status="PDNG")))
    assert [entry.amount for entry in statement.entries] == [eur(100)]


def test_a_reversal_is_marked() -> None:
    (entry,) = read_statements(camt(Line(100, reversal=True)))[0].entries
    assert entry.reversal


@pytest.mark.parametrize(
    ("told", "reversal"), [("true", True), ("1", True), (" 1 ", True), ("false", False), ("0", False)]
)  # fmt: skip
def test_a_reversal_is_an_xml_boolean(told: str, reversal: bool) -> None:
    text = camt(Line(100, reversal=True)).replace(b">true<", f">{told}<".encode())
    assert read_statements(text)[0].entries[0].reversal == reversal


@pytest.mark.parametrize("told", ["", "C", "crdt", "CREDIT", "1"])
def test_what_neither_came_nor_left_is_malformed(told: str) -> None:
    whole = camt(Line(100))
    other = f"<CdtDbtInd>{told}</CdtDbtInd>".encode()
    assert refused(whole.replace(b"<CdtDbtInd>CRDT</CdtDbtInd>", other)) == "statement_malformed"
    assert refused(whole.replace(b"<CdtDbtInd>CRDT</CdtDbtInd>", b"")) == "statement_malformed"


@pytest.mark.parametrize(
    ("told", "amounts"), [("", [100, 200]), ("<CdtDbtInd>DBIT</CdtDbtInd>", None),
                          ("<CdtDbtInd>CRDT</CdtDbtInd>", [100, 200]), ("<CdtDbtInd>X</CdtDbtInd>", [])],
)  # fmt: skip
def test_a_transaction_of_a_batch_may_leave_its_direction_to_the_batch(
    told: str, amounts: list[int] | None
) -> None:
    parts = f'<TxDtls><Amt Ccy="EUR">1</Amt>{told}</TxDtls><TxDtls><Amt Ccy="EUR">2</Amt></TxDtls>'
    head, tail = camt(Line(300)).decode().split("<TxDtls>")
    text = (head + parts + tail.split("</TxDtls>")[1]).encode()
    if amounts == []:
        assert refused(text) == "statement_malformed"
    else:
        found = [entry.amount.minor for entry in read_statements(text)[0].entries]
        assert found == (amounts or [300]), "what does not come to the whole is the whole"


def structured(*parts: str, line: Line | None = None) -> bytes:
    """A statement whose one payment holds these structured parts and no others."""
    given = "".join(f"<Strd>{part}</Strd>" for part in parts)
    whole = camt(line or Line(100, text="Rechnungen"))
    return whole.replace(b"</RmtInf>", f"{given}</RmtInf>".encode())


def creditor(reference: str) -> str:
    return f"<CdtrRefInf><Ref>{reference}</Ref></CdtrRefInf>"


def document(number: str) -> str:
    return (
        f"<RfrdDocInf><Tp><CdOrPrtry><Cd>CINV</Cd></CdOrPrtry></Tp><Nb>{number}</Nb></RfrdDocInf>"
    )


A, B, C = (reference_for(2026, sequence, "FR") for sequence in (412, 413, 414))


def test_every_structured_reference_is_read() -> None:
    (entry,) = read_statements(structured(creditor(A), creditor(B), creditor(A), creditor(C)))[
        0
    ].entries
    assert (entry.reference, entry.text) == (A, f"{B}, {C}, Rechnungen")
    assert find_references(entry.text) == (B, C)
    long = structured(creditor(A), creditor(B), line=Line(100, text="x" * 600))
    assert read_statements(long)[0].entries[0].text.startswith(f"{B}, xxx"), "the end is cut"


def test_the_number_of_an_invoice_that_is_paid_is_read() -> None:
    number = "KAN-2026-00412"
    content = structured(document(number) + document(" KAN-2026-00413 ") + creditor(A))
    (entry,) = read_statements(content)[0].entries
    assert (entry.reference, entry.text) == (A, f"{number}, KAN-2026-00413, Rechnungen")
    alone = read_statements(structured(document(number), line=Line(100)))[0].entries[0]
    (match,) = plan_matching([alone], [InvoiceToMatch(7, number, "", "open", eur(100), "")])
    assert match.suggestions == (7,)


def test_references_side_by_side_lend_each_other_no_digits() -> None:
    wrong = A[:-1]
    (entry,) = read_statements(structured(creditor(B), creditor(wrong), document(A[-1] + "7")))[
        0
    ].entries
    assert find_references(entry.text) == (wrong,)


def test_what_is_named_beside_the_reference_does_not_change_the_key() -> None:
    """Entries of imports that did not read it are known again."""
    one, more = (
        read_statements(structured(*parts))[0].entries[0]
        for parts in ((creditor(A),), (creditor(A) + document("KAN-2026-00412"), creditor(B)))
    )
    assert one.key == more.key


def several(*statements: bytes) -> bytes:
    """One file with the statements of all these."""
    head, tail = statements[0].split(b"<Stmt>")[0], b"</BkToCstmrStmt></Document>"
    return head + b"".join(b"<Stmt>" + each.split(b"<Stmt>")[1].split(tail)[0] for each in statements) + tail  # fmt: skip


def keys(content: bytes) -> list[list[str]]:
    return [[entry.key for entry in each.entries] for each in read_statements(content)]


def test_what_is_alike_is_numbered_through_the_whole_file() -> None:
    both = several(camt(Line(100), number="1"), camt(Line(100), Line(5), number="2"))
    (first,), (second, _five) = keys(both)
    assert first != second
    assert keys(both) == keys(both), "the same file has the same keys"
    assert keys(camt(Line(100), number="1")) == [[first]]
    without_ids = both.replace(b"<Id>S-1</Id>", b"").replace(b"<Id>S-2</Id>", b"")
    assert keys(without_ids) == keys(both)


def test_a_statement_that_is_in_the_file_twice_is_the_same() -> None:
    one, other = camt(Line(100), Line(100), number="1"), camt(Line(100), number="2")
    first, between, again = keys(several(one, other, one))
    assert again == first
    assert len({*first, *between}) == 3


def test_pages_of_a_statement_are_not_the_same() -> None:
    def page(number: int) -> bytes:
        pages = f"<Id>S-212</Id><StmtPgntn><PgNb>{number}</PgNb></StmtPgntn>"
        return camt(Line(100)).replace(b"<Id>S-212</Id>", pages.encode())

    (first,), (second,) = keys(several(page(1), page(2)))
    assert first != second


def test_the_same_file_has_the_same_keys_and_each_entry_its_own() -> None:
    lines = (Line(100, text="a"), Line(100, text="a"), Line(100, text="b"))
    first, second = (read_statements(camt(*lines))[0].entries for _ in range(2))
    assert [entry.key for entry in first] == [entry.key for entry in second]
    assert len({entry.key for entry in first}) == 3


def test_an_entry_has_the_same_key_in_another_statement() -> None:
    (alone,) = read_statements(camt(Line(100, text="a", bank_ref="X"), number="1"))[0].entries
    both = read_statements(camt(Line(5), Line(100, text="a", bank_ref="X"), number="2"))[0].entries
    assert alone.key == both[1].key


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "statement_malformed"),
        (b"not xml", "statement_malformed"),
        (b"\x00\xff\xfe", "statement_malformed"),
        (camt(Line(100))[:-40], "statement_malformed"),
        (b"<Document><BkToCstmrStmt/></Document>", "statement_malformed"),
        (b"<Document><CstmrCdtTrfInitn/></Document>", "statement_not_camt"),
        (b"<html/>", "statement_not_camt"),
        (camt(Line(100)).replace(b">1<", b">NaN<"), "statement_malformed"),
        (camt(Line(100)).replace(b">1<", b">-1<"), "statement_malformed"),
        (camt(Line(100)).replace(b">1<", b">0.001<"), "statement_malformed"),
        (camt(Line(100)).replace(b">1<", b">1e30<"), "statement_malformed"),
        (camt(Line(100)).replace(b">1<", b">1e999999<"), "statement_malformed"),
        (camt(Line(100)).replace(b"2026-10-28", b"yesterday"), "statement_malformed"),
        (camt(Line(100)).replace(b'Ccy="EUR"', b'Ccy="???"'), "statement_malformed"),
        (camt(Line(100)).replace(b"<IBAN>BE68", b"<Othr>BE68").replace(b"7034</IBAN>", b"7034</Othr>"),
         "statement_malformed"),
    ],
)  # fmt: skip
def test_what_is_no_statement_is_refused(content: bytes, code: str) -> None:
    assert refused(content) == code


def test_entities_are_refused() -> None:
    bomb = b"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>
<Document><BkToCstmrStmt><Stmt><Id>&b;</Id></Stmt></BkToCstmrStmt></Document>"""
    assert refused(bomb) == "statement_malformed"


def test_a_file_beyond_the_limits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(b" " * (camt053.MAXIMUM_BYTES + 1)) == "statement_too_large"
    monkeypatch.setattr(camt053, "MAXIMUM_ENTRIES", 2)
    assert len(read_statements(camt(Line(1), Line(2)))[0].entries) == 2
    assert refused(camt(Line(1), Line(2), Line(3))) == "statement_too_large"


def test_a_batch_is_its_transactions_where_the_bank_lists_their_amounts() -> None:
    text = camt(Line(300)).decode()
    head, tail = text.split("<NtryDtls>")
    _details, end = tail.split("</NtryDtls>")
    batch = head + "<NtryDtls>" + "".join(
        f'<TxDtls><Refs><EndToEndId>E{n}</EndToEndId></Refs><Amt Ccy="EUR">{n}</Amt></TxDtls>'
        for n in (1, 2)
    ) + "</NtryDtls>" + end  # fmt: skip
    assert [e.amount.minor for e in read_statements(batch.encode())[0].entries] == [100, 200]
    without = batch.replace('<Amt Ccy="EUR">2</Amt></TxDtls>', "</TxDtls>")
    assert [e.amount.minor for e in read_statements(without.encode())[0].entries] == [300]
    beyond = batch.replace('<Amt Ccy="EUR">2</Amt></TxDtls>', '<Amt Ccy="EUR">3</Amt></TxDtls>')
    foreign = batch.replace('<Amt Ccy="EUR">2</Amt></TxDtls>', '<Amt Ccy="USD">2</Amt></TxDtls>')
    for text in (beyond, foreign):  # no more is booked than has arrived
        assert [e.amount for e in read_statements(text.encode())[0].entries] == [eur(300)]


def test_a_tree_that_would_fill_the_memory_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(b"<a>" * 500 + b"</a>" * 500) == "statement_malformed"
    monkeypatch.setattr(camt053, "_MOST_ELEMENTS", 500)
    assert refused(camt(Line(1)).replace(b"<Ntry>", b"<a/>" * 500 + b"<Ntry>")) == (
        "statement_too_large"
    )
