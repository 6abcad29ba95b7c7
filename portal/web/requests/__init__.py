"""What a bank-transfer customer asks of the account executive, and how it goes on."""
