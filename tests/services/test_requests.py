"""Change requests: sent once, seen to once, told to both sides, kept for the notice (S4, Q3)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.domain.offers import Offered
from portal.domain.requests import RequestKind
from portal.domain.wishes import Credits
from portal.models import (
    Account,
    AuditEvent,
    Invoice,
    Person,
    Quote,
    RequestMessage,
    ScheduledChange,
    StaffMember,
)
from portal.parts import Parts
from portal.services.executive_change import change_executive
from portal.services.quoting import decline_quote
from portal.services.requests import (
    mark_invoiced,
    request_activated,
    request_lapsed,
    request_paid_for_invoice,
)
from portal.services.writing_limit import MOST_IN_AN_HOUR
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CAMILLE,
    LOTTE,
    LUMIERE,
    account_named,
    actor_of,
    member_of,
    plan_item,
    row_counts,
)
from tests.support.desk import GRETA, HUGO, person_named
from tests.support.offers import accepted, offered
from tests.support.requests import act, asked_for, confirmed, request_of, say, statuses, withdrawn
from tests.support.support import mails_of

pytestmark = pytest.mark.usefixtures("app_context")
ANTOINE = "antoine.girard@lumiere-conseil.example"
NORA = "nora.claes@kanto.example"
RENEWAL = date(2027, 2, 2)
LAST_DAY = date(2027, 1, 18)  # 15 days before


def handed_over() -> None:
    """Somebody else is the customer's account executive now."""
    with transaction() as session:
        person = Person(email=NORA, name="Nora Claes", locale="nl", created_at=clock.now())
        session.add(person)
        session.flush()
        colleague = StaffMember(person_id=person.id, role="account_executive")
        session.add(colleague)
        session.flush()
        account = account_named(session, LUMIERE)
        change_executive(session, account.id, colleague.id,
                         actor=person_named(session, GRETA), now=clock.now())  # fmt: skip


def noon(on: date) -> datetime:
    return datetime(on.year, on.month, on.day, 12, tzinfo=ZoneInfo("Europe/Paris"))


