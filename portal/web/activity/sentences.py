"""Audit events in words: one sentence an action, and what changed from what to what.

A test holds that every action that the services record has its sentence here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from portal import formats
from portal.domain.catalogue import Catalogue
from portal.domain.labels import label_of, service_label
from portal.domain.money import Money
from portal.queries.activity import Event, ItemKeys
from portal.web.orders.declines import decline_sentence

__all__ = ["FIELDS", "GROUPS", "SENTENCES", "Change", "Entry", "actions_of", "ids_in", "tell"]

GROUPS: dict[str, Any] = {
    "licences": _l("Licences"),
    "buying": _l("Quotes and orders"),
    "money": _l("Payments and invoices"),
    "people": _l("People"),
    "support": _l("Support"),
    "details": _l("Account details"),
}

# Action code: (group, sentence). The sentence may use %(actor)s, %(subject)s, %(item)s, %(member)s.
SENTENCES: dict[str, tuple[str, Any]] = {
    "seats_added": ("licences", _l("%(actor)s added licences for %(item)s with order %(subject)s.")),
    "item_upgraded": ("licences", _l("%(actor)s upgraded to %(item)s with order %(subject)s.")),
    "add_on_added": ("licences", _l("%(actor)s added %(item)s with order %(subject)s.")),
    "licence_assigned": ("licences", _l("%(member)s got a licence for %(item)s.")),
    "licence_freed": ("licences", _l("%(member)s gave back a licence for %(item)s.")),
    "trial_started": ("licences", _l("The trial for %(subject)s started.")),
    "trial_extended": ("licences", _l("The trial for %(subject)s was extended.")),
    "trial_read_only": ("licences", _l("The trial for %(subject)s is over: it can only be read.")),
    "trial_ended": ("licences", _l("The trial for %(subject)s ended unpaid.")),
    "trial_bought": ("licences", _l("%(actor)s bought %(subject)s: the trial became a paid subscription.")),
    "trial_add_on_ended": ("licences", _l("%(item)s was part of the trial; it was not bought, and ended.")),
    "credits_bought": ("buying", _l("%(actor)s bought credits with order %(subject)s.")),
    "subscription_started": ("licences", _l("The subscription to %(subject)s began.")),
    "subscription_renewed": ("licences", _l("The subscription to %(subject)s was renewed.")),
    "subscription_ended": ("licences", _l("The subscription to %(subject)s ended.")),
    "seats_removed": ("licences", _l("There are fewer licences for %(item)s from this renewal on.")),
    "plan_changed": ("licences", _l("The plan of %(subject)s changed with the renewal.")),
    "add_on_changed": ("licences", _l("The package of an add-on changed with the renewal: %(item)s.")),
    "add_on_removed": ("licences", _l("%(item)s was removed with the renewal.")),
    "period_changed": ("licences", _l("The billing period of %(subject)s changed with the renewal.")),
    "reduction_asked": ("licences", _l("%(actor)s asked for fewer licences for %(item)s.")),
    "reduction_undone": ("licences", _l("%(actor)s took back the reduction for %(item)s.")),
    "access_loss_chosen": ("licences", _l("%(actor)s chose who loses access to %(item)s.")),
    "plan_change_asked": ("licences", _l("%(actor)s asked for another plan for %(subject)s.")),
    "plan_change_undone": ("licences", _l("%(actor)s took back the change of plan for %(subject)s.")),
    "add_on_change_asked": ("licences", _l("%(actor)s asked to change %(item)s.")),
    "add_on_change_undone": ("licences", _l("%(actor)s took back the change of %(item)s.")),
    "period_change_asked": ("licences", _l("%(actor)s asked for another billing period for %(subject)s.")),
    "period_change_undone": ("licences", _l("%(actor)s took back the change of billing period for %(subject)s.")),
    "cancellation_asked": ("licences", _l("%(actor)s cancelled %(subject)s.")),
    "cancellation_undone": ("licences", _l("%(actor)s took back the cancellation of %(subject)s.")),
    "request_sent": ("licences", _l("%(actor)s asked the account executive for a change: request %(subject)s.")),
    "request_replied": ("licences", _l("%(actor)s wrote about request %(subject)s.")),
    "request_answered": ("licences", _l("%(actor)s answered about request %(subject)s.")),
    "request_taken": ("licences", _l("%(actor)s prepares request %(subject)s.")),
    "request_invoiced": ("licences", _l("The invoice of request %(subject)s was shared.")),
    "request_paid": ("licences", _l("The payment of request %(subject)s was received.")),
    "request_activated": ("licences", _l("Request %(subject)s is done: what was asked for works.")),
    "request_lapsed": ("licences", _l("The invoice of request %(subject)s was credited unpaid; it is prepared anew.")),
    "request_confirmed": ("licences", _l("%(actor)s confirmed request %(subject)s and the day it takes effect.")),
    "request_finished": ("licences", _l("%(actor)s finished request %(subject)s.")),
    "request_declined": ("licences", _l("%(actor)s declined request %(subject)s.")),
    "request_withdrawn": ("licences", _l("%(actor)s withdrew request %(subject)s.")),
    "cart_saved": ("buying", _l("%(actor)s saved a cart.")),
    "quote_created": ("buying", _l("%(actor)s made quote %(subject)s.")),
    "quote_accepted": ("buying", _l("%(actor)s accepted quote %(subject)s.")),
    "quote_declined": ("buying", _l("%(actor)s declined quote %(subject)s.")),
    "quote_expired": ("buying", _l("Quote %(subject)s expired.")),
    "quote_superseded": ("buying", _l("%(actor)s replaced quote %(subject)s with a new one.")),
    "quote_withdrawn": ("buying", _l("%(actor)s withdrew quote %(subject)s.")),
    "order_granted_early": ("buying", _l("%(actor)s had order %(subject)s work before its money came.")),
    "order_lapsed": ("buying", _l("Order %(subject)s was not paid before the renewal, and lapsed.")),
    "order_withdrawn": ("buying", _l("%(actor)s withdrew order %(subject)s; its invoice is credited.")),
    "order_placed": ("buying", _l("%(actor)s placed order %(subject)s.")),
    "order_paid": ("buying", _l("Order %(subject)s was paid.")),
    "order_debit_accepted": ("buying", _l("The direct debit for order %(subject)s was accepted.")),
    "order_done": ("buying", _l("Order %(subject)s is done: the licences can be used.")),
    "order_revived": ("buying", _l("Order %(subject)s was paid after all, and goes on.")),
    "order_abandoned": ("buying", _l("%(actor)s gave up order %(subject)s; nothing was charged.")),
    "payment_failed": ("money", _l("The payment of order %(subject)s failed; nothing was charged.")),
    "invoice_payment_failed": ("money", _l("Invoice %(subject)s could not be collected.")),
    "payment_received": ("money", _l("Invoice %(subject)s was paid.")),
    "invoice_paid": ("money", _l("Invoice %(subject)s was paid.")),
    "invoice_payment_started": ("money", _l("%(actor)s paid invoice %(subject)s on screen.")),
    "invoice_retried": ("money", _l("Invoice %(subject)s was tried again.")),
    "dunning_started": ("money", _l("Invoice %(subject)s is owed.")),
    "dunning_recovered": ("money", _l("Nothing of invoice %(subject)s is owed any more.")),
    "dunning_ended": ("money", _l("The subscription of invoice %(subject)s ended unpaid.")),
    "subscription_suspended": ("licences", _l("Access to %(subject)s was suspended: an invoice is not paid.")),
    "subscription_resumed": ("licences", _l("Access to %(subject)s is back.")),
    "payment_reversed": ("money", _l("The payment of invoice %(subject)s was taken back by the bank.")),
    "payment_reinstated": ("money", _l("The payment of invoice %(subject)s came back: the dispute was won.")),
    "debit_failed": ("money", _l("The direct debit of order %(subject)s failed.")),
    "invoice_issued": ("money", _l("Invoice %(subject)s was issued.")),
    "credit_note_issued": ("money", _l("Credit note %(subject)s was issued.")),
    "refund_made": ("money", _l("Money of credit note %(subject)s is on its way back.")),
    "refund_failed": ("money", _l("Money of credit note %(subject)s could not be given back; it is on the balance.")),
    "transfer_booked": ("money", _l("%(actor)s booked a transfer for invoice %(subject)s.")),
    "transfer_taken_back": ("money", _l("%(actor)s took back the booking of a transfer.")),
    "deposit_booked": ("money", _l("%(actor)s booked a transfer on the account balance.")),
    "balance_paid_back": ("money", _l("%(actor)s paid back money of the account balance.")),
    "credits_given": ("money", _l("%(actor)s gave credits to the wallet.")),
    "credits_taken_back": ("money", _l("%(actor)s took credits of invoice %(subject)s back.")),
    "credits_asked": ("money", _l("%(actor)s asked for credits for the wallet; somebody else has to approve them.")),
    "credits_refused": ("money", _l("%(actor)s declined credits for the wallet.")),
    "credits_withdrawn": ("money", _l("%(actor)s took back what was asked for the wallet.")),
    "balance_used": ("money", _l("The account balance paid for invoice %(subject)s.")),
    "overpayment_kept": ("money", _l("A payment was more than was owed; the rest is on the balance.")),
    "top_up_done": ("money", _l("The automatic top-up bought credits: invoice %(subject)s.")),
    "top_up_failed": ("money", _l("The automatic top-up could not be collected; nothing was charged.")),
    "auto_top_up_set": ("money", _l("%(actor)s set up the automatic top-up.")),
    "auto_top_up_stopped": ("money", _l("%(actor)s switched the automatic top-up off.")),
    "auto_top_up_ended": ("money", _l("The automatic top-up was switched off: its payments were declined.")),
    "payment_method_added": ("money", _l("%(actor)s added a payment method.")),
    "payment_method_replaced": ("money", _l("%(actor)s replaced the payment method.")),
    "payment_method_refused": ("money", _l("A new payment method was refused.")),
    "payment_method_removed": ("money", _l("%(actor)s removed a payment method.")),
    "payment_method_updated": ("money", _l("The bank renewed the payment method.")),
    "payment_method_lost": ("money", _l("The payment method can be charged no more, and was removed.")),
    "payment_terms_changed": ("money", _l("How the account pays was changed.")),
    "admin_added": ("people", _l("%(actor)s added an admin with order %(subject)s.")),
    "member_added": ("people", _l("%(actor)s added %(subject)s.")),
    "member_invited": ("people", _l("%(actor)s invited %(subject)s.")),
    "member_changed": ("people", _l("%(actor)s changed the role or status of %(member)s.")),
    "invitation_resent": ("people", _l("%(actor)s sent the invitation of %(subject)s again.")),
    "invitation_withdrawn": ("people", _l("%(actor)s withdrew the invitation of %(subject)s.")),
    "role_changed": ("people", _l("%(actor)s changed the role of %(subject)s.")),
    "member_deactivated": ("people", _l("%(actor)s deactivated %(subject)s.")),
    "member_reactivated": ("people", _l("%(actor)s made %(subject)s active again.")),
    "members_imported": ("people", _l("%(actor)s imported a file of members.")),
    "consent_asked": ("people", _l("%(actor)s asked %(subject)s for consent.")),
    "consent_given": ("people", _l("%(subject)s agreed.")),
    "consent_refused": ("people", _l("%(subject)s refused.")),
    "consent_withdrawn": ("people", _l("%(actor)s took back the request for consent to %(subject)s.")),
    "support_asked": ("support", _l("%(actor)s wrote to us: %(subject)s")),
    "support_replied": ("support", _l("%(actor)s went on with a message: %(subject)s")),
    "support_answered": ("support", _l("%(actor)s answered a message: %(subject)s")),
    "support_closed": ("support", _l("%(actor)s closed a message: %(subject)s")),
    "support_reopened": ("support", _l("%(actor)s opened a message again: %(subject)s")),
    "service_asked": ("support", _l("%(actor)s asked for %(subject)s.")),
    "service_ordered": ("support", _l("%(actor)s bought %(subject)s.")),
    "service_confirmed": ("support", _l("%(actor)s confirmed that we can deliver %(subject)s.")),
    "service_declined": ("support", _l("%(actor)s wrote that we cannot deliver %(subject)s.")),
    "service_done": ("support", _l("%(actor)s noted that %(subject)s is delivered.")),
    "service_withdrawn": ("support", _l("%(actor)s took back the request for %(subject)s.")),
    "member_activated": ("people", _l("%(subject)s accepted the invitation.")),
    "account_entered": ("people", _l("%(actor)s switched to this account.")),
    "staff_created": ("people", _l("%(subject)s was added to the vendor’s staff.")),
    "staff_removed": ("people", _l("%(subject)s was removed from the vendor’s staff.")),
    "demo_filled": ("details", _l("The demo was filled with its customers.")),
    "signed_in": ("people", _l("%(actor)s signed in.")),
    "signed_out": ("people", _l("%(actor)s signed out.")),
    "session_ended": ("people", _l("%(actor)s ended a session.")),
    "sessions_ended": ("people", _l("%(actor)s ended the other sessions.")),
    "account_created": ("details", _l("The account %(subject)s was set up.")),
    "account_imported": ("details", _l("The account %(subject)s was imported.")),
    "billing_details_changed": ("details", _l("%(actor)s changed the billing details.")),
    "vat_check_asked": ("details", _l("%(actor)s had VAT number %(subject)s checked again.")),
    "vat_number_checked": ("details", _l("VIES was asked about VAT number %(subject)s.")),
    "vat_number_decided": ("details", _l("%(actor)s decided on VAT number %(subject)s.")),
    "executive_changed": ("details", _l("%(actor)s made %(subject)s the account executive.")),
    "job_retried": ("details", _l("%(actor)s had work %(subject)s tried again.")),
    "message_retried": ("details", _l("%(actor)s had message %(subject)s sent again.")),
    "catalogue_synced": ("details", _l("The catalogue was brought up to date.")),
}  # fmt: skip

FIELDS: dict[str, Any] = {
    "address_line1": _l("Address"), "address_line2": _l("Address, second line"),
    "amount_minor": _l("Amount"), "billing_contact": _l("Billing contact"),
    "billing_email": _l("Billing e-mail"), "invoice_recipients": _l("Invoices also go to"),
    "auto_top_up": _l("Automatic top-up"), "threshold": _l("When fewer credits are left than"), "pack_credits": _l("Buys so many credits"),
    "cap_minor": _l("At most in a month"), "credits": _l("Credits"), "declines": _l("Declined in a row"),
    "brand": _l("Card or bank"), "by": _l("Replaced by"), "city": _l("Town or city"),
    "comment": _l("Comment"), "company_name": _l("Company"), "count": _l("How many"), "country": _l("Country"), "effective_on": _l("Takes effect on"), "executive": _l("Account executive"),
    "email": _l("E-mail"), "expires": _l("Expires"), "interval": _l("Billing period"), "package": _l("Package"),
    "ends_on": _l("Ends on"), "read_until_on": _l("Can be read until"), "gross_minor": _l("Total with VAT"), "invoice": _l("Invoice"),
    "kind": _l("Kind"), "last4": _l("Last four digits"), "mandate_ref": _l("Mandate"), "name": _l("Name"),
    "payment_terms": _l("How invoices are paid"),
    "people": _l("Who loses access"), "period": _l("Current period"), "plan": _l("Plan"), "postal_code": _l("Postal code"), "purchase_order": _l("Purchase order"),
    "quote": _l("Quote"), "received_on": _l("Arrived on"), "reason": _l("Reason"), "role": _l("Role"), "seats": _l("Licences"),
    "starts_on": _l("Starts on"), "status": _l("Status"), "vat_number": _l("VAT number"),
    "vat_status": _l("VAT number check"), "words": _l("Words"), "code": _l("Reason"), "decline_code": _l("Reason"),
}  # fmt: skip
# What only helps to find a name, or stands beside an amount, is no row of its own.
_SILENT = {"currency", "advice"}

_VALUES: dict[str, Any] = {
    "admin": _l("Admin"), "billing_admin": _l("Billing admin"), "member": _l("Member"),
    "active": _l("Active"), "deactivated": _l("Deactivated"), "invited": _l("Invited"),
    "card": _l("Card"), "sepa_debit": _l("SEPA direct debit"),
    "automatic": _l("Automatically"), "bank_transfer": _l("Bank transfer"), "valid": _l("Valid"), "invalid": _l("Invalid"),
    "unchecked": _l("Not checked yet"), "none": _l("None"), "declined": _l("Declined"),
    "reduction": _l("Fewer licences from the renewal on"), "paid": _l("Paid"), "month": _l("Monthly"), "quarter": _l("Quarterly"), "year": _l("Yearly"),
    "pending": _l("Being collected"), "abandoned": _l("Given up"),
    "too_expensive": _l("It costs too much"), "not_used": _l("We do not use it enough"),
    "missing_feature": _l("Something that we need is missing"),
    "other_product": _l("We use another product"),
    "business_changes": _l("Our company changes or closes"), "other": _l("Another reason"),
}  # fmt: skip
_CODED = {"role", "status", "kind", "vat_status", "reason", "interval", "payment_terms"}
_DECLINES = {"code", "decline_code"}


@dataclass(frozen=True, slots=True)
class Change:
    """One value: what it was and what it became; `before` is None where there was nothing."""

    label: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as the page shows it."""

    at: datetime
    sentence: str
    changes: tuple[Change, ...]
    by: str


