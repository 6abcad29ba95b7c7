"""Help: whom to turn to, messages to the vendor, onboarding packages."""