def waits(session: Session) -> list[tuple[int | None, date]]:
    query = select(ScheduledChange.delta, ScheduledChange.effective_on).where(
        ScheduledChange.status == "waiting", ScheduledChange.asked_at >= NOW
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def actions(session: Session) -> list[str]:
    query = select(AuditEvent.action).where(
        AuditEvent.action.like("request_%"), AuditEvent.at >= NOW
    )
    return list(session.scalars(query.order_by(AuditEvent.id)))


def told(session: Session, topic: str) -> list[tuple[str, str, str]]:
    """Who was told what in which language."""
    return [
        (mail.recipient, mail.locale, mail.payload.get("status", mail.payload.get("happened", "")))
        for mail in mails_of(session, topic)
    ]


# --- sending -------------------------------------------------------------------------------------


def test_a_request_is_kept_and_told_to_both_sides_in_their_languages(
    parts: Parts, books: Session
) -> None:
    number = asked_for(parts, order="PO 7")
    request = request_of(books, number)
    assert (request.status, request.quantity, request.sent_on) == ("sent", 2, date(2026, 10, 29))
    assert (request.details, request.purchase_order) == ("We close a shop.", "PO 7")
    assert statuses(books, number) == ["sent"]
    assert actions(books) == ["request_sent"]
    hugo = books.scalar(text(f"select locale from person where email = '{HUGO}'"))
    assert told(books, "request_step") == [(CAMILLE, "fr", "sent")]
    assert told(books, "desk_request_step") == [(HUGO, hugo, "sent")]
    [mail] = mails_of(books, "desk_request_step")
    assert mail.payload["label"] == "Kanto CRM Enterprise"
    assert mail.payload["purchase_order"] == "PO 7"


def test_without_an_account_executive_the_support_address_is_told(
    parts: Parts, books: Session
) -> None:
    with transaction() as session:
        session.execute(update(Account).where(Account.name == LUMIERE)
                        .values(account_executive_id=None))  # fmt: skip
    asked_for(parts)
    assert told(books, "desk_request_step") == [("support@kanto.example", "fr", "sent")]


def test_Q4_a_button_pressed_twice_sends_one_request(parts: Parts, books: Session) -> None:
    first = asked_for(parts)
    assert asked_for(parts) == first
    assert asked_for(parts, quantity=3) != first
    assert asked_for(parts, email=ANTOINE) != first
    assert asked_for(parts, order="PO 77") != first  # the number that was forgotten at first
    assert len(mails_of(books, "desk_request_step")) == 4
    clock.fix(NOW + timedelta(minutes=11))
    assert asked_for(parts) != first


def test_whoever_pays_automatically_needs_no_request(parts: Parts, books: Session) -> None:
    before = row_counts(books)
    with pytest.raises(DomainError, match="requests_not_needed"):
        asked_for(parts, account=ATELIER, email=LOTTE)
    assert row_counts(books) == before


@pytest.mark.parametrize(
    ("kind", "quantity", "target", "code"),
    [
        (RequestKind.FEWER_SEATS, 9, "", "too_many_removed"),
        (RequestKind.FEWER_SEATS, 0, "", "quantity_too_small"),
        (RequestKind.MORE_SEATS, 100_000, "", "quantity_too_large"),
        (RequestKind.PLAN, None, "enterprise", "plan_not_chosen"),
        (RequestKind.PLAN, None, "gold", "plan_not_chosen"),
        (RequestKind.PERIOD, None, "year", "interval_not_chosen"),
        (RequestKind.PERIOD, None, "decade", "interval_not_chosen"),
    ],
)
def test_what_cannot_be_is_not_sent(
    parts: Parts, books: Session, kind: RequestKind, quantity: int | None, target: str, code: str
) -> None:
    before = row_counts(books)
    with pytest.raises(Rejected) as refused:
        asked_for(parts, kind, quantity, target=target)
    assert [problem.code for problem in refused.value.problems] == [code]
    assert row_counts(books) == before


def test_rule7_nobody_asks_for_licences_of_another_account(parts: Parts, books: Session) -> None:
    from portal.domain.requests import Wanted
    from portal.services.request_sending import send_request
    from tests.support.buying import actor_of

    with pytest.raises(DomainError, match="item_unknown"), transaction() as session:
        send_request(
            session, account_named(session, LUMIERE).id,
            Wanted(RequestKind.MORE_SEATS, plan_item(session, ATELIER).id, 1),
            catalogue=parts.catalogue, actor=actor_of(session, CAMILLE), now=NOW,
        )  # fmt: skip


def test_too_many_in_an_hour_are_refused(parts: Parts, books: Session) -> None:
    number = asked_for(parts)
    for at in range(MOST_IN_AN_HOUR - 1):
        say(parts, number, f"No {at}")
    with pytest.raises(DomainError, match="too_many_messages"):
        say(parts, number, "One more")
    with pytest.raises(DomainError, match="too_many_messages"):
        asked_for(parts, quantity=1)
    say(parts, number, "Slowly, please.", by=HUGO)  # the desk may always answer


# --- messages ------------------------------------------------------------------------------------


def test_a_message_goes_to_the_other_side_once(parts: Parts, books: Session) -> None:
    number = asked_for(parts)
    say(parts, number, "When?")
    say(parts, number, "When?")
    say(parts, number, "This week.", by=HUGO)
    of_request = select(func.count()).where(RequestMessage.request_id == number)
    assert books.scalar(of_request) == 2
    [to_desk] = mails_of(books, "desk_request_message")
    assert (to_desk.recipient, to_desk.payload["author_email"]) == (HUGO, CAMILLE)
    [to_customer] = mails_of(books, "request_answered")
    assert (to_customer.recipient, to_customer.locale) == (CAMILLE, "fr")
    assert to_customer.payload["author_email"] == HUGO
    assert actions(books)[1:] == ["request_replied", "request_answered"]


def test_rule7_whoever_serves_the_customer_no_more_reads_no_further(
    parts: Parts, books: Session
) -> None:
    """A request that an executive took, and a quote, go on with the colleague who came after."""
    number = asked_for(parts)
    act(parts, number, "take")
    open_quote = offered(parts)
    handed_over()
    say(parts, number, "Our rival offers more.")
    assert [mail.recipient for mail in mails_of(books, "desk_request_message")] == [NORA]
    with transaction() as session:
        decline_quote(session, account_named(session, LUMIERE).id, open_quote, reason="Too dear",
                      actor=actor_of(session, CAMILLE), now=clock.now())  # fmt: skip
    assert [mail.recipient for mail in mails_of(books, "quote_answered")] == [NORA]


def test_without_an_executive_the_operators_hear_what_became_of_a_quote(
    parts: Parts, books: Session
) -> None:
    open_quote = offered(parts)
    with transaction() as session:
        account_named(session, LUMIERE).account_executive_id = None
    accepted(parts, open_quote)
    assert [mail.recipient for mail in mails_of(books, "quote_answered")] == [GRETA]


def test_an_operator_who_took_it_reads_on(parts: Parts, books: Session) -> None:
    number = asked_for(parts)
    act(parts, number, "take", by=GRETA)
    handed_over()
    say(parts, number, "When?")
    readers = {mail.recipient for mail in mails_of(books, "desk_request_message")}
    assert readers == {NORA, GRETA}


@pytest.mark.parametrize("ends", ["declined", "withdrawn"])
def test_Q1_a_request_that_ends_takes_its_open_quote_with_it(
    parts: Parts, books: Session, ends: str
) -> None:
    number = asked_for(parts, RequestKind.MORE_SEATS, 3)
    other = offered(parts, [Offered(Credits("medium"))])  # answers no request
    quote_id = offered(parts, request_id=number)
    if ends == "declined":
        act(parts, number, "decline")
    else:
        withdrawn(parts, number)
    books.expire_all()
    assert [books.get_one(Quote, one).status for one in (quote_id, other)] == ["withdrawn", "open"]
    with pytest.raises(DomainError, match="quote_withdrawn"):
        accepted(parts, quote_id, shown="any")


@pytest.mark.parametrize(("typed", "printed"), [("", "PO 77"), ("PO 78", "PO 78")])
def test_the_purchase_order_of_the_request_stands_on_its_invoice(
    parts: Parts, books: Session, typed: str, printed: str
) -> None:
    number = asked_for(parts, RequestKind.MORE_SEATS, 3, order="PO 77")
    order_id = accepted(parts, offered(parts, request_id=number), purchase_order=typed)
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()
    assert invoice.buyer["purchase_order"] == printed


def test_who_may_ask_no_more_is_not_told_the_admins_are(parts: Parts, books: Session) -> None:
    number = asked_for(parts, email=ANTOINE)
    with transaction() as session:
        member_of(session, LUMIERE, ANTOINE).status = "deactivated"
    say(parts, number, "This week.", by=HUGO)
    assert [mail.recipient for mail in mails_of(books, "request_answered")] == [CAMILLE]


def test_rule5_what_was_said_and_done_stays(parts: Parts, books: Session) -> None:
    number = asked_for(parts)
    say(parts, number, "When?")
    for table in ("request_message", "request_step"):
        with pytest.raises(DatabaseError), transaction() as session:
            session.execute(text(f"delete from {table} where request_id = {number}"))


# --- the desk ------------------------------------------------------------------------------------


def test_taking_it_tells_the_customer_who_sees_to_it(parts: Parts, books: Session) -> None:
    number = asked_for(parts)
    act(parts, number, "take")
    request = request_of(books, number)
    assert (request.status, request.version) == ("preparing", 2)
    assert told(books, "request_step")[1:] == [(CAMILLE, "fr", "preparing")]
    assert len(told(books, "desk_request_step")) == 1, "who did it is not told of it"


def test_a_colleague_takes_it_over_and_the_first_is_told(parts: Parts, books: Session) -> None:
    number = asked_for(parts)
    act(parts, number, "take")
    act(parts, number, "take", by=GRETA)
    assert statuses(books, number) == ["sent", "preparing", "preparing"]
    assert [row[0] for row in told(books, "desk_request_step")] == [HUGO, HUGO]


@pytest.mark.parametrize("second", ["take", "decline"])
def test_two_at_once_the_second_sees_what_happened(
    parts: Parts, books: Session, second: str
) -> None:
    number = asked_for(parts)
    act(parts, number, "decline", version=1)
    before = row_counts(books)
    with pytest.raises(DomainError) as refused:
        act(parts, number, second, by=GRETA, version=1)
    assert refused.value.code == "request_overtaken"
    assert refused.value.data == {"by": "Hugo Peeters", "at": NOW}
    assert row_counts(books) == before


@pytest.mark.parametrize("what", ["take", "decline", "finish"])
def test_Q4_the_second_of_two_clicks_changes_nothing(
    parts: Parts, books: Session, what: str
) -> None:
    number = asked_for(parts, RequestKind.OTHER)
    act(parts, number, what, version=1)
    before = row_counts(books)
    act(parts, number, what, version=1)
    assert row_counts(books) == before


def test_a_customer_who_withdraws_comes_first_or_not_at_all(parts: Parts, books: Session) -> None:
    number = asked_for(parts)
    withdrawn(parts, number)
    with pytest.raises(DomainError, match="request_overtaken"):
        act(parts, number, "take", version=1)
    other = asked_for(parts, RequestKind.MORE_SEATS)
    act(parts, other, "decline")
    with pytest.raises(DomainError, match="request_overtaken"):
        withdrawn(parts, other, version=1)
    assert statuses(books, other) == ["sent", "declined"]


def test_declining_needs_a_reason_and_tells_it(parts: Parts, books: Session) -> None:
    number = asked_for(parts, RequestKind.MORE_SEATS)
    with pytest.raises(DomainError, match="reason_missing"):
        act(parts, number, "decline", reason="  ")
    act(parts, number, "decline", reason=" Not before March. ")
    [mail] = mails_of(books, "request_step")[1:]
    assert (mail.payload["status"], mail.payload["reason"]) == ("declined", "Not before March.")
    assert request_of(books, number).closed_at == NOW


# --- fewer licences, another plan, another period ------------------------------------------------


def test_S4_a_confirmed_reduction_waits_for_the_renewal(parts: Parts, books: Session) -> None:
    number = asked_for(parts)
    confirmed(parts, number)
    assert waits(books) == [(-2, RENEWAL)]
    request = request_of(books, number)
    assert (request.status, request.effective_on) == ("confirmed", RENEWAL)
    [mail] = mails_of(books, "request_step")[1:]
    assert mail.payload["effective_on"] == RENEWAL.isoformat()
    assert actions(books) == ["request_sent", "request_confirmed"]


def test_S4_the_day_the_request_was_sent_counts(parts: Parts, books: Session) -> None:
    clock.fix(noon(LAST_DAY))
    in_time = asked_for(parts)
    clock.fix(noon(LAST_DAY + timedelta(days=1)))
    too_late = asked_for(parts, quantity=1)
    clock.fix(noon(LAST_DAY + timedelta(days=9)))
    confirmed(parts, in_time)
    confirmed(parts, too_late)
    assert waits(books) == [(-2, RENEWAL), (-1, date(2028, 2, 2))]
    assert request_of(books, in_time).effective_on == RENEWAL
    assert request_of(books, too_late).effective_on == date(2028, 2, 2)


def test_S4_the_day_is_the_customers(parts: Parts, books: Session) -> None:
    """Half past midnight in Paris is the day after the last one, though UTC is still on it."""
    clock.fix(datetime(2027, 1, 19, 0, 30, tzinfo=ZoneInfo("Europe/Paris")))
    number = asked_for(parts)
    assert request_of(books, number).sent_on == LAST_DAY + timedelta(days=1)
    confirmed(parts, number)
    assert waits(books) == [(-2, date(2028, 2, 2))]


def test_a_reduction_confirmed_by_two_waits_once(parts: Parts, books: Session) -> None:
    number = asked_for(parts)
    with transaction() as session:
        request_of(session, number)
    confirmed(parts, number, version=1)
    confirmed(parts, number, version=1, shown="whatever")  # the same person's second click
    with pytest.raises(DomainError, match="request_overtaken"):
        confirmed(parts, number, by=GRETA, version=1, shown="whatever")
    assert waits(books) == [(-2, RENEWAL)]


def test_what_was_not_shown_is_not_confirmed(parts: Parts, books: Session) -> None:
    number = asked_for(parts)
    before = row_counts(books)
    with pytest.raises(DomainError, match="change_differs"):
        confirmed(parts, number, shown="9-2027-02-02.7.1")
    assert row_counts(books) == before
    assert request_of(books, number).status == "sent"


@pytest.mark.parametrize(
    ("kind", "target", "stored"),
    [(RequestKind.PLAN, "pro", "plan"), (RequestKind.PERIOD, "month", "interval")],
)
def test_S4_another_plan_or_period_waits_with_the_day_of_sending(
    parts: Parts, books: Session, kind: RequestKind, target: str, stored: str
) -> None:
    from portal.domain.changes import plan_period_change, plan_plan_change
    from portal.domain.periods import Interval
    from portal.queries.prices import get_price_book
    from portal.queries.subscriptions import list_subscription_states

    clock.fix(noon(LAST_DAY))
    number = asked_for(parts, kind, target=target)
    clock.fix(noon(LAST_DAY + timedelta(days=5)))
    with transaction() as session:
        request = request_of(session, number)
        states = list_subscription_states(session.connection(), request.account_id)
        state = next(s for s in states if s.item(request.item_id) is not None)
        book = get_price_book(session.connection(), "EUR")
        if kind is RequestKind.PLAN:
            key = plan_plan_change(state, target, book, LAST_DAY, 15).key
        else:
            key = plan_period_change(state, Interval(target), book, LAST_DAY, 15).key
    confirmed(parts, number, shown=key)
    [change] = books.scalars(
        select(ScheduledChange).where(ScheduledChange.kind == kind.value,
                                      ScheduledChange.status == "waiting")
    )  # fmt: skip
    assert (change.effective_on, (change.target or {})[stored]) == (RENEWAL, target)


# --- what is bought ------------------------------------------------------------------------------


def any_invoice(session: Session) -> Invoice:
    query = select(Invoice).where(Invoice.account_id == account_named(session, LUMIERE).id)
    return session.scalars(query.order_by(Invoice.id.desc()).limit(1)).one()


def invoiced(parts: Parts, number: int) -> None:
    with transaction() as session:
        mark_invoiced(session, number, any_invoice(session).id, catalogue=parts.catalogue,
                      actor=person_named(session, HUGO), now=clock.now())  # fmt: skip


def test_Q3_invoice_money_licences_one_after_the_other(parts: Parts, books: Session) -> None:
    number = asked_for(parts, RequestKind.MORE_SEATS)
    invoiced(parts, number)
    with transaction() as session:
        request_paid_for_invoice(
            session, any_invoice(session), catalogue=parts.catalogue, now=clock.now()
        )
        request_paid_for_invoice(
            session, any_invoice(session), catalogue=parts.catalogue, now=clock.now()
        )
        request_activated(session, any_invoice(session), catalogue=parts.catalogue, now=clock.now())
        request_activated(session, any_invoice(session), catalogue=parts.catalogue, now=clock.now())
    assert statuses(books, number) == ["sent", "invoiced", "paid", "done"]
    assert request_of(books, number).closed_at == NOW
    assert [row[2] for row in told(books, "desk_request_step")] == ["sent", "paid", "done"]
    steps = mails_of(books, "request_step")
    assert [mail.payload["status"] for mail in steps] == ["sent", "invoiced"]
    assert steps[1].payload["label"] == steps[0].payload["label"] != ""  # of which product


def test_who_asked_in_words_hears_that_it_is_done(parts: Parts, books: Session) -> None:
    number = asked_for(parts, RequestKind.OTHER)
    invoiced(parts, number)
    with transaction() as session:
        request_activated(session, any_invoice(session), catalogue=parts.catalogue, now=clock.now())
    assert [row[2] for row in told(books, "request_step")] == ["sent", "invoiced", "done"]


def test_Q3_granted_early_the_money_is_noted_when_it_comes(parts: Parts, books: Session) -> None:
    number = asked_for(parts, RequestKind.MORE_SEATS)
    invoiced(parts, number)
    with transaction() as session:
        invoice = any_invoice(session)
        invoice.status = "open"
        request_activated(
            session,
            invoice,
            catalogue=parts.catalogue,
            now=clock.now(),
            actor=person_named(session, HUGO),
        )
    assert statuses(books, number) == ["sent", "invoiced", "done"]
    with transaction() as session:
        for _ in range(2):
            request_paid_for_invoice(
                session, any_invoice(session), catalogue=parts.catalogue, now=clock.now()
            )
    assert statuses(books, number) == ["sent", "invoiced", "done", "paid"]
    assert request_of(books, number).status == "done"


def test_Q3_a_lapsed_invoice_leads_back_to_the_desk(parts: Parts, books: Session) -> None:
    number = asked_for(parts, RequestKind.MORE_SEATS)
    invoiced(parts, number)
    with transaction() as session:
        request_lapsed(session, any_invoice(session), catalogue=parts.catalogue, now=clock.now())
        assert (
            request_lapsed(
                session, any_invoice(session), catalogue=parts.catalogue, now=clock.now()
            )
            is None
        )
    request = request_of(books, number)
    assert (request.status, request.invoice_id) == ("preparing", None)
    assert told(books, "desk_request_step")[-1][2] == "lapsed"
    assert told(books, "request_step")[-1] == (CAMILLE, "fr", "lapsed")
    withdrawn(parts, number)
    assert statuses(books, number)[-1] == "withdrawn"


def test_an_invoice_without_a_request_tells_nobody(parts: Parts, books: Session) -> None:
    before = row_counts(books)
    with transaction() as session:
        request_paid_for_invoice(
            session, any_invoice(session), catalogue=parts.catalogue, now=clock.now()
        )
        request_activated(session, any_invoice(session), catalogue=parts.catalogue, now=clock.now())
    assert row_counts(books) == before
