"""Demo mode only: people to sign in as, the mailbox, the clock, the provider's payment page."""
