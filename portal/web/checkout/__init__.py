"""The checkout: payment step and service order."""
