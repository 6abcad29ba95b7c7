"""The licences page, and adding seats."""
