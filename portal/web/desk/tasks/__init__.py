"""What the vendor's people must look at, in words."""
