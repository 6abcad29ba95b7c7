"""Background work: the worker loop and what it runs."""
