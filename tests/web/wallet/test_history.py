"""The history: narrowed by kind and by the account's own month, paged, with its file."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from io import StringIO
from itertools import pairwise

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import clock
from portal.db import transaction
from portal.models import CreditEntry
from portal.parts import Parts
from portal.queries import wallet as wallet_queries
from tests.support.buying import ATELIER, JONAS, KATRIN, LOTTE, account_named, speak
from tests.support.client import PortalClient
from tests.support.wallets import debit, fill, wallet_row

HERE = "/wallet/history"


def rows(client: PortalClient, query: str = "") -> list[list[str]]:
    """The table's rows, as they are read."""
    client.get(HERE + query)
    page = client.page
    assert page is not None
    found = []
    for row in page.root.iter():
        if str(row.tag).endswith("}tr"):
            cells = [page.text(cell) for cell in row if str(cell.tag).endswith("}td")]
            if cells:
                found.append(cells)
    return found


def file_of(client: PortalClient, query: str = "") -> list[list[str]]:
    answer = client.get(f"{HERE}.csv{query}")
    assert answer.mimetype == "text/csv"
    assert "wallet.csv" in answer.headers["Content-Disposition"]
    text = answer.get_data().decode("utf-8-sig")
    return list(csv.reader(StringIO(text)))


@pytest.fixture
def used(app: Flask, client: PortalClient, parts: Parts) -> PortalClient:
    """Katrin's company in Stuttgart: nothing before, then five entries around a month's end."""
    with app.app_context():
        clock.fix(datetime(2026, 9, 30, 21, 59, tzinfo=UTC))  # 23:59 in Berlin
        account_id = fill(100, "Müller & Söhne Werkzeugbau GmbH")
        debit(parts, account_id, 3, key="1", kind="letter")
        clock.fix(datetime(2026, 9, 30, 22, 0, tzinfo=UTC))  # October
        debit(parts, account_id, 5, key="2", kind="sms")
        debit(parts, account_id, 1, key="3", kind="sms")
        clock.fix(datetime(2026, 10, 29, 9, 0, tzinfo=UTC))
        debit(parts, account_id, 4, key="4", kind="data-lookup")
    speak(client, KATRIN, "en")
    client.sign_in(KATRIN)
    return client


def test_the_latest_comes_first_with_the_balance_after_it(used: PortalClient) -> None:
    assert [(cells[1], cells[3]) for cells in rows(used)] == [
        ("Company data lookup × 4", "74"),
        ("Text message", "82"),
        ("Text message × 5", "83"),
        ("Letter by post × 3", "88"),
        ("Correction", "100"),
    ]


@pytest.mark.parametrize(
    ("query", "balances"),
    [
        ("?kind=used", ["74", "82", "83", "88"]),
        ("?kind=used:sms", ["82", "83"]),
        ("?kind=added", ["100"]),
        ("?month=2026-09", ["88", "100"]),  # until midnight in Berlin
        ("?month=2026-10", ["74", "82", "83"]),
        ("?kind=used:sms&month=2026-09", []),
        ("?kind=used&month=2026-10", ["74", "82", "83"]),
        ("?month=2031-01", []),
    ],
)
def test_what_is_shown_and_what_is_in_the_file_are_narrowed_alike(
    used: PortalClient, query: str, balances: list[str]
) -> None:
    shown = rows(used, query)
    assert [cells[3] for cells in shown] == balances
    assert used.page is not None
    if shown:
        assert f"/wallet/history.csv{query.replace(':', '%3A')}" in [
            link.replace(":", "%3A") for link in used.page.links()
        ]
    else:
        assert "No entries" in used.page.text()
    assert [line[3] for line in file_of(used, query)[1:]] == balances
    chosen = used.page.fields()
    assert f"kind={chosen['kind']}" in query or not chosen["kind"]


def test_the_file_has_local_times_numbers_and_no_formulas(
    app: Flask, used: PortalClient, parts: Parts
) -> None:
    with app.app_context(), transaction() as session:
        account_id = account_named(session, "Müller & Söhne Werkzeugbau GmbH").id
        wallet = wallet_row(session, account_id)
        session.add(CreditEntry(wallet_id=wallet.id, at=clock.now(), change=50, balance_after=124,
                                reason="manual", note="=1+1"))  # fmt: skip
        wallet.balance = 124
    head, manual, latest, *_more = file_of(used)
    assert head == ["Date and time", "What", "Credits", "Balance", "Invoice", "Note", "By"]
    assert manual == [
        "2026-10-29 10:00:00+01:00",
        "Credits from Kanto",
        "50",
        "124",
        "",
        "'=1+1",
        "",
    ]
    assert latest[1:4] == ["Company data lookup × 4", "-8", "74"]


def test_a_long_file_is_read_in_pieces_and_whole(
    monkeypatch: pytest.MonkeyPatch, client: PortalClient
) -> None:
    client.sign_in(LOTTE)
    whole = file_of(client)
    monkeypatch.setattr(wallet_queries, "_CHUNK", 7)
    assert file_of(client) == whole
    assert len(whole) > 100
    balances = [(int(line[2]), int(line[3])) for line in whole[1:]]
    assert all(after - change == before for (change, after), (_, before) in pairwise(balances))


def test_pages_follow_each_other_and_keep_the_filter(client: PortalClient) -> None:
    client.sign_in(LOTTE)
    first = rows(client, "?kind=used")
    assert len(first) == 30
    assert client.page is not None
    assert "/wallet/history?page=2&kind=used" in client.page.links()
    second = rows(client, "?kind=used&page=2")
    assert len(second) == 30
    assert not {tuple(row) for row in first} & {tuple(row) for row in second}
    client.get(f"{HERE}?kind=used&page=99", 404)


@pytest.mark.parametrize(
    "query",
    ["?kind=stolen", "?kind=used:gone", "?month=2026-13", "?month=october", "?month=2026-1",
     "?month=0000-01", "?month=9999-12", "?page=0", "?page=-1", "?page=%D9%A3", "?page=1e3",
     "?kind=%00"],
)  # fmt: skip
def test_an_address_that_names_nothing_is_404(client: PortalClient, query: str) -> None:
    client.sign_in(LOTTE)
    client.get(HERE + query, 404)


def test_htmx_gets_the_list_alone(client: PortalClient) -> None:
    client.sign_in(LOTTE)
    answer = client.get(f"{HERE}?kind=used", headers={"HX-Request": "true"})
    text = answer.get_data(as_text=True)
    assert text.lstrip().startswith('<div class="stack" id="history">')


def test_the_entries_are_the_accounts_own(app: Flask, used: PortalClient) -> None:
    """Nothing of Lotte's company is in Katrin's list or file."""
    with app.app_context(), transaction() as session:
        mine = account_named(session, ATELIER)
        wallet = wallet_row(session, mine.id)
        foreign = session.scalar(
            select(CreditEntry.balance_after)
            .where(CreditEntry.wallet_id == wallet.id)
            .order_by(CreditEntry.id.desc())
            .limit(1)
        )
    assert len(rows(used)) == 5
    assert str(foreign) not in {line[3] for line in file_of(used)}


def test_a_members_file_names_no_invoices_and_nobody(client: PortalClient) -> None:
    speak(client, JONAS, "en")
    client.sign_in(JONAS)
    lines = file_of(client, "?kind=added")[1:]
    assert lines
    assert {(line[1], line[4], line[6]) for line in lines} == {("Credits bought", "", "")}
