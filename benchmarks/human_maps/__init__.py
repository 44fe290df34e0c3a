"""Do human maps help? A benchmark on faces that are drawn by code: docs/benchmark.md."""
