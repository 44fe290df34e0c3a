"""Pages about datasets, experiments, runs and detectors."""
