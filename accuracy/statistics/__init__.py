"""Rates, intervals, tests and ranking measures, on arrays alone."""
