"""The tables, one module an area, in the words of the field (docs/design.md, Words)."""

from portal.models.account_words import AccountWord
from portal.models.accounts import (
    Account,
    AccountBalance,
    AccountNote,
    AuditEvent,
)
from portal.models.banking import BankEntry, BankStatement
from portal.models.buying import (
    LIVE_ORDER,
    OPEN_QUOTE,
    Cart,
    CartLine,
    Checkout,
    Order,
    OrderLine,
    Quote,
    QuoteLine,
    QuoteSubject,
)
from portal.models.catalogue import AddOn, Plan, Price, Product
from portal.models.demo import DemoMail, DemoObject, DemoReplay
from portal.models.dunning import DunningCase
from portal.models.invoices import CreditNote, Invoice, InvoiceLine, NumberSeries
from portal.models.outbox import DeskTask, Job, OutboxMessage
from portal.models.payments import (
    GatewayEvent,
    MethodSetup,
    Payment,
    PaymentAttempt,
    PaymentDispute,
    PaymentMethod,
    Refund,
)
from portal.models.people import Consent, Member, Person, SignInLink, SignInSession, StaffMember
from portal.models.requests import ChangeRequest, RequestMessage, RequestStep
from portal.models.subscriptions import (
    UNPAID_TRIAL,
    WAITING_CHANGE,
    Assignment,
    BillingPeriod,
    Entitlement,
    ScheduledChange,
    SeatEntry,
    Subscription,
    SubscriptionItem,
    Term,
)
from portal.models.support import ServiceRequest, SupportMessage, SupportReply
from portal.models.wallet import CreditEntry, CreditGrant, TopUp, Wallet

__all__ = [
    "LIVE_ORDER", "OPEN_QUOTE", "UNPAID_TRIAL", "WAITING_CHANGE", "Account", "AccountBalance", "AccountNote", "AccountWord", "AddOn", "Assignment", "AuditEvent", "BankEntry", "BankStatement", "BillingPeriod", "Cart",
    "CartLine", "ChangeRequest", "Checkout", "Consent", "CreditEntry", "CreditGrant", "CreditNote", "DemoMail",
    "DemoObject", "DemoReplay", "DeskTask", "DunningCase", "Entitlement", "GatewayEvent", "Invoice",
    "InvoiceLine", "Job", "Member", "MethodSetup", "NumberSeries", "Order", "OrderLine",
    "OutboxMessage", "Payment", "PaymentAttempt", "PaymentDispute", "PaymentMethod", "Person",
    "Plan", "Price", "Product", "Quote", "QuoteLine", "QuoteSubject", "Refund", "RequestMessage",
    "RequestStep", "ScheduledChange", "SeatEntry", "ServiceRequest", "SignInLink", "SignInSession",
    "StaffMember", "Subscription", "SubscriptionItem", "SupportMessage", "SupportReply", "Term",
    "TopUp", "Wallet",
]  # fmt: skip
