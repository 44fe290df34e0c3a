"""Imports every module that registers commands."""

from app.cli import database, serving

__all__ = ["database", "serving"]
