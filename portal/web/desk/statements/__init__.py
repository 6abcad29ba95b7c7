"""Bank statements: importing a file, reviewing what each entry pays, booking it."""
