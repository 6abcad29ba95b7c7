"""What each file of the export holds, in the person's language."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

__all__ = ["CONTENTS"]

CONTENTS: dict[str, Any] = {
    "subscriptions": _l("Subscriptions with their plans and add-ons, ended ones too"),
    "members": _l("Members of your company with role and status"),
    "licences": _l("Who holds or held which licence, and when"),
    "quotes": _l("Quotes"),
    "quote_lines": _l("Lines of the quotes"),
    "orders": _l("Orders"),
    "order_lines": _l("Lines of the orders"),
    "invoices": _l("Invoices with seller, buyer, VAT and what was paid"),
    "invoice_lines": _l("Lines of the invoices"),
    "credit_notes": _l("Credit notes with their lines"),
    "payments": _l("Payments"),
    "bank_entries": _l("What the bank said of your transfers"),
    "balance_entries": _l("What the vendor owed or owes you outside of invoices"),
    "wallet_entries": _l("Credits bought and used"),
    "top_ups": _l("Automatic purchases of credits, failed ones too"),
    "wallet": _l("The wallet’s balance and its automatic top-up"),
    "support_messages": _l("Messages to the vendor"),
    "support_replies": _l("What was said after the messages, either way"),
    "service_requests": _l("Onboarding help that you asked for or bought"),
    "activity": _l("Who did what, when, with values before and after"),
}
