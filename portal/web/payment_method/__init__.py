"""How the account pays: the present method, and replacing it on the provider's page."""
