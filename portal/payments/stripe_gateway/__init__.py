"""Stripe, spoken to through its own package: methods on hosted Checkout, money by PaymentIntents.

The only place that imports stripe, and only when a call is made.
"""

from portal.payments.stripe_gateway.gateway import StripeGateway
from portal.payments.stripe_gateway.line import LineTimes

__all__ = ["LineTimes", "StripeGateway"]
