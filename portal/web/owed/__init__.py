"""What is owed, and paying it on screen."""
