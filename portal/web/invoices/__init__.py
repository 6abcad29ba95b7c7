"""Invoices: the list, one with its lines, its PDF, a year as ZIP."""