def actions_of(group: str) -> set[str]:
    """The action codes of a group."""
    return {action for action, (its_group, _sentence) in SENTENCES.items() if its_group == group}


def ids_in(events: Iterable[Event], key: str) -> set[int]:
    """The ids that the events record under `key`."""
    found = ((values or {}).get(key) for each in events for values in (each.old, each.new))
    return {value for value in found if isinstance(value, int)}


def tell(
    event: Event,
    items: Mapping[int, ItemKeys],
    names: Mapping[int, str],
    catalogue: Catalogue,
    locale: str,
    currency: str,
) -> Entry:
    """`event` in the language of the request."""
    known = {**(event.old or {}), **(event.new or {})}
    by = _actor(event)
    keys = items.get(known.get("item_id") or 0)
    item = _("a product")
    if keys is not None:
        item = label_of(
            catalogue, keys.product_key, keys.plan_key, keys.add_on_key, keys.package_key, locale
        )
    if event.action in SENTENCES:
        words = SENTENCES[event.action][1]
    else:
        words = _l("%(actor)s did something that this page cannot describe yet.")
    said = {
        "actor": by,
        "subject": _subject(event, catalogue, locale),
        "item": item,
        "member": names.get(known.get("member_id") or 0, event.subject or _("a person")),
    }
    sentence = formats.filled(str(words), said, locale)
    return Entry(
        event.at,
        sentence[:1].upper() + sentence[1:],
        _changes(_with_names(event, keys, catalogue, locale), locale, currency),
        by,
    )


