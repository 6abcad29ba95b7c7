"""What a page reads: prebuilt Core statements, small frozen rows, one module an area."""
