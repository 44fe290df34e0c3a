"""Scores of a detector on a split, and the numbers made of them."""
