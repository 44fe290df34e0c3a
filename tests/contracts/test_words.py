"""docs/glossary.md is the one list of words: classes, tables, addresses, JSON keys and texts keep to it."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app.main import ROUTERS
from app.models.base import Base
from tests.support import ROOT

PACKAGES = ("app", "training", "accuracy", "saliency", "annotation_ui")
USED, _, NOT_USED = (ROOT / "docs" / "glossary.md").read_text("utf-8").partition("## Words we do not use")
TERMS = re.findall(r"^\| \*\*(.+?)\*\* \|", USED, re.MULTILINE)
TABLES = [
    name
    for cell in re.findall(r"^\| \*\*.* \| ([^|]*) \|$", USED, re.MULTILINE)
    for name in re.findall(r"`(\w+)`", cell)
]
SHARED = re.findall(r"^\| `(\w+)` \|", USED, re.MULTILINE)
BANNED = re.findall(r"^\| ([a-z][a-z ]*) \|", NOT_USED, re.MULTILINE)[1:]


class TestGlossary:
    def test_each_word_stands_there_once(self):
        assert sorted(TERMS) == sorted(set(TERMS))

    def test_it_is_read(self):
        assert len(TERMS) > 40
        assert len(TABLES) > 30
        assert BANNED


class TestClasses:
    def test_a_name_stands_for_one_class(self):
        twice = {name: files for name, files in classes().items() if len(files) > 1}
        assert {name: files for name, files in twice.items() if name not in SHARED} == {}

    def test_the_names_that_two_packages_share_are_those_that_are_listed(self):
        assert [name for name in SHARED if len(classes().get(name, ())) < 2] == []


class TestTables:
    def test_they_are_those_of_the_glossary(self):
        assert sorted(TABLES) == sorted(Base.metadata.tables)


class TestBannedWords:
    @pytest.mark.parametrize("word", BANNED)
    def test_nothing_is_called_so(self, word):
        names = {*classes(), *functions(), *Base.metadata.tables, *addresses(), *json_keys()}
        assert sorted(name for name in names if says(word, name)) == []

    @pytest.mark.parametrize("word", BANNED)
    def test_no_page_and_no_document_says_it(self, word):
        said = re.compile(rf"\b{word}s?\b", re.IGNORECASE)
        assert [path.name for path in texts() if said.search(path.read_text("utf-8"))] == []


def says(word: str, name: str) -> bool:
    """Whether a name in snake_case, kebab-case or CamelCase has the word in it."""
    parts = re.findall(r"[a-z0-9]+|[A-Z][a-z0-9]*", name)
    spelt = f" {' '.join(parts).lower()} "
    return f" {word} " in spelt or f" {word}s " in spelt


@cache
def definitions(*kinds: Any) -> dict[str, list[str]]:
    """Where each class or function of the packages is defined, by name."""
    found = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, kinds):
                    found[node.name].append(path.relative_to(ROOT).as_posix())
    return dict(found)


def classes() -> dict[str, list[str]]:
    return {name: files for name, files in definitions(ast.ClassDef).items() if not name.startswith("_")}


def functions() -> dict[str, list[str]]:
    return definitions(ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def routes() -> list[APIRoute]:
    waiting: list[Any] = list(ROUTERS)
    found = []
    while waiting:
        for one in waiting.pop().routes:
            if isinstance(one, APIRoute):
                found.append(one)
            else:
                waiting.append(one.original_router)
    return found


def addresses() -> set[str]:
    """The fixed parts of every address."""
    return {part for route in routes() for part in route.path.split("/") if part and "{" not in part}


def json_keys() -> set[str]:
    application = FastAPI()
    for router in ROUTERS:
        application.include_router(router)
    document = get_openapi(title="", version="", routes=application.routes)
    return {
        key for schema in document["components"]["schemas"].values() for key in schema.get("properties", ())
    }


def texts() -> Iterator[Path]:
    """Pages, and documents that say what is (records of decisions and of changes say what was)."""
    yield from (ROOT / "annotation_ui" / "templates").rglob("*.html")
    yield ROOT / "README.md"
    yield from (path for path in (ROOT / "docs").glob("*.md") if path.name != "glossary.md")
