"""Recipes as staff choose or paste them."""

from dataclasses import dataclass
from typing import Final

from app.errors import BadInput
from saliency.files.text import TextFileError, parse_toml
from training.config import RECIPES, Recipe, load_recipe
from training.errors import RecipeError

MOST_RUNS: Final = 2000


@dataclass(frozen=True, slots=True)
class BuiltInRecipe:
    name: str
    description: str
    runs: int


def built_in() -> list[BuiltInRecipe]:
    """The recipes that come with the platform, the quickest first."""
    recipes = [load_recipe(path) for path in sorted(RECIPES.glob("*.toml"))]
    built_in_recipes = [BuiltInRecipe(recipe.name, recipe.description, recipe.count) for recipe in recipes]
    return sorted(built_in_recipes, key=lambda recipe: recipe.runs)


def chosen_recipe(name: str, pasted: str) -> Recipe:
    """The pasted recipe, or the built-in one called `name`; BadInput says what is wrong with it."""
    if not pasted and name not in {recipe.name for recipe in built_in()}:
        raise BadInput("Choose a recipe, or paste one.")
    try:
        recipe = load_recipe(_checked(pasted) if pasted else name)
    except RecipeError as error:
        raise BadInput(str(error)) from None
    if files := recipe.files():
        raise BadInput(f"A recipe from a page may not name files of the server, such as {files[0]}.")
    if recipe.count > MOST_RUNS:
        raise BadInput(f"The recipe asks for {recipe.count} runs; at most {MOST_RUNS} go at once.")
    return recipe


def _checked(pasted: str) -> str:
    """The text, always read as a recipe and never as the name of a file on the server."""
    try:
        seeds = parse_toml(pasted, name="The recipe").get("seeds")
    except TextFileError:
        seeds = None  # said better by whoever reads the recipe
    if isinstance(seeds, int) and seeds > MOST_RUNS:  # before it becomes a list of that length
        raise BadInput(f"seeds: at most {MOST_RUNS}.")
    return pasted + "\n"
