"""A Stripe for tests: a process of its own that holds state, speaks HTTP and is strict.

Every request and every answer is checked against contract.json. It knows the idempotency keys,
the test numbers, the hosted pages, signed webhooks, and every way in which a line may fail.
"""
