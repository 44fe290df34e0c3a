"""Who works here: staff, their logins, and their roles."""
