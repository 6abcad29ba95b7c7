"""Typed e-mail messages and the transport that sends them."""
