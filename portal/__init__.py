"""Licence Portal: a self-hosted customer portal for companies that sell software by the seat."""

__version__ = "0.1.0"