def _subject(event: Event, catalogue: Catalogue, locale: str) -> str:
    keys: Collection[str] = [product.key for product in catalogue.products]
    if event.subject in keys:
        return catalogue.product(event.subject).name.in_(locale)
    if event.action.startswith("service_"):
        return service_label(catalogue, event.subject, locale)
    return event.subject


def _actor(event: Event) -> str:
    if event.actor_name:
        return event.actor_name
    if event.actor_kind == "gateway":
        return _("the payment provider")
    if event.actor_kind == "staff":
        return _("our staff")
    if event.actor_kind == "system":
        return _("the portal")
    return _("somebody")


def _with_names(event: Event, keys: ItemKeys | None, catalogue: Catalogue, locale: str) -> Event:
    """The event with the names that the catalogue gives its plans and packages, for their keys."""
    key = keys.product_key if keys is not None else event.subject
    product = next((one for one in catalogue.products if one.key == key), None)
    if product is None:
        return event
    names = {("plan", plan.key): plan.name.in_(locale) for plan in product.plans}
    for add_on in product.add_ons:
        if keys is not None and add_on.key == keys.add_on_key:
            names |= {("package", p.key): p.name.in_(locale) for p in add_on.packages}

    def named(values: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        return values and {
            name: names.get((name, value), value) if isinstance(value, str) else value
            for name, value in values.items()
        }

    return replace(event, old=named(event.old), new=named(event.new))


def _changes(event: Event, locale: str, currency: str) -> tuple[Change, ...]:
    old, new = event.old or {}, event.new or {}
    money_in = str(new.get("currency") or old.get("currency") or currency)
    changes = []
    for key in dict.fromkeys((*old, *new)):
        if key in _SILENT or key.endswith("_id"):
            continue
        before = _value(key, old[key], locale, money_in) if key in old else None
        after = _value(key, new[key], locale, money_in) if key in new else None
        if before != after:
            label = str(FIELDS.get(key, key.replace("_", " ")))
            changes.append(Change(label, before, after))
    return tuple(changes)


def _value(key: str, value: Any, locale: str, currency: str) -> str:
    if value is None or value in ("", []):
        return _("nothing")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int):
        if key.endswith("_minor"):
            return formats.format_money(Money(value, currency), locale)
        return formats.format_integer(value, locale)
    if key.endswith("_on") and isinstance(value, str):
        try:
            return formats.format_day(date.fromisoformat(value), locale)
        except ValueError:
            return value
    if key in _DECLINES:
        return decline_sentence({"code": value})
    if key == "period" and isinstance(value, list):
        first, end = (date.fromisoformat(day) for day in value)
        return formats.format_day_range(first, end - timedelta(days=1), locale)
    if key == "country":
        return formats.format_country(str(value), locale)
    if key in _CODED and value in _VALUES:
        return str(_VALUES[value])
    if isinstance(value, list):
        return ", ".join(_value(key, each, locale, currency) for each in value)
    return str(value)
