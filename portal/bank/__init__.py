"""What the vendor's bank says: account statements as it delivers them."""
