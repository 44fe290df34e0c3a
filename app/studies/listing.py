"""Images that a description names, found among the images there are."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.errors import BadStudy
from app.models import Image, Label, Split
from app.studies.pairing import IMPORT_AGAIN, Matched
from app.studies.parts import ListedPair

Found = Row[int, Label, Split | None, int, int, int, str, str]


class Listing:
    """Images by content hash, by the name they were imported under, and by its last part."""

    def __init__(self, session: Session) -> None:
        columns = (Image.id, Image.label, Image.split, Image.width, Image.height, Image.display_bytes)
        self._index: dict[str, list[Found]] = defaultdict(list)
        for image in session.execute(select(*columns, Image.content_hash, Image.original_name)):
            names = {image.content_hash, image.original_name, PurePosixPath(image.original_name).name}
            for name in names:
                self._index[name].append(image)

    def pairs(self, listed: Sequence[ListedPair]) -> list[Matched]:
        """The images of each line. BadStudy names the line of the first that cannot be carried out."""
        pairs: dict[Matched, str] = {}
        for line in listed:
            pair = self._pair(line)
            if pair in pairs:
                raise BadStudy(f"{line.where}: this pair was listed before ({pairs[pair]}).")
            pairs[pair] = line.where
        return list(pairs)

    def _pair(self, line: ListedPair) -> Matched:
        real = self._labelled(line.real, label=Label.REAL, where=line.where)
        fake = self._labelled(line.fake, label=Label.FAKE, where=line.where)
        if (real.width, real.height) != (fake.width, fake.height):
            side = min(real.width, real.height, fake.width, fake.height)
            raise BadStudy(
                f"{line.where}: {line.real} has {real.width}×{real.height} pixels and {line.fake} "
                f"{fake.width}×{fake.height}; {IMPORT_AGAIN.format(size=side)}."
            )
        return real.id, fake.id

    def _labelled(self, name: str, *, label: Label, where: str) -> Found:
        found = self._index.get(name, ())
        if found and label not in {image.label for image in found}:
            raise BadStudy(f"{where}: {name} is {found[0].label}, but stands in the column {label}.")
        return self._shown([image for image in found if image.label is label], name, where=where)

    def image(self, name: str, *, where: str) -> Found:
        """The one image of that name, whatever its label."""
        return self._shown(self._index.get(name, ()), name, where=where)

    def _shown(self, candidates: Sequence[Found], name: str, *, where: str) -> Found:
        # A whole name is meant before the last part of a longer one.
        whole = [image for image in candidates if name in (image.content_hash, image.original_name)]
        meant = whole or candidates
        if not meant:
            raise BadStudy(f"{where}: there is no image {name}.")
        if len(meant) > 1:
            raise BadStudy(f"{where}: {len(meant)} images are called {name}; give the content hash instead.")
        image = meant[0]
        if image.split in (Split.VAL, Split.TEST):
            raise BadStudy(f"{where}: {name} is set aside for {image.split} and is shown to nobody.")
        return image
