"""Find stored images by their number, or by the names that a list gives them."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models import Image, Label, Split
from app.stimuli.names import plain

Known = Row[int, Label, Split | None, int, int, int, str, str]


def get_image(session: Session, image_id: int) -> Image:
    """An image by its number; `NotFound` without one."""
    image = session.get(Image, image_id)
    if image is None:
        raise NotFound(f"There is no image {image_id}.")
    return image


def image_called(session: Session, name: str) -> int:
    """The number of the only image with this content hash or name, spelled as any system spells it, or else
    of the only one whose name ends so; `NotFound` without one."""
    spelled = plain(name.strip())
    whole = (Image.content_hash == spelled) | (Image.original_name == spelled)
    for meant in (whole, Image.original_name.endswith(f"/{spelled}", autoescape=True)):
        if len(found := session.scalars(select(Image.id).where(meant).limit(2)).all()) == 1:
            return found[0]
    raise NotFound(f"There is no one image called {name!r}.")


def images_called(session: Session, names: Sequence[str]) -> list[Image]:
    """The image that each name means; `NotFound` of the first that means none, or several."""
    return [get_image(session, image_called(session, name)) for name in names]


class KnownImages:
    """Images by content hash, by the name that they were imported under, and by its last part."""

    def __init__(self, session: Session) -> None:
        columns = (Image.id, Image.label, Image.split, Image.width, Image.height, Image.display_bytes)
        self._index: dict[str, list[Known]] = defaultdict(list)
        for image in session.execute(select(*columns, Image.content_hash, Image.original_name)):
            name = plain(image.original_name)
            for key in {image.content_hash, name, PurePosixPath(name).name}:
                self._index[key].append(image)

    def called(self, name: str, *, label: Label | None = None) -> Sequence[Known]:
        """The images that a name may mean; a whole name comes before the last part of a longer one."""
        matches = [image for image in self._index.get(plain(name), ()) if label in (None, image.label)]
        return [
            image for image in matches if plain(name) in (image.content_hash, plain(image.original_name))
        ] or matches
