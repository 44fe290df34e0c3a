"""Analyses of a study's decisions: requested by staff, computed by a worker, stored with a hash."""
