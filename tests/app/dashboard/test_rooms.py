"""How the folders of the dashboard are built: pages ask `queries`, and only those ask the database."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import app.dashboard

HOME = Path(app.dashboard.__file__).parent
ROOMS = sorted(path.parent.name for path in HOME.glob("*/__init__.py"))
QUERYING = {"execute", "scalar", "scalars"}


def modules_with_routes() -> dict[str, ast.Module]:
    trees = {str(path.relative_to(HOME)): ast.parse(path.read_text("utf-8")) for path in HOME.rglob("*.py")}
    return {name: tree for name, tree in trees.items() if "fastapi.APIRouter" in set(imported(tree))}


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def called_methods(tree: ast.Module) -> set[str]:
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {function.attr for function in calls if isinstance(function, ast.Attribute)}


class TestPages:
    def test_there_are_some_in_every_folder(self):
        assert {name.partition("/")[0] for name in modules_with_routes()} >= set(ROOMS)

    @pytest.mark.parametrize(("name", "tree"), modules_with_routes().items(), ids=modules_with_routes())
    def test_they_build_no_query(self, name, tree):
        from_sqlalchemy = {one for one in imported(tree) if one.startswith("sqlalchemy")}
        assert from_sqlalchemy <= {"sqlalchemy.orm.Session"}

    @pytest.mark.parametrize(("name", "tree"), modules_with_routes().items(), ids=modules_with_routes())
    def test_they_run_no_query(self, name, tree):
        assert called_methods(tree) & QUERYING == set()


class TestFolders:
    @pytest.mark.parametrize("room", ROOMS)
    def test_each_has_its_queries(self, room):
        assert (HOME / room / "queries.py").is_file()
