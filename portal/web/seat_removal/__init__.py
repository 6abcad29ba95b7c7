"""Removing seats: how many, when, who loses access; then one button."""
