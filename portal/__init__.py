"""Licence Portal: a self-hosted customer portal for companies that sell software by the seat."""
