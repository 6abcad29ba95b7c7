"""Signing in and out, the account a person works in, and where they are signed in."""
