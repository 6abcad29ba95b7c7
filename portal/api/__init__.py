"""JSON for the vendor's product, and inbound webhooks."""
