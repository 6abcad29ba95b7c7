"""The add-ons of a subscription: bought, switched between packages, ended at the renewal."""
