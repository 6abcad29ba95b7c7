"""The files of a data export: what each holds of an account, and what its columns mean.

The meanings are part of manifest.json, which programs read: they are in English.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select

from portal.models import (
    AccountBalance,
    AddOn,
    Assignment,
    AuditEvent,
    BankEntry,
    CreditNote,
    Invoice,
    InvoiceLine,
    Member,
    Order,
    OrderLine,
    Payment,
    PaymentMethod,
    Person,
    Plan,
    Price,
    Product,
    Quote,
    QuoteLine,
    ServiceRequest,
    Subscription,
    SubscriptionItem,
    SupportMessage,
    SupportReply,
)
from portal.queries.exports import Dataset, dataset
from portal.queries.wallet_exports import WALLET_DATASETS

__all__ = ["DATASETS"]

_ACCOUNT: Any = bindparam("account_id")
_BY = Person.__table__.alias("by_person")
_LINE = (
    ("kind", "kind", "text", "What the line is for"),
    ("item_id", "item_id", "int", "The subscription's item, see subscriptions"),
    ("quantity", "quantity", "int", "How many"),
    ("unit_minor", "unit_price", "money", "Price of one, without VAT"),
    ("discount_basis_points", "discount_basis_points", "int", "Discount, 100 are one per cent"),
    ("discount_minor", "discount", "money", "Amount off the line, without VAT"),
)  # fmt: skip
_PRORATED = (
    ("days_left", "days_left", "int", "Days paid for, where the period had begun"),
    ("days", "days", "int", "Days of the period"),
    ("period_starts_on", "period_starts_on", "day", "First day of the period"),
    ("period_ends_on", "period_ends_on", "day", "First day after the period"),
    ("net_minor", "net", "money", "Amount without VAT"),
)  # fmt: skip


def _of(model: Any, rows: Any) -> tuple[tuple[Any, str, str, str], ...]:
    return tuple((getattr(model, attribute), *rest) for attribute, *rest in rows)


DATASETS: tuple[Dataset, ...] = (
    dataset(
        "subscriptions",
        select(SubscriptionItem.id)
        .join(Subscription, Subscription.id == SubscriptionItem.subscription_id)
        .join(Product, Product.id == Subscription.product_id)
        .outerjoin(Plan, Plan.id == SubscriptionItem.plan_id)
        .outerjoin(AddOn, AddOn.id == SubscriptionItem.add_on_id)
        .outerjoin(Price, Price.id == SubscriptionItem.price_id),
        (
            (Subscription.id, "subscription_id", "int", "The subscription"),
            (Product.key, "product", "text", "Key of the product"),
            (Subscription.status, "status", "text", "trial, read_only, active, suspended or ended"),
            (Subscription.started_on, "started_on", "day", "First day"),
            (Subscription.trial_ends_on, "trial_ends_on", "day", "Last day of the trial"),
            (Subscription.read_only_from, "read_only_from", "day",
             "First day on which a trial could only be read"),
            (Subscription.ended_on, "ended_on", "day", "First day without access"),
            (SubscriptionItem.id, "item_id", "int", "The plan or add-on of the subscription"),
            (SubscriptionItem.kind, "kind", "text", "plan or add_on"),
            (Plan.key, "plan", "text", "Key of the plan"),
            (AddOn.key, "add_on", "text", "Key of the add-on"),
            (AddOn.package_key, "package", "text", "Key of the add-on's package"),
            (SubscriptionItem.quantity, "quantity", "int", "Licences at present, or at the end"),
            (Price.currency, "currency", "text", "Currency of the price (ISO 4217)"),
            (Price.interval, "interval", "text", "Billing period: month, quarter or year"),
            (Price.unit_minor, "unit_price", "money", "Price of one licence, without VAT"),
            (SubscriptionItem.added_at, "added_at", "instant", "When it was added"),
            (SubscriptionItem.removed_at, "removed_at", "instant", "When it was removed"),
        ),
        (SubscriptionItem.id,),
        Subscription.account_id == _ACCOUNT,
    ),
    dataset(
        "members",
        select(Member.id)
        .join(Person, Person.id == Member.person_id)
        .outerjoin(_BY, _BY.c.id == Member.invited_by_id),
        (
            (Member.id, "member_id", "int", "The member"),
            (Person.name, "name", "text", "Name"),
            (Person.email, "email", "text", "E-mail address"),
            (Person.locale, "language", "text", "Language of the person"),
            (Member.role, "role", "text", "admin, billing_admin or member"),
            (Member.status, "status", "text", "invited, active or deactivated"),
            (Member.added_at, "added_at", "instant", "When the person was added"),
            (_BY.c.email, "invited_by", "text", "Who invited the person"),
            (Member.deactivated_at, "deactivated_at", "instant", "When the person was deactivated"),
        ),
        (Member.id,),
        Member.account_id == _ACCOUNT,
    ),
    dataset(
        "licences",
        select(Assignment.id)
        .join(Member, Member.id == Assignment.member_id)
        .join(Person, Person.id == Member.person_id)
        .join(SubscriptionItem, SubscriptionItem.id == Assignment.item_id)
        .join(Subscription, Subscription.id == SubscriptionItem.subscription_id)
        .join(Product, Product.id == Subscription.product_id)
        .outerjoin(Plan, Plan.id == SubscriptionItem.plan_id)
        .outerjoin(AddOn, AddOn.id == SubscriptionItem.add_on_id),
        (
            (Member.id, "member_id", "int", "The member, see members"),
            (Person.email, "email", "text", "E-mail address of the member"),
            (SubscriptionItem.id, "item_id", "int", "The item, see subscriptions"),
            (Product.key, "product", "text", "Key of the product"),
            (Plan.key, "plan", "text", "Key of the plan"),
            (AddOn.key, "add_on", "text", "Key of the add-on"),
            (Assignment.assigned_at, "assigned_at", "instant", "When the licence was given"),
            (Assignment.freed_at, "freed_at", "instant", "When it was given back"),
            (Assignment.freed_because, "freed_because", "text", "Why it was given back"),
        ),
        (Assignment.id,),
        Member.account_id == _ACCOUNT,
    ),
    dataset(
        "quotes",
        select(Quote.id).join(_BY, _BY.c.id == Quote.created_by_id),
        (
            (Quote.number, "number", "text", "Number of the quote"),
            (Quote.status, "status", "text", "open, accepted, declined, expired or superseded"),
            (Quote.source, "source", "text", "cart: made by the customer; staff: by the vendor"),
            (Quote.currency, "currency", "text", "Currency (ISO 4217)"),
            (Quote.created_at, "created_at", "instant", "When it was made"),
            (_BY.c.name, "created_by", "text", "Who made it"),
            (Quote.valid_until, "valid_until", "day", "Last day on which it could be accepted"),
            (Quote.message, "message", "text", "What the vendor wrote"),
            (Quote.decline_reason, "decline_reason", "text", "Why it was declined"),
            (Quote.closed_at, "closed_at", "instant", "When it was closed"),
        ),
        (Quote.id,),
        Quote.account_id == _ACCOUNT,
    ),
    dataset(
        "quote_lines",
        select(QuoteLine.id).join(Quote, Quote.id == QuoteLine.quote_id),
        (
            (Quote.number, "quote", "text", "Number of the quote"),
            (QuoteLine.position, "position", "int", "Line of the quote"),
            (Quote.currency, "currency", "text", "Currency (ISO 4217)"),
            *_of(QuoteLine, _LINE),
        ),
        (QuoteLine.quote_id, QuoteLine.position),
        Quote.account_id == _ACCOUNT,
    ),
    dataset(
        "orders",
        select(Order.id)
        .join(Quote, Quote.id == Order.quote_id)
        .join(_BY, _BY.c.id == Order.placed_by_id),
        (
            (Order.number, "number", "text", "Number of the order"),
            (Quote.number, "quote", "text", "Number of its quote"),
            (Order.status, "status", "text", "Where it stands"),
            (Order.currency, "currency", "text", "Currency (ISO 4217)"),
            (Order.net_minor, "net", "money", "Total without VAT"),
            (Order.tax_minor, "tax", "money", "VAT"),
            (Order.gross_minor, "gross", "money", "Total with VAT"),
            (Order.tax, "tax_details", "json", "Treatment and sums by VAT rate"),
            (Order.buyer, "buyer", "json", "The buyer as it was named"),
            (Order.contact, "contact", "json", "The admin contact"),
            (Order.placed_at, "placed_at", "instant", "When it was placed"),
            (_BY.c.name, "placed_by", "text", "Who placed it"),
            (Order.paid_at, "paid_at", "instant", "When it was paid"),
            (Order.provisioned_at, "provisioned_at", "instant", "When the licences were ready"),
        ),
        (Order.id,),
        Order.account_id == _ACCOUNT,
    ),
    dataset(
        "order_lines",
        select(OrderLine.id).join(Order, Order.id == OrderLine.order_id),
        (
            (Order.number, "order", "text", "Number of the order"),
            (OrderLine.position, "position", "int", "Line of the order"),
            (Order.currency, "currency", "text", "Currency (ISO 4217)"),
            *_of(OrderLine, _LINE + _PRORATED),
        ),
        (OrderLine.order_id, OrderLine.position),
        Order.account_id == _ACCOUNT,
    ),
    dataset(
        "invoices",
        select(Invoice.id).outerjoin(Order, Order.id == Invoice.order_id),
        (
            (Invoice.number, "number", "text", "Number of the invoice"),
            (Invoice.kind, "kind", "text", "order, renewal, wallet or service"),
            (Order.number, "order", "text", "Number of its order"),
            (Invoice.subscription_id, "subscription_id", "int", "The subscription it renews"),
            (Invoice.issued_at, "issued_at", "instant", "When it was issued"),
            (Invoice.issued_on, "issued_on", "day", "Date of the invoice"),
            (Invoice.due_on, "due_on", "day", "When it is due"),
            (Invoice.currency, "currency", "text", "Currency (ISO 4217)"),
            (Invoice.net_minor, "net", "money", "Total without VAT"),
            (Invoice.tax_minor, "tax", "money", "VAT"),
            (Invoice.gross_minor, "gross", "money", "Total with VAT"),
            (Invoice.paid_minor, "paid", "money", "What was paid"),
            (Invoice.credited_minor, "credited", "money", "What was credited"),
            (Invoice.status, "status", "text", "open, pending, paid, credited or written_off"),
            (Invoice.paid_at, "paid_at", "instant", "When it was paid"),
            (Invoice.payment_terms, "payment_terms", "text", "automatic or bank_transfer"),
            (Invoice.payment_reference, "payment_reference", "text", "Reference of the transfer"),
            (Invoice.tax, "tax_details", "json", "Treatment and sums by VAT rate"),
            (Invoice.seller, "seller", "json", "The seller as the invoice names it"),
            (Invoice.buyer, "buyer", "json", "The buyer as the invoice names it"),
        ),
        (Invoice.id,),
        Invoice.account_id == _ACCOUNT,
    ),
    dataset(
        "invoice_lines",
        select(InvoiceLine.id).join(Invoice, Invoice.id == InvoiceLine.invoice_id),
        (
            (Invoice.number, "invoice", "text", "Number of the invoice"),
            (InvoiceLine.position, "position", "int", "Line of the invoice"),
            (InvoiceLine.description, "description", "text", "Text of the line"),
            (Invoice.currency, "currency", "text", "Currency (ISO 4217)"),
            *_of(InvoiceLine, _LINE + _PRORATED),
            (InvoiceLine.tax_rate, "tax_rate", "text", "VAT rate in per cent"),
        ),
        (InvoiceLine.invoice_id, InvoiceLine.position),
        Invoice.account_id == _ACCOUNT,
    ),
    dataset(
        "credit_notes",
        select(CreditNote.id).join(Invoice, Invoice.id == CreditNote.invoice_id),
        (
            (CreditNote.number, "number", "text", "Number of the credit note"),
            (Invoice.number, "invoice", "text", "Number of the invoice that it corrects"),
            (CreditNote.issued_at, "issued_at", "instant", "When it was issued"),
            (CreditNote.issued_on, "issued_on", "day", "Date of the credit note"),
            (CreditNote.currency, "currency", "text", "Currency (ISO 4217)"),
            (CreditNote.net_minor, "net", "money", "Total without VAT"),
            (CreditNote.tax_minor, "tax", "money", "VAT"),
            (CreditNote.gross_minor, "gross", "money", "Total with VAT"),
            (CreditNote.reason, "reason", "text", "Why it was issued"),
            (CreditNote.tax, "tax_details", "json", "Treatment and sums by VAT rate"),
            (CreditNote.lines, "lines", "json", "Its lines"),
        ),
        (CreditNote.id,),
        CreditNote.account_id == _ACCOUNT,
    ),
    dataset(
        "payments",
        select(Payment.id)
        .outerjoin(Invoice, Invoice.id == Payment.invoice_id)
        .outerjoin(Order, Order.id == Payment.order_id)
        .outerjoin(PaymentMethod, PaymentMethod.id == Payment.method_id),
        (
            (Payment.id, "payment_id", "int", "The payment"),
            (Invoice.number, "invoice", "text", "Number of the invoice"),
            (Order.number, "order", "text", "Number of the order"),
            (Payment.kind, "kind", "text", "automatic or bank_transfer"),
            (Payment.currency, "currency", "text", "Currency (ISO 4217)"),
            (Payment.amount_minor, "amount", "money", "Amount"),
            (Payment.refunded_minor, "refunded", "money", "What was given back of it"),
            (Payment.status, "status", "text", "Where it stands"),
            (PaymentMethod.kind, "method", "text", "card or sepa_debit"),
            (PaymentMethod.brand, "brand", "text", "Brand of the card, or bank"),
            (PaymentMethod.last4, "last4", "text", "Last four digits"),
            (Payment.bank_reference, "bank_reference", "text", "What the transfer said"),
            (Payment.received_on, "received_on", "day", "When a transfer arrived"),
            (Payment.created_at, "created_at", "instant", "When it began"),
            (Payment.settled_at, "settled_at", "instant", "When it was settled"),
        ),
        (Payment.id,),
        Payment.account_id == _ACCOUNT,
    ),
    dataset(
        "bank_entries",
        select(BankEntry.id).join(Payment, Payment.id == BankEntry.payment_id),
        (
            (Payment.id, "payment_id", "int", "The payment as which the bank’s entry was booked"),
            (BankEntry.booked_on, "booked_on", "day", "When the bank booked it"),
            (BankEntry.valued_on, "valued_on", "day", "Its value date, where the bank gave one"),
            (BankEntry.currency, "currency", "text", "Currency (ISO 4217)"),
            (BankEntry.amount_minor, "amount", "money", "Amount"),
            (BankEntry.payer_name, "payer_name", "text", "Who paid"),
            (BankEntry.payer_iban, "payer_iban", "text", "From which bank account"),
            (BankEntry.payer_reference, "payer_reference", "text", "The reference that the payer gave"),
            (BankEntry.payer_text, "payer_text", "text", "What else the payer wrote"),
        ),
        (Payment.id,),
        Payment.account_id == _ACCOUNT,
    ),
    dataset(
        "balance_entries",
        select(AccountBalance.id)
        .outerjoin(Invoice, Invoice.id == AccountBalance.invoice_id)
        .outerjoin(CreditNote, CreditNote.id == AccountBalance.credit_note_id),
        (
            (AccountBalance.at, "at", "instant", "When it was booked"),
            (AccountBalance.currency, "currency", "text", "Currency (ISO 4217)"),
            (AccountBalance.amount_minor, "amount", "money", "Owed to the customer; used if negative"),
            (AccountBalance.reason, "reason", "text", "Why"),
            (Invoice.number, "invoice", "text", "Number of the invoice"),
            (CreditNote.number, "credit_note", "text", "Number of the credit note"),
            (AccountBalance.note, "note", "text", "Note"),
        ),
        (AccountBalance.id,),
        AccountBalance.account_id == _ACCOUNT,
    ),
    *WALLET_DATASETS,
    dataset(
        "support_messages",
        select(SupportMessage.id).join(Person, Person.id == SupportMessage.author_id),
        (
            (SupportMessage.id, "message_id", "int", "The message"),
            (SupportMessage.sent_at, "sent_at", "instant", "When it was sent"),
            (Person.email, "author", "text", "Who wrote it"),
            (SupportMessage.about, "about", "text", "What it is about"),
            (SupportMessage.text, "text", "text", "Its text"),
            (SupportMessage.status, "status", "text", "new, answered or closed"),
        ),
        (SupportMessage.id,),
        SupportMessage.account_id == _ACCOUNT,
    ),
    dataset(
        "support_replies",
        select(SupportReply.id)
        .join(SupportMessage, SupportMessage.id == SupportReply.message_id)
        .join(Person, Person.id == SupportReply.author_id),
        (
            (SupportReply.message_id, "message_id", "int", "The message, see support_messages"),
            (SupportReply.at, "at", "instant", "When it was sent"),
            (SupportReply.from_staff, "from_vendor", "int", "1 where the vendor wrote it"),
            (Person.name, "author", "text", "Who wrote it"),
            (SupportReply.text, "text", "text", "Its text"),
        ),
        (SupportReply.message_id, SupportReply.id),
        SupportMessage.account_id == _ACCOUNT,
    ),
    dataset(
        "service_requests",
        select(ServiceRequest.id)
        .join(Person, Person.id == ServiceRequest.asked_by_id)
        .outerjoin(OrderLine, OrderLine.id == ServiceRequest.order_line_id)
        .outerjoin(Order, Order.id == OrderLine.order_id),
        (
            (ServiceRequest.package_key, "package", "text", "Key of the service package"),
            (ServiceRequest.status, "status", "text",
             "asked, confirmed, ordered, done, declined or withdrawn"),
            (ServiceRequest.asked_at, "asked_at", "instant", "When it was asked for"),
            (Person.email, "asked_by", "text", "Who asked for it"),
            (ServiceRequest.wishes, "wishes", "text", "What the vendor should know"),
            (ServiceRequest.answer, "answer", "text", "What the vendor answered last"),
            (Order.number, "order", "text", "Number of the order, where it was bought"),
            (ServiceRequest.changed_at, "changed_at", "instant", "When it changed last"),
        ),
        (ServiceRequest.id,),
        ServiceRequest.account_id == _ACCOUNT,
    ),
    dataset(
        "activity",
        select(AuditEvent.id),
        (
            (AuditEvent.at, "at", "instant", "When"),
            (AuditEvent.actor_kind, "actor_kind", "text", "person, staff, system or gateway"),
            (AuditEvent.actor_name, "actor", "text", "Who"),
            (AuditEvent.action, "action", "text", "What was done"),
            (AuditEvent.subject, "subject", "text", "To what"),
            (AuditEvent.old, "old", "json", "Values before"),
            (AuditEvent.new, "new", "json", "Values after"),
        ),
        (AuditEvent.id,),
        AuditEvent.account_id == _ACCOUNT,
    ),
)  # fmt: skip
