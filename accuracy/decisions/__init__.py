"""Decisions of people as a table, of a study or of somebody else's file."""
