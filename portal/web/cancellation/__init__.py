"""Cancelling a subscription: one page, one button, and the way back."""
