"""Imports every module that registers commands."""

from app.cli import database, serving, staff

__all__ = ["database", "serving", "staff"]
