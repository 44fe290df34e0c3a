"""Imports every module that registers commands."""

from app.cli import (
    database,
    demo,
    experiments,
    exports,
    images,
    maps,
    quality,
    serving,
    staff,
    studies,
    worker,
)

__all__ = [
    "database",
    "demo",
    "experiments",
    "exports",
    "images",
    "maps",
    "quality",
    "serving",
    "staff",
    "studies",
    "worker",
]
