"""Billing: what comes next, in which periods, to whom it is addressed and how it is paid."""
