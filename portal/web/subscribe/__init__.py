"""Beginning a subscription: a product, its plan, how many, how often it is billed."""
