"""Images that a description names, found among the images there are."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.errors import BadStudy
from app.models import Label, Split
from app.stimuli.known import Known, KnownImages
from app.studies.pairing import IMPORT_AGAIN, Matched
from app.studies.parts import ListedPair


class NamedImages:
    """Images by the names that people call them."""

    def __init__(self, session: Session) -> None:
        self._images = KnownImages(session)

    def pairs(self, listed: Sequence[ListedPair], *, part: str) -> list[Matched]:
        """The images of each line. BadStudy names the line of the first that cannot be carried out.

        part : what the lines belong to, for those that come from no file
        """
        pairs: dict[Matched, str] = {}
        for number, line in enumerate(listed):
            where = line.where or f"{part}.{number}"
            pair = self._pair(line, where=where)
            if pair in pairs:
                raise BadStudy(f"{where}: this pair was listed before ({pairs[pair]}).")
            pairs[pair] = where
        return list(pairs)

    def _pair(self, line: ListedPair, *, where: str) -> Matched:
        real = self._labelled(line.real, label=Label.REAL, where=where)
        fake = self._labelled(line.fake, label=Label.FAKE, where=where)
        if (real.width, real.height) != (fake.width, fake.height):
            side = min(real.width, real.height, fake.width, fake.height)
            raise BadStudy(
                f"{where}: {line.real} has {real.width}×{real.height} pixels and {line.fake} "
                f"{fake.width}×{fake.height}; {IMPORT_AGAIN.format(size=side)}."
            )
        return real.id, fake.id

    def _labelled(self, name: str, *, label: Label, where: str) -> Known:
        found = self._images.called(name, label=label)
        if not found and (others := self._images.called(name)):
            raise BadStudy(f"{where}: {name} is {others[0].label}, but stands in the column {label}.")
        return self._shown(found, name, where=where)

    def image(self, name: str, *, where: str) -> Known:
        """The one image of that name, whatever its label."""
        return self._shown(self._images.called(name), name, where=where)

    def _shown(self, meant: Sequence[Known], name: str, *, where: str) -> Known:
        if not meant:
            raise BadStudy(f"{where}: there is no image {name}.")
        if len(meant) > 1:
            raise BadStudy(f"{where}: {len(meant)} images are called {name}; give the content hash instead.")
        image = meant[0]
        if image.split in (Split.VAL, Split.TEST):
            raise BadStudy(f"{where}: {name} is set aside for {image.split} and is shown to nobody.")
        return image
