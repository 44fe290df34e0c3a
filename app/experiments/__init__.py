"""Frozen datasets, grids of training runs, and what came out of them."""
