"""The link of a request for consent (S7)."""
