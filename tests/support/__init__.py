"""What tests, benchmarks and screenshots share."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""
