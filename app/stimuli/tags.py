"""Tags: words of staff on images, to find them again. They decide nothing."""

from collections.abc import Iterable
from typing import Final

from app.errors import BadInput
from app.models import Image

MOST: Final = 20
LONGEST: Final = 50


def clean_tags(given: Iterable[str]) -> list[str]:
    """In small letters, each once, in order. `BadInput`: too many, too long, or with a comma."""
    tags = list(dict.fromkeys(tag for one in given if (tag := " ".join(one.split()).lower())))
    if len(tags) > MOST:
        raise BadInput(f"An image has at most {MOST} tags, not {len(tags)}.")
    for tag in tags:
        if len(tag) > LONGEST:
            raise BadInput(f"A tag has at most {LONGEST} characters: {tag[:LONGEST]}….")
        if "," in tag:
            raise BadInput(f"A tag has no comma: {tag}.")
    return tags


def set_tags(image: Image, given: Iterable[str]) -> None:
    image.tags = clean_tags(given)


def change_tags(image: Image, *, add: Iterable[str], remove: Iterable[str]) -> None:
    """Add some, remove others; what is there already or not there is no mistake."""
    gone = set(clean_tags(remove))
    set_tags(image, [tag for tag in [*image.tags, *clean_tags(add)] if tag not in gone])
