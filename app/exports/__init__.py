"""Everything a study collected, as files that explain themselves."""
