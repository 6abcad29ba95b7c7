"""Asking whether a VAT number exists: the port, VIES, and what stands in for it."""
