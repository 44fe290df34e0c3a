"""Do maps help a detector on photographs? A preregistered comparison with simulated annotators."""
