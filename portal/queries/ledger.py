"""What must agree in the books, as statements that return only what does not.

Each gives rows of (subject, expected, found, currency): whole sets are compared in the database,
so a hundred thousand invoices are a few statements. Amounts are minor units; without a currency
the numbers count things.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import TextClause, func, select, text
from sqlalchemy.engine import Connection

from portal.db import fetch_first
from portal.models import DeskTask

__all__ = ["CHECKS", "REPORTED", "count_reported", "find_differences"]

REPORTED = "charge_differs"
"""The desk task of a charge that the nightly reconciliation could not bring in line."""
_COUNT_REPORTED = (
    select(func.count())
    .select_from(DeskTask)
    .where(DeskTask.kind == REPORTED, DeskTask.done_at.is_(None))
)

_INVOICE = "'invoice ' || i.number || ' (id ' || i.id || ')'"
_PAYMENT = "'payment ' || p.id || ' (account ' || p.account_id || ')'"
_ORDER = "'order ' || o.number || ' (id ' || o.id || ')'"
_TOP_UP = "'top-up ' || t.id || ' (wallet ' || t.wallet_id || ') is ' || t.status"
_ITEM = "'item ' || it.id || ' (subscription ' || it.subscription_id || ')'"

# What arrived for each invoice: payments without what was too much of them, and balance used.
_PAID = """
    SELECT p.invoice_id AS id, p.amount_minor - coalesce(kept.minor, 0) AS minor
    FROM payment p LEFT JOIN (SELECT payment_id AS id, sum(amount_minor) AS minor
                              FROM account_balance GROUP BY payment_id) kept ON kept.id = p.id
    WHERE p.status = 'succeeded' AND p.invoice_id IS NOT NULL
    UNION ALL
    SELECT invoice_id, -amount_minor FROM account_balance
    WHERE reason = 'used' AND invoice_id IS NOT NULL
"""
_GIVEN_BACK = """
    SELECT n.invoice_id AS id, r.amount_minor AS minor
    FROM refund r JOIN credit_note n ON n.id = r.credit_note_id WHERE r.status <> 'failed'
    UNION ALL
    SELECT n.invoice_id, b.amount_minor
    FROM account_balance b JOIN credit_note n ON n.id = b.credit_note_id
    WHERE b.reason = 'credit_note'
"""


def _numbers(series: str, table: str) -> TextClause:
    """No number is missing, none is beyond the series' last (I2)."""
    return text(f"""
        SELECT '{series} numbers of ' || coalesce(d.year, s.year), coalesce(s.last, 0),
               coalesce(d.many, 0), NULL
        FROM (SELECT year, count(*) AS many, min(sequence) AS first, max(sequence) AS last
              FROM {table} WHERE series = '{series}' GROUP BY year) d
        FULL JOIN (SELECT year, last FROM number_series WHERE series = '{series}') s
          ON s.year = d.year
        WHERE coalesce(d.many, 0) <> coalesce(s.last, 0)
           OR coalesce(d.last, 0) <> coalesce(s.last, 0) OR d.first <> 1
    """)  # noqa: S608  # our own names


