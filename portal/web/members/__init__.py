"""The people of an account: their roles, their licences, and their admins’ consent."""
