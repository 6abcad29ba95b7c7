"""Credits that the desk gives away, and those that wait for a second person."""