CHECKS: Mapping[str, TextClause] = {
    # --- invoices and credit notes -------------------------------------------------------------
    "invoice_lines": text(f"""
        SELECT {_INVOICE}, i.net_minor, coalesce(l.net, 0), i.currency
        FROM invoice i
        LEFT JOIN (SELECT invoice_id, sum(net_minor) AS net FROM invoice_line GROUP BY invoice_id) l
          ON l.invoice_id = i.id
        WHERE i.net_minor <> coalesce(l.net, 0) OR i.gross_minor <> i.net_minor + i.tax_minor
    """),  # noqa: S608
    "invoice_numbers": _numbers("invoice", "invoice"),
    "credit_note_numbers": _numbers("credit_note", "credit_note"),
    "invoice_credited": text(f"""
        SELECT {_INVOICE}, coalesce(n.gross, 0), i.credited_minor, i.currency
        FROM invoice i
        LEFT JOIN (SELECT invoice_id, sum(gross_minor) AS gross FROM credit_note
                   GROUP BY invoice_id) n ON n.invoice_id = i.id
        WHERE i.credited_minor <> coalesce(n.gross, 0) OR coalesce(n.gross, 0) > i.gross_minor
    """),  # noqa: S608
    # --- invoices and payments -----------------------------------------------------------------
    "invoice_paid": text(f"""
        SELECT {_INVOICE}, coalesce(s.minor, 0), i.paid_minor, i.currency
        FROM invoice i
        LEFT JOIN (SELECT id, sum(minor) AS minor FROM ({_PAID}) parts GROUP BY id) s ON s.id = i.id
        WHERE i.paid_minor <> coalesce(s.minor, 0)
    """),  # noqa: S608
    "invoice_status": text(f"""
        SELECT {_INVOICE} || ' is ' || i.status, i.gross_minor, i.paid_minor + i.credited_minor,
               i.currency
        FROM invoice i
        WHERE (i.paid_minor + i.credited_minor >= i.gross_minor) <> (i.status IN ('paid', 'credited'))
          AND i.status <> 'written_off'
           OR i.status = 'pending' AND NOT EXISTS (
                SELECT 1 FROM payment p WHERE p.invoice_id = i.id AND p.status = 'pending')
    """),  # noqa: S608
    # What was paid beyond what is left of the invoice went back, to the cent (M6).
    "invoice_given_back": text(f"""
        SELECT * FROM (
            SELECT {_INVOICE},
                   CASE WHEN i.paid_minor + i.credited_minor > i.gross_minor
                        THEN i.paid_minor + i.credited_minor - i.gross_minor ELSE 0 END AS owed,
                   coalesce(g.minor, 0) AS found, i.currency
            FROM invoice i
            LEFT JOIN (SELECT id, sum(minor) AS minor FROM ({_GIVEN_BACK}) parts GROUP BY id) g
              ON g.id = i.id
            WHERE (i.credited_minor > 0 OR i.paid_minor > i.gross_minor) AND NOT EXISTS (
                SELECT 1 FROM payment p WHERE p.invoice_id = i.id AND p.status = 'reversed')
        ) each_one WHERE owed <> found
    """),  # noqa: S608
    "payment_refunded": text(f"""
        SELECT {_PAYMENT}, coalesce(r.minor, 0), p.refunded_minor, p.currency
        FROM payment p
        LEFT JOIN (SELECT payment_id, sum(amount_minor) AS minor FROM refund
                   WHERE status <> 'failed' GROUP BY payment_id) r ON r.payment_id = p.id
        WHERE p.refunded_minor <> coalesce(r.minor, 0)
    """),  # noqa: S608
    "payment_without_invoice": text(f"""
        SELECT {_PAYMENT}, p.amount_minor, coalesce(b.minor, 0), p.currency
        FROM payment p LEFT JOIN (SELECT payment_id AS id, sum(amount_minor) AS minor
                                  FROM account_balance GROUP BY payment_id) b ON b.id = p.id
        WHERE p.status = 'succeeded' AND p.invoice_id IS NULL
          AND p.amount_minor <> coalesce(b.minor, 0)
    """),  # noqa: S608
    # One provider effect at most a payment (M1).
    "payment_attempts": text(f"""
        SELECT {_PAYMENT} || ' is ' || p.status,
               CASE WHEN p.status IN ('succeeded', 'reversed') THEN 1 ELSE 0 END,
               coalesce(a.many, 0), NULL
        FROM payment p
        LEFT JOIN (SELECT payment_id, count(*) AS many FROM payment_attempt
                   WHERE status = 'succeeded' GROUP BY payment_id) a ON a.payment_id = p.id
        WHERE p.kind = 'automatic'
          AND coalesce(a.many, 0)
              <> CASE WHEN p.status IN ('succeeded', 'reversed') THEN 1 ELSE 0 END
    """),  # noqa: S608
    # While a dispute has a payment's money the payment is reversed, and only then (M4).
    "payment_disputed": text(f"""
        SELECT {_PAYMENT} || ' is ' || p.status, 1, 0, NULL
        FROM payment p
        JOIN (SELECT d.payment_id AS id,
                     sum(CASE WHEN d.state IN ('taken', 'lost')
                               AND d.amount_minor + q.refunded_minor >= q.amount_minor
                              THEN 1 ELSE 0 END) AS gone,
                     sum(CASE WHEN d.state = 'won' THEN 1 ELSE 0 END) AS won
              FROM payment_dispute d JOIN payment q ON q.id = d.payment_id
              GROUP BY d.payment_id) s ON s.id = p.id
        WHERE s.gone > 0 AND p.status <> 'reversed'
           OR s.gone = 0 AND s.won > 0 AND p.status = 'reversed'
    """),  # noqa: S608
    "currency": text("""
        SELECT 'invoice ' || i.number || ' (id ' || i.id || ')', 1, 0, NULL
        FROM invoice i JOIN account a ON a.id = i.account_id WHERE a.currency <> i.currency
        UNION ALL
        SELECT 'payment ' || p.id, 1, 0, NULL
        FROM payment p JOIN account a ON a.id = p.account_id WHERE a.currency <> p.currency
        UNION ALL
        SELECT 'refund ' || r.id, 1, 0, NULL
        FROM refund r JOIN payment p ON p.id = r.payment_id WHERE r.currency <> p.currency
        UNION ALL
        SELECT 'balance entry ' || b.id, 1, 0, NULL
        FROM account_balance b JOIN account a ON a.id = b.account_id
        WHERE a.currency <> b.currency
    """),
    # --- transfers and the bank statements that told of them -------------------------------------
    # Nobody calls a provider for a transfer; somebody said on which day it arrived.
    "transfer_booked": text(f"""
        SELECT {_PAYMENT} || ' is ' || p.status, 0, count(a.id), NULL
        FROM payment p LEFT JOIN payment_attempt a ON a.payment_id = p.id
        WHERE p.kind = 'bank_transfer'
        GROUP BY p.id, p.account_id, p.status, p.received_on, p.method_id
        HAVING count(a.id) > 0 OR p.received_on IS NULL OR p.method_id IS NOT NULL
    """),  # noqa: S608
    "entry_booked": text("""
        SELECT 'bank entry ' || e.id || ' is ' || e.status,
               CASE WHEN e.status = 'booked' THEN e.amount_minor ELSE 0 END,
               coalesce(p.amount_minor, 0), e.currency
        FROM bank_entry e LEFT JOIN payment p ON p.id = e.payment_id
        WHERE (e.status = 'booked') <> (p.id IS NOT NULL)
           OR p.id IS NOT NULL AND (p.amount_minor <> e.amount_minor OR p.currency <> e.currency
                OR p.account_id <> coalesce(e.account_id, 0)
                OR p.kind <> 'bank_transfer' OR p.status <> 'succeeded')
    """),
    "statement_entries": text("""
        SELECT 'bank statement ' || s.id, s.entries, coalesce(e.many, 0), NULL
        FROM bank_statement s
        LEFT JOIN (SELECT statement_id, count(*) AS many FROM bank_entry GROUP BY statement_id) e
          ON e.statement_id = s.id
        WHERE s.entries <> coalesce(e.many, 0)
    """),
    # --- orders, their invoices and the seats they brought -------------------------------------
    # One that waits for its transfer is not paid; one that lapsed, or was withdrawn, is credited.
    "order_invoiced": text(f"""
        SELECT {_ORDER} || ' is ' || o.status,
               CASE WHEN o.status IN ('paid', 'done', 'invoiced') THEN o.gross_minor ELSE 0 END,
               coalesce(i.gross_minor, 0), o.currency
        FROM customer_order o LEFT JOIN invoice i ON i.order_id = o.id
        WHERE CASE WHEN o.status IN ('paid', 'done', 'invoiced')
                   THEN i.id IS NULL OR i.net_minor <> o.net_minor OR i.tax_minor <> o.tax_minor
                        OR i.gross_minor <> o.gross_minor OR i.currency <> o.currency
                        OR (o.status = 'invoiced' AND i.status = 'paid')
                   ELSE i.id IS NOT NULL AND i.credited_minor < i.gross_minor END
    """),  # noqa: S608
    "order_lines": text(f"""
        SELECT {_ORDER}, o.net_minor, coalesce(l.net, 0), o.currency
        FROM customer_order o
        LEFT JOIN (SELECT order_id, sum(net_minor) AS net FROM order_line GROUP BY order_id) l
          ON l.order_id = o.id
        WHERE o.net_minor <> coalesce(l.net, 0)
        UNION ALL
        SELECT {_ORDER} || ' line ' || l.position, l.net_minor, coalesce(il.net_minor, 0), o.currency
        FROM order_line l JOIN customer_order o ON o.id = l.order_id
        JOIN invoice i ON i.order_id = o.id
        LEFT JOIN invoice_line il ON il.invoice_id = i.id AND il.position = l.position
        WHERE il.id IS NULL OR il.net_minor <> l.net_minor OR il.quantity <> l.quantity
    """),  # noqa: S608
    # A line of seats that is paid brought as many; what could not be granted is with the desk.
    "order_seats": text(f"""
        SELECT {_ORDER} || ' line ' || l.position,
               CASE WHEN o.status IN ('paid', 'done') THEN l.quantity ELSE 0 END,
               coalesce(e.change, 0), NULL
        FROM order_line l JOIN customer_order o ON o.id = l.order_id
        LEFT JOIN seat_entry e ON e.order_line_id = l.id
        WHERE l.kind IN ('seats', 'start', 'add_on', 'plan_charge') AND (
            CASE WHEN o.status NOT IN ('paid', 'done') THEN e.id IS NOT NULL
                 WHEN e.id IS NULL THEN NOT EXISTS (
                    SELECT 1 FROM desk_task t WHERE t.dedupe_key = 'not_granted:' || l.id)
                 ELSE l.kind = 'seats' AND e.change <> l.quantity END)
    """),  # noqa: S608
    # --- seats and who holds them --------------------------------------------------------------
    "item_seats": text(f"""
        SELECT {_ITEM}, coalesce(e.seats, 0), it.quantity, NULL
        FROM subscription_item it
        LEFT JOIN (SELECT item_id, sum(change) AS seats FROM seat_entry GROUP BY item_id) e
          ON e.item_id = it.id
        WHERE it.quantity <> coalesce(e.seats, 0)
    """),  # noqa: S608
    "seat_entry_after": text("""
        SELECT 'seat entry ' || id || ' (item ' || item_id || ')', seats, quantity_after, NULL
        FROM (SELECT id, item_id, quantity_after,
                     sum(change) OVER (PARTITION BY item_id ORDER BY id) AS seats
              FROM seat_entry) running
        WHERE seats <> quantity_after
    """),
    "licences_held": text("""
        SELECT 'subscription ' || s.id, s.overhang, over.many, NULL
        FROM subscription s
        JOIN (SELECT it.subscription_id AS id,
                     sum(CASE WHEN it.removed_at IS NOT NULL THEN h.many
                              WHEN h.many > it.quantity THEN h.many - it.quantity
                              ELSE 0 END) AS many
              FROM subscription_item it
              JOIN (SELECT item_id, count(*) AS many FROM assignment WHERE freed_at IS NULL
                    GROUP BY item_id) h ON h.item_id = it.id
              GROUP BY it.subscription_id) over ON over.id = s.id
        WHERE over.many > s.overhang
    """),
    # A trial has no billing period and nothing of it is paid for (C5).
    "trial_free": text("""
        SELECT 'subscription ' || s.id || ' is ' || s.status, 0, found.many, NULL
        FROM subscription s
        JOIN (SELECT subscription_id, count(*) AS many
              FROM (SELECT subscription_id FROM billing_period
                    UNION ALL
                    SELECT subscription_id FROM subscription_item WHERE price_id IS NOT NULL
                   ) paid
              GROUP BY subscription_id) found ON found.subscription_id = s.id
        WHERE s.status IN ('trial', 'read_only')
    """),
    # --- what is owed to customers, and credits ------------------------------------------------
    "balance_negative": text("""
        SELECT 'account ' || account_id || ', balance entry ' || id, 0, balance, currency
        FROM (SELECT id, account_id, currency,
                     sum(amount_minor) OVER (PARTITION BY account_id ORDER BY id) AS balance
              FROM account_balance) running
        WHERE balance < 0
    """),
    "wallet_balance": text("""
        SELECT 'wallet ' || w.id || ' (account ' || w.account_id || ')', coalesce(e.sum, 0),
               w.balance, NULL
        FROM wallet w
        LEFT JOIN (SELECT wallet_id, sum(change) AS sum FROM credit_entry GROUP BY wallet_id) e
          ON e.wallet_id = w.id
        WHERE w.balance <> coalesce(e.sum, 0)
    """),
    "credit_entry_after": text("""
        SELECT 'credit entry ' || id || ' (wallet ' || wallet_id || ')', credits, balance_after, NULL
        FROM (SELECT id, wallet_id, balance_after,
                     sum(change) OVER (PARTITION BY wallet_id ORDER BY id) AS credits
              FROM credit_entry) running
        WHERE credits <> balance_after OR credits < 0
    """),
    # What the vendor's people gave arrived, once, and nothing else was booked by hand.
    "granted_credits": text("""
        SELECT 'credit grant ' || g.id || ' is ' || g.status,
               CASE WHEN g.status = 'approved' THEN g.credits ELSE 0 END, coalesce(e.change, 0), NULL
        FROM credit_grant g LEFT JOIN credit_entry e ON e.id = g.entry_id
        WHERE CASE WHEN g.status = 'approved' THEN g.credits ELSE 0 END <> coalesce(e.change, 0)
    """),
    # Credits that were paid arrived, once, and no others did (W2).
    "order_credits": text(f"""
        SELECT * FROM (
            SELECT {_ORDER} || ' line ' || l.position,
                   CASE WHEN l.kind = 'credits' AND o.status IN ('paid', 'done')
                        THEN CAST(l.details ->> 'credits' AS INTEGER) ELSE 0 END AS sold,
                   coalesce(e.change, 0) AS found, NULL
            FROM order_line l JOIN customer_order o ON o.id = l.order_id
            LEFT JOIN credit_entry e ON e.order_line_id = l.id
            WHERE l.kind = 'credits' OR e.id IS NOT NULL
        ) each_one WHERE sold <> found
    """),  # noqa: S608
    "top_up_credits": text(f"""
        SELECT {_TOP_UP}, CASE WHEN t.status = 'done' THEN t.credits ELSE 0 END,
               coalesce(e.change, 0), NULL
        FROM top_up t LEFT JOIN credit_entry e ON e.top_up_id = t.id
        WHERE CASE WHEN t.status = 'done' THEN t.credits ELSE 0 END <> coalesce(e.change, 0)
    """),  # noqa: S608
    "top_up_invoiced": text(f"""
        SELECT {_TOP_UP}, t.amount_minor, coalesce(i.gross_minor, 0), t.currency
        FROM top_up t LEFT JOIN invoice i ON i.id = t.invoice_id
        WHERE t.status = 'done'
          AND (i.id IS NULL OR i.net_minor <> t.net_minor OR i.tax_minor <> t.tax_minor
               OR i.gross_minor <> t.amount_minor OR i.currency <> t.currency)
    """),  # noqa: S608
    # A top-up is charged once, and its money is on its invoice (W3).
    "top_up_charged": text(f"""
        SELECT {_TOP_UP}, CASE WHEN t.status = 'done' THEN t.amount_minor ELSE 0 END,
               coalesce(p.minor, 0), t.currency
        FROM top_up t
        LEFT JOIN (SELECT top_up_id, sum(amount_minor) AS minor, min(invoice_id) AS invoice_id
                   FROM payment WHERE status IN ('pending', 'succeeded') AND top_up_id IS NOT NULL
                   GROUP BY top_up_id) p ON p.top_up_id = t.id
        WHERE coalesce(p.minor, 0) NOT IN (0, CASE WHEN t.status = 'done' THEN t.amount_minor ELSE 0 END)
           OR p.minor IS NOT NULL AND (t.invoice_id IS NULL OR p.invoice_id IS NULL
                                       OR p.invoice_id <> t.invoice_id)
    """),  # noqa: S608
}


def count_reported(connection: Connection) -> int:
    """How many charges were put before the desk and are not dealt with."""
    return int(fetch_first(connection, _COUNT_REPORTED)[0])


def find_differences(
    connection: Connection, code: str
) -> Iterator[tuple[str, int, int, str | None]]:
    """The rows of one check, as the database sends them."""
    rows = connection.execute(CHECKS[code], execution_options={"yield_per": 500})
    for subject, expected, found, currency in rows:
        yield str(subject), int(expected), int(found), currency
