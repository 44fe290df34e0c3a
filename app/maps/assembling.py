"""What a build does between two states of its map set: images in, rows, blobs and averages out."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Any, Final

from sqlalchemy import delete, insert, select, tuple_, update
from sqlalchemy.orm import Session

from app.maps.averages import Averages
from app.maps.inputs import ImageInputs, Tally, image_inputs
from app.maps.queries import image_accuracies, stroke_rows
from app.maps.reliability import Summary, as_json
from app.maps.rendering import Fresh, Kept, Rendered, Result, render
from app.models import MapAverage, MapSet, SaliencyMap
from app.storage import BlobStore
from saliency.parameters import MapParameters
from saliency.pool import map_ordered

ROWS_AT_A_TIME: Final = 200
IMAGES_AT_A_TIME: Final = 32
"""Whose earlier maps are looked up, and whose strokes are read, together."""

Progress = Callable[[int, int], None]
Row = dict[str, Any]

TAKEN_OVER: Final = (
    SaliencyMap.blob_hash,
    SaliencyMap.thumb_hash,
    SaliencyMap.sketch,
    SaliencyMap.annotators,
    SaliencyMap.coverage,
    SaliencyMap.entropy,
    SaliencyMap.agreement,
    SaliencyMap.reliability,
)


class Assembly:
    """One build, inside one transaction of the caller's."""

    def __init__(self, session: Session, blobs: BlobStore, map_set: MapSet) -> None:
        self.session, self.blobs, self.map_set = session, blobs, map_set
        self.parameters = MapParameters.from_dict(map_set.parameters)
        self.tally, self.agreement, self.averages = Tally(), Summary(), Averages()
        self.reused = 0
        self._under_way: dict[int, tuple[ImageInputs, Row | None]] = {}

    def run(self, jobs: int, on_progress: Progress) -> None:
        """Write the rows of all maps and averages, and nothing of what an earlier try left."""
        mine = self.map_set.id
        self.session.execute(delete(SaliencyMap).where(SaliencyMap.map_set_id == mine))
        self.session.execute(delete(MapAverage).where(MapAverage.map_set_id == mine))
        total = sum(1 for _ in self._inputs())
        with closing(self._tasks()) as tasks:
            results = map_ordered(partial(render, parameters=self.parameters), tasks, jobs=jobs)
            rows = self._rows(results, total, on_progress)
            while part := list(islice(rows, ROWS_AT_A_TIME)):
                self.session.execute(insert(SaliencyMap), part)
        if averages := self.averages.rows(self.blobs, mine):
            self.session.execute(insert(MapAverage), averages)
        self._add_accuracies()

    def summary(self) -> Row:
        """What the row of the map set says of it."""
        inputs = self.tally.inputs
        return {
            "inputs_hash": inputs.hash,
            "annotations": inputs.annotations,
            "simulated": inputs.simulated,
            "reused": self.reused,
            "reliability": self.agreement.to_dict(),
        }

    def _inputs(self) -> Iterator[ImageInputs]:
        return image_inputs(self.session, self.map_set.study_id, self.parameters)

    def _tasks(self) -> Generator[Fresh | Kept]:
        images = self._inputs()
        while part := list(islice(images, IMAGES_AT_A_TIME)):
            known = self._known(part)
            strokes = self._strokes(one for one in part if one.image_id not in known)
            for one in part:
                self.tally.add(one, self.parameters)
                row, png = known.get(one.image_id, (None, b""))
                self._under_way[one.image_id] = one, row
                yield _fresh(one, strokes) if row is None else Kept(one.image_id, one.face, png)

    def _known(self, part: Sequence[ImageInputs]) -> dict[int, tuple[Row, bytes]]:
        """Maps that were built from the same inputs before, if their blobs are still there."""
        same = tuple_(SaliencyMap.image_id, SaliencyMap.inputs_hash).in_(
            [(one.image_id, one.hash) for one in part]
        )
        query = select(SaliencyMap.image_id, *TAKEN_OVER).where(same, SaliencyMap.thumb_hash.is_not(None))
        found = {}
        for image_id, *values in self.session.execute(query):
            row: Row = {column.key: value for column, value in zip(TAKEN_OVER, values, strict=True)}
            try:
                found[image_id] = row, self.blobs.get(row["blob_hash"])
            except FileNotFoundError:
                continue
        return found

    def _strokes(self, images: Iterable[ImageInputs]) -> dict[int, str]:
        ids = [int(annotation.annotation_id) for one in images for annotation in one.annotations]
        return {row[0]: row[1] for row in self.session.execute(stroke_rows(ids))} if ids else {}

    def _rows(self, results: Iterable[Result], total: int, on_progress: Progress) -> Iterator[Row]:
        for done, result in enumerate(results, start=1):
            one, row = self._under_way.pop(result.image_id)
            if row is None and result.rendered is not None:
                row = self._stored(result.rendered)
            elif row is not None:
                self.reused += 1
            if row is not None and result.aligned is not None:
                self.averages.add((one.label, one.source), result.aligned)
                self.agreement.add(row["reliability"])
                yield row | {
                    "map_set_id": self.map_set.id,
                    "image_id": one.image_id,
                    "inputs_hash": one.hash,
                }
            on_progress(done, total)

    def _stored(self, rendered: Rendered) -> Row:
        built = rendered.map
        return {
            "blob_hash": self.blobs.put(built.png),
            "thumb_hash": self.blobs.put(rendered.thumb),
            "sketch": rendered.sketch,
            "annotators": built.annotators,
            "coverage": built.coverage,
            "entropy": built.entropy,
            "agreement": built.agreement,
            "reliability": as_json(rendered.reliability),
        }

    def _add_accuracies(self) -> None:
        """They may differ from those of an earlier set though the map is the same."""
        shares = image_accuracies(self.map_set.study_id).subquery()
        self.session.execute(
            update(SaliencyMap)
            .where(SaliencyMap.map_set_id == self.map_set.id, SaliencyMap.image_id == shares.c.image_id)
            .values(accuracy=shares.c.accuracy)
            .execution_options(synchronize_session=False)
        )


def _fresh(one: ImageInputs, strokes: dict[int, str]) -> Fresh:
    return Fresh(
        image_id=one.image_id,
        width=one.width,
        height=one.height,
        face=one.face,
        annotations=one.annotations,
        strokes=tuple(strokes.get(int(annotation.annotation_id), "[]") for annotation in one.annotations),
    )
