"""Finished runs beside each other: tables, figures and cards."""
