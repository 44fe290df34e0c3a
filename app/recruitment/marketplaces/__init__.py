"""Marketplaces on which people are recruited and paid: one seam, and a file for each of them."""
