from typing import Any, get_args

import pytest
from typer.main import get_command

from tests.support import ROOT
from training.__main__ import app
from training.config import OBJECTIVES, RECIPES, MapDistance, MapSource

GROUP: Any = get_command(app)
DOCS = ROOT / "docs"


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_has_a_section(name):
    assert f"\n## `{name}`\n" in (DOCS / "losses.md").read_text()


@pytest.mark.parametrize("name", [*get_args(MapDistance), *get_args(MapSource)])
def test_every_distance_and_control_is_documented(name):
    assert f"`{name}`" in (DOCS / "losses.md").read_text() + (DOCS / "training.md").read_text()


@pytest.mark.parametrize("name", sorted(GROUP.commands))
def test_every_command_is_documented_and_has_a_line_of_help(name):
    assert f"| `{name}` |" in (DOCS / "training.md").read_text()
    assert GROUP.commands[name].help


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_is_documented(path):
    assert f"| `{path.stem}` |" in (DOCS / "training.md").read_text()
