"""Desk tasks in words: what has happened, and what is to be done about it.

A test holds that every kind that the services and jobs open has its sentences here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from portal import formats
from portal.domain.money import Money
from portal.queries.desk_tasks import TaskRow
from portal.web.desk.support.views import package_name
from portal.web.locale import speech

__all__ = ["KINDS", "TaskView", "task_views"]


@dataclass(frozen=True, slots=True)
class _Words:
    """What a kind is called, what has happened (with the task's details), what to do."""

    name: Any
    what: Any
    advice: Any


_AUTOMATIC = _l("The portal goes on trying by itself. See to it if this is still here tomorrow.")
_COMPARE = _l("Compare with the payment provider's own pages, and correct what is wrong there.")

KINDS: dict[str, _Words] = {
    "service_asked": _Words(
        _l("Service package asked for"),
        _l("The customer asks for %(package)s."),
        _l("Find out what is possible, and answer the request."),
    ),
    "service_ordered": _Words(
        _l("Service package bought"),
        _l("The customer bought %(package)s."),
        _l("Get in touch and agree on the dates."),
    ),
    "account_suspended": _Words(
        _l("Access suspended"),
        _l("Access is suspended because invoice %(invoice)s is not paid."),
        _l("Talk to the customer. Access is back as soon as the payment has arrived."),
    ),
    "transfer_overdue": _Words(
        _l("Transfer overdue"),
        _l("Invoice %(invoice)s is overdue, and nothing was given for it yet."),
        _l("Ask the customer, or withdraw the order. It lapses at the renewal."),
    ),
    "order_not_lapsed": _Words(
        _l("Order not lapsed"),
        _l("Order %(order)s was not paid in its period, and could not be ended by itself."),
        _l("Credit its invoice, or agree with the customer what to do."),
    ),
    "owed_without_access": _Words(
        _l("Owed by a customer without subscriptions"),
        _l("Invoice %(invoice)s is not paid, and there is no access that could be suspended."),
        _l("Decide whether to collect it in another way, or to write it off."),
    ),
    "renewal_unpaid": _Words(
        _l("Renewal not paid"),
        _l("The payment of invoice %(invoice)s failed."),
        _l("The customer was told, and it is tried again. Help with the payment method if asked."),
    ),
    "no_payment_method": _Words(
        _l("No payment method"),
        _l("Invoice %(invoice)s could not be collected: the customer has no payment method."),
        _l("Ask the customer to add one, or to change to bank transfer."),
    ),
    "amount_not_chargeable": _Words(
        _l("Amount cannot be charged"),
        _l("What is left of invoice %(invoice)s is too little to be charged, or the payment provider refuses the amount. The invoice stays open."),
        _l("Credit the rest, or book a transfer. The customer gets no reminders and keeps access."),
    ),
    "debit_failed": _Words(
        _l("Direct debit failed"),
        _l("The direct debit for invoice %(invoice)s failed after the licences were given."),
        _l("The invoice is open again. Talk to the customer about paying it."),
    ),
    "payment_reversed": _Words(
        _l("Payment taken back"),
        _l("The bank took the payment of invoice %(invoice)s back."),
        _l("It is never charged again unasked. Talk to the customer about paying it."),
    ),
    "refunded_and_reversed": _Words(
        _l("Refunded, and taken back as well"),
        _l("The bank took the payment of invoice %(invoice)s back, though %(amount)s of it had been refunded."),
        _l("The customer has this amount twice. Ask for it back."),
    ),
    "payment_disputed": _Words(
        _l("Payment disputed"),
        _l("The customer's bank disputes a payment (dispute %(dispute)s)."),
        _l("Answer the dispute on the payment provider's own pages, and talk to the customer."),
    ),
    "dispute_stuck": _Words(
        _l("Dispute stuck"),
        _l("A dispute of the payment provider (%(ref)s) could not be booked: %(error)s"), _AUTOMATIC,
    ),
    "paid_twice": _Words(
        _l("Paid twice"),
        _l("Order %(order)s was paid, but another order had already bought the same."),
        _l("Give the money back, or agree with the customer what it is for."),
    ),
    "charge_differs": _Words(
        _l("Payment differs"),
        _l("Our books and those of the payment provider differ (payment %(ref)s)."),
        _COMPARE,
    ),
    "refund_differs": _Words(
        _l("Refund differs"),
        _l("Another amount was refunded than credit note %(credit_note)s says."),
        _COMPARE,
    ),
    "credits_to_approve": _Words(
        _l("Credits to approve"),
        _l("%(by)s wants to give %(credits)s credits, which needs a second person."),
        _l("Approve or decline them on the page of credits to approve."),
    ),
    "refund_failed": _Words(
        _l("Refund failed"),
        _l("The refund of credit note %(credit_note)s could not be made."),
        _l("The money is in the customer's balance. Pay it back, or leave it for the next invoice."),
    ),
    "order_overdue": _Words(
        _l("Order not delivered"),
        _l("Order %(order)s is paid, and the product has not confirmed the licences yet."),
        _l("Ask those who run the product. The portal goes on asking it."),
    ),
    "not_granted": _Words(
        _l("Paid, but not granted"),
        _l("A part of order %(order)s could not be given: what it was to be added to has ended."),
        _l("Agree with the customer what to do, and credit what was paid too much. Once this is done, so is the order."),
    ),
    "granted_otherwise": _Words(
        _l("Granted, though priced for something else"),
        _l("Order %(order)s was granted, but the plan or the number of licences had changed since it was priced."),
        _l("Compare what was invoiced with what there is now, and invoice or credit the difference."),
    ),
    "granted_after_renewal": _Words(
        _l("Paid after the renewal"),
        _l("Order %(order)s was paid when the period it was priced for was over."),
        _l("Check the next invoice, and credit what was paid too much."),
    ),
    "renewal_differs": _Words(
        _l("Invoiced period differs"),
        _l("The coming period was invoiced ahead, and has changed since (invoice %(invoice)s)."),
        _l("Credit that invoice, or invoice the difference."),
    ),
    "overhang": _Words(
        _l("More people than licences"),
        _l("%(licences)s licences more are in use than are paid for: they belong to admins, who have to agree first."),
        _l("Ask the customer to agree, or to add licences."),
    ),
    "renewal_parked": _Words(
        _l("Renewal stands still"),
        _l("Subscription %(subscription_id)s could not be renewed: %(error)s"),
        _l("It is tried again every hour. Put right what the error names."),
    ),
    "top_up_refused": _Words(
        _l("Automatic top-up stopped"),
        _l("The payment provider refused an automatic top-up because of its settings."),
        _l("Check the settings of the payment provider."),
    ),
    "payments_refused": _Words(
        _l("Payments refused"),
        _l("The payment provider refuses the portal itself (%(code)s), and due invoices are not collected."),
        _l("Check the keys and settings of the payment provider. Customers are told nothing, and the portal collects by itself once they are right."),
    ),
    "top_up_stuck": _Words(
        _l("Automatic top-up stuck"),
        _l("An automatic top-up could not be made: %(error)s"), _AUTOMATIC,
    ),
    "payment_stuck": _Words(
        _l("Payment stuck"),
        _l("What became of payment attempt %(attempt_id)s is not known: %(error)s"), _AUTOMATIC,
    ),
    "refund_stuck": _Words(
        _l("Refund stuck"),
        _l("What became of refund %(refund_id)s is not known: %(error)s"), _AUTOMATIC,
    ),
    "dunning_stuck": _Words(
        _l("Reminders stuck"),
        _l("The reminders of an unpaid invoice could not go on: %(error)s"), _AUTOMATIC,
    ),
    "job_failed": _Words(
        _l("Background work failed"),
        _l("Work %(what)s was given up: %(error)s"),
        _l("Put right what the error names, then try it again under Operation."),
    ),
    "message_failed": _Words(
        _l("Message not delivered"),
        _l("A message (%(what)s) could not be delivered: %(error)s"),
        _l("Put right what the error names, then try it again under Operation."),
    ),
}  # fmt: skip
_UNKNOWN = _Words(
    _l("Something else"),
    _l("This page cannot describe a task of the kind %(kind)s yet."),
    _l("Ask those who run the portal."),
)


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as pages show it; `service_id` is the ServiceRequest that one of a package is about."""

    row: TaskRow
    name: str
    what: str
    advice: str
    invoice: str
    service_id: int | None = None


def task_views(rows: Iterable[TaskRow]) -> list[TaskView]:
    """The tasks in the language of the request."""
    return [_view(row) for row in rows]


def _view(row: TaskRow) -> TaskView:
    words = KINDS.get(row.kind, _UNKNOWN)
    details = row.details
    said = _Said(kind=row.kind, **{key: str(value) for key, value in details.items()})
    said["error"] = str(details.get("error") or details.get("message") or details.get("kind") or "")
    said["order"] = str(details.get("order") or details.get("number") or "")
    for key in ("credits", "licences"):
        if isinstance(details.get(key), int):
            said[key] = formats.format_integer(details[key], speech().locale)
    if isinstance(details.get("amount_minor"), int) and "currency" in details:
        owed = Money(details["amount_minor"], details["currency"])
        said["amount"] = formats.format_money(owed, speech().locale)
    said["package"] = package_name(str(details.get("package", "")))
    return TaskView(
        row=row,
        name=str(words.name),
        what=formats.filled(str(words.what), said, speech().locale),
        advice=str(words.advice),
        invoice=str(details.get("invoice") or ""),
        service_id=details.get("request_id") if row.kind.startswith("service_") else None,
    )


class _Said(dict[str, str]):
    """What the sentence may name; a task that recorded less than its kind does now says nothing."""

    def __missing__(self, _key: str) -> str:
        return _("not known")
