"""Imports every module that registers commands."""

from app.cli import database, demo, exports, images, maps, serving, staff, studies

__all__ = ["database", "demo", "exports", "images", "maps", "serving", "staff", "studies"]
