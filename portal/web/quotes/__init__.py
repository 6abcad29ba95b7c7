"""Quotes: list, review, accept, decline."""
