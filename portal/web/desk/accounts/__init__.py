"""Customers on the desk: finding one, and everything about it."""
