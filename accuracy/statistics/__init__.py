"""Statistics on arrays alone: intervals, proportions, means, clusters, tests, ranking, calibration.

Nothing here reads a file, a table of decisions or a database.
"""
