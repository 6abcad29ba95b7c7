"""Changes that wait for a renewal: undoing one, and who loses access by it."""
