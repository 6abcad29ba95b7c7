"""Orders that are paid by transfer, on the desk: granting early, taking back."""
