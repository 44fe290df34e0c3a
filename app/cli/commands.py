"""Imports every module that registers commands."""

from app.cli import (
    analysis,
    audit,
    database,
    demo,
    experiments,
    exports,
    images,
    links,
    maps,
    quality,
    recruiting,
    serving,
    staff,
    studies,
    tokens,
    worker,
)

__all__ = [
    "analysis",
    "audit",
    "database",
    "demo",
    "experiments",
    "exports",
    "images",
    "links",
    "maps",
    "quality",
    "recruiting",
    "serving",
    "staff",
    "studies",
    "tokens",
    "worker",
]
