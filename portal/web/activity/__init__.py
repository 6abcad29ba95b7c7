"""Who did what, when, with old and new values."""
