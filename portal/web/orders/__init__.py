"""An order's page and its payment."""
