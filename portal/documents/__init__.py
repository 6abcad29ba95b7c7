"""Invoices as PDF, with numbers and dates formatted in the language of the document."""
