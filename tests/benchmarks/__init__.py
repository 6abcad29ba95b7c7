"""What a page costs, as a ratio to a small Flask app that is served the same way: `make bench`."""
