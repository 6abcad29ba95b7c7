"""What customers write, and the packages that they ask for, at the desk."""
