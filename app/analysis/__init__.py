"""Analyses of a study's decisions: asked for by staff, computed by a worker, kept with what they read."""
