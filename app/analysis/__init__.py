"""How accurate people are, with and without painting.

The statistics know no database: tables in, numbers out.
"""
