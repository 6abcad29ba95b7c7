"""The plans of a product: compared, upgraded to at once, changed to at the renewal."""
