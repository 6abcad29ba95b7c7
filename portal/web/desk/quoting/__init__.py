"""Offers of the desk: the draft, the quote that is sent, the invoice made of a request."""
