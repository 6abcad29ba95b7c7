"""A trial's own page, and the banner that counts its days."""
