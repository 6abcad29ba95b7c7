"""The e-mails there are: one frozen class a topic, read from an outbox row's JSON.

Amounts are minor units and a currency. A field that is missing or of another type raises
BadPayload: such a message can never be sent, and the outbox puts it before the desk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from portal.domain.money import Money
from portal.languages import Language
from portal.mail.access_messages import AccessLoss
from portal.mail.billing_messages import RenewalInvoice, VatNumberInvalid
from portal.mail.cancellation_messages import (
    CancellationConfirmed,
    CancellationUndone,
    SubscriptionEnding,
)
from portal.mail.dunning_messages import (
    OwedAuthentication,
    OwedEnded,
    OwedFailed,
    OwedLastWarning,
    OwedRecovered,
    OwedSuspended,
    why_unpaid,
)
from portal.mail.executive_messages import CustomerAssigned, ExecutiveChanged
from portal.mail.member_messages import ConsentAnswered, ConsentRequested, MembershipChanged
from portal.mail.message import BadPayload, MailMessage
from portal.mail.payment_method_messages import (
    CardExpiring,
    PaymentMethodLost,
    PaymentMethodMissing,
)
from portal.mail.quote_messages import (
    OrderInvoice,
    OrderLapsed,
    OrderUnpaid,
    QuoteAnswered,
    QuoteExpiring,
    QuotePrepared,
)
from portal.mail.refund_messages import CreditNoteIssued, RefundFailed, RefundMade
from portal.mail.request_messages import (
    DeskDigest,
    DeskRequestMessage,
    DeskRequestStep,
    RequestAnswered,
    RequestStepMail,
)
from portal.mail.support_messages import (
    ServiceAnswered,
    ServiceAsked,
    ServiceWithdrawn,
    SupportAnswered,
    SupportAsked,
)
from portal.mail.transfer_messages import BalancePaidBack, TransferBooked, TransferReceived
from portal.mail.trial_messages import TrialEnding, TrialExtended, TrialOver
from portal.mail.wallet_messages import LowBalance, TopUpDone, TopUpFailed
from portal.wording import formula_words, method_words

__all__ = [
    "TOPICS", "BadPayload", "Invitation", "LicencesGranted", "MailMessage", "NewAdminContact",
    "OrderFailed", "OrderNeedsAction", "Receipt", "ReceiptLine", "SignInLinkMail",
    "read_message",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLinkMail(MailMessage):
    """The single-use link that signs in; valid for `minutes`."""

    topic = "sign_in_link"
    has_secret = True
    link: str
    minutes: int = 10
    name: str = ""

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Your sign-in link")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptLine:
    """One line as it was charged; `description` is frozen text in the account's language."""

    description: str
    quantity: int
    unit_minor: int
    net_minor: int
    days_left: int | None = None
    days: int | None = None
    discount_basis_points: int = 0
    discount_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(MailMessage):
    """What was bought; the invoice of `invoice_id` travels with it as PDF.

    `invoice_status` is `paid`, or `pending` where an accepted debit still has to arrive.
    """

    topic = "receipt"
    account_name: str
    order_number: str
    order_url: str
    invoice_id: int
    invoice_number: str
    invoice_url: str
    currency: str
    net_minor: int
    tax_minor: int
    gross_minor: int
    lines: tuple[ReceiptLine, ...] = ()
    invoice_status: str = "paid"
    method: Mapping[str, str] | None = None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        known = {each.name for each in fields(ReceiptLine)}
        try:
            lines = tuple(
                ReceiptLine(**{key: value for key, value in line.items() if key in known})
                for line in payload.get("lines", ())
            )
        except (TypeError, AttributeError) as error:
            raise BadPayload(f"receipt: a line is wrong ({error})") from error
        # slots=True makes the class anew, so that super() without arguments would not find it.
        return super(Receipt, cls).from_payload({**payload, "lines": lines})

    def formula(self, line: ReceiptLine, words: Language) -> str:
        """How a line's amount came about (S2)."""
        return formula_words(
            words,
            quantity=line.quantity,
            unit=Money(line.unit_minor, self.currency),
            days_left=line.days_left,
            days=line.days,
            discount_basis_points=line.discount_basis_points,
            discount=Money(line.discount_minor, self.currency),
        )

    def paid_with(self, words: Language) -> str:
        """The payment method in words, empty where nothing had to be paid."""
        method = self.method
        if method is None:
            return ""
        return method_words(
            words, method.get("kind", ""), method.get("brand", ""), method.get("last4", "")
        )

    @property
    def gross(self) -> Money:
        """What was paid."""
        return Money(self.gross_minor, self.currency)

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "Receipt for order %(number)s: %(amount)s",
            number=self.order_number,
            amount=words.money(self.gross),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNeedsAction(MailMessage):
    """The bank asks the customer to confirm the payment of an order."""

    topic = "order_needs_action"
    order_number: str
    order_url: str
    amount_minor: int
    currency: str

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        amount = payload.get("amount")
        if isinstance(amount, Mapping):
            payload = {
                **payload,
                "amount_minor": amount.get("minor", amount.get("amount_minor")),
                "currency": amount.get("currency"),
            }
        elif amount is not None:
            payload = {**payload, "amount_minor": amount}
        return super(OrderNeedsAction, cls).from_payload(payload)

    @property
    def amount(self) -> Money:
        """What is to be confirmed."""
        return Money(self.amount_minor, self.currency)

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Please confirm the payment of order %(number)s", number=self.order_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFailed(MailMessage):
    """An order could not be paid; `reason` is a code, nothing was charged or granted."""

    topic = "order_failed"
    order_number: str
    order_url: str
    reason: str = ""

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _("Order %(number)s was not paid", number=self.order_number)

    def because(self, words: Language) -> str:
        """The reason as a sentence; what the bank does not tell stays general."""
        return why_unpaid(self.reason, words)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAdminContact(MailMessage):
    """All admins are told of a new one (Q5)."""

    topic = "new_admin_contact"
    account_name: str
    name: str
    email: str
    added_by: str
    members_url: str

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "%(name)s is a new admin of %(account)s",
            name=self.name or self.email,
            account=self.account_name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation(MailMessage):
    """Somebody is asked into an account; `licences` are kept for them."""

    topic = "invitation"
    has_secret = True
    account_name: str
    invited_by: str
    link: str
    licences: int = 1

    def subject(self, words: Language) -> str:
        _ = words.gettext
        return _(
            "%(person)s invites you to %(account)s",
            person=self.invited_by,
            account=self.account_name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LicencesGranted(MailMessage):
    """Bought licences are there to be given to people."""

    topic = "licences_granted"
    account_name: str
    product: str
    added: int
    total: int
    licences_url: str = ""

    def subject(self, words: Language) -> str:
        ngettext = words.ngettext
        return ngettext(
            "%(num)s new licence for %(product)s is ready",
            "%(num)s new licences for %(product)s are ready",
            self.added,
            product=self.product,
        )


_CLASSES: tuple[type[MailMessage], ...] = (
    SignInLinkMail, Receipt, OrderNeedsAction, OrderFailed, NewAdminContact, Invitation,
    LicencesGranted, CancellationConfirmed, CancellationUndone, SubscriptionEnding,
    AccessLoss, RenewalInvoice, VatNumberInvalid,
    OwedFailed, OwedAuthentication, OwedLastWarning, OwedSuspended, OwedRecovered, OwedEnded,
    CreditNoteIssued, RefundMade, RefundFailed,
    QuotePrepared, QuoteExpiring, QuoteAnswered, OrderInvoice, OrderLapsed, OrderUnpaid,
    TransferReceived, TransferBooked, BalancePaidBack,
    CardExpiring, PaymentMethodLost, PaymentMethodMissing,
    LowBalance, TopUpDone, TopUpFailed,
    ConsentRequested, ConsentAnswered, MembershipChanged,
    TrialEnding, TrialOver, TrialExtended,
    ExecutiveChanged, CustomerAssigned,
    SupportAsked, SupportAnswered, ServiceAsked, ServiceAnswered, ServiceWithdrawn,
    RequestStepMail, RequestAnswered, DeskRequestStep, DeskRequestMessage, DeskDigest,
)  # fmt: skip

TOPICS: Mapping[str, type[MailMessage]] = {cls.topic: cls for cls in _CLASSES}


def read_message(topic: str, payload: Mapping[str, Any], public_url: str) -> MailMessage:
    """The message of an outbox row; BadPayload where the topic is unknown or the JSON wrong.

    Services do not know the portal's address: where the payload has no link, it is made here
    from `public_url` and the ids in it.
    """
    if topic not in TOPICS:
        raise BadPayload(f"there is no e-mail {topic!r}")
    return TOPICS[topic].from_payload({**_links(payload, public_url), **payload})


def _links(payload: Mapping[str, Any], public_url: str) -> dict[str, str]:
    links = {
        "members_url": f"{public_url}/members",
        "licences_url": f"{public_url}/licences",
        "billing_details_url": f"{public_url}/billing/details",
        "payment_method_url": f"{public_url}/billing/payment-method",
        "owed_url": f"{public_url}/billing/owed",
        "invoices_url": f"{public_url}/invoices",
        "data_export_url": f"{public_url}/data-export",
        "trial_url": f"{public_url}/trial",
        "wallet_url": f"{public_url}/wallet",
        "wallet_buy_url": f"{public_url}/wallet/buy",
        "auto_top_up_url": f"{public_url}/wallet/auto-top-up",
        "support_url": f"{public_url}/support",
        "desk_url": f"{public_url}/desk",
    }
    if "product_key" in payload:
        links["subscribe_url"] = f"{public_url}/subscribe/{payload['product_key']}"
    if "subscription_id" in payload:
        links["cancellation_url"] = f"{public_url}/licences/{payload['subscription_id']}/cancel"
    if "change_id" in payload:
        links["people_url"] = f"{public_url}/changes/{payload['change_id']}/people"
        links["undo_url"] = f"{public_url}/licences#change-{payload['change_id']}"
    if "account_id" in payload:
        links["desk_account_url"] = f"{public_url}/desk/accounts/{payload['account_id']}"
        links["desk_payments_url"] = f"{public_url}/desk/accounts/{payload['account_id']}/payments"
    if "quote_id" in payload:
        links["quote_url"] = f"{public_url}/quotes/{payload['quote_id']}"
    if "desk_quote_id" in payload:
        links["desk_quote_url"] = (
            f"{public_url}/desk/accounts/{payload['desk_account_id']}"
            f"/quotes/{payload['desk_quote_id']}"
        )
    if "order_id" in payload:
        links["order_url"] = f"{public_url}/orders/{payload['order_id']}"
    if "invoice_number" in payload:
        links["invoice_url"] = f"{public_url}/invoices/{payload['invoice_number']}"
    if "credit_note_number" in payload:
        links["credit_note_url"] = (
            f"{public_url}/invoices/credit-notes/{payload['credit_note_number']}"
        )
    if "support_message_id" in payload:
        links["support_message_url"] = (
            f"{public_url}/support/messages/{payload['support_message_id']}"
        )
    for key, place in (("message_number", ""), ("request_number", "packages/")):
        if key in payload and "desk_account_id" in payload:
            links["desk_support_url"] = (
                f"{public_url}/desk/accounts/{payload['desk_account_id']}/support"
                f"/{place}{payload[key]}"
            )
    if "change_request_id" in payload:
        number = payload["change_request_id"]
        links["request_url"] = f"{public_url}/requests/{number}"
        if "desk_account_id" in payload:
            links["desk_request_url"] = (
                f"{public_url}/desk/accounts/{payload['desk_account_id']}/requests/{number}"
            )
    if "package_key" in payload:
        links["package_url"] = f"{public_url}/support/packages/{payload['package_key']}"
    if "account_name" in payload:
        links["link"] = f"{public_url}/sign-in"  # an invited person signs in as anyone does
    return links
