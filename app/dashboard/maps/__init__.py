"""Pages about map sets and maps."""
