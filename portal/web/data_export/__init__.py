"""Taking the account's data away: the page that says what there is, and the ZIP file."""
