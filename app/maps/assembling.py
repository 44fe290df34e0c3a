"""Build the maps of a map set: from annotations to blobs, rows and average maps.

The database is read and written in short transactions: one reads which annotations count, others read the
strokes of some images at a time, and others write some maps at a time.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from tempfile import TemporaryFile
from typing import Any, Final

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.background import Attempt, OnProgress
from app.db import snapshot
from app.maps.averages import SourceAverages
from app.maps.inputs import ImageInputs
from app.maps.plan import BuildPlan
from app.maps.queries import stroke_rows
from app.maps.reliability import ReliabilitySummary, as_json
from app.maps.rendering import ImageToRender, ImageWithMap, RenderedMap, RenderResult, render
from app.models import Annotation, MapAverage, MapSet, SaliencyMap
from app.storage import BlobStore
from saliency.parameters import MapParameters
from saliency.pool import map_ordered

ROWS_AT_A_TIME: Final = 200
WRITE_EVERY_S: Final = 1.0
IMAGES_AT_A_TIME: Final = 32
"""Images whose earlier maps, and whose strokes, one query reads."""

MapRow = dict[str, Any]

REUSED_COLUMNS: Final = (
    SaliencyMap.blob_hash,
    SaliencyMap.thumb_hash,
    SaliencyMap.sketch,
    SaliencyMap.annotators,
    SaliencyMap.coverage,
    SaliencyMap.entropy,
    SaliencyMap.agreement,
    SaliencyMap.reliability,
)
"""Columns that a map has in common with an earlier map of the same inputs."""

OWN_COLUMNS: Final = (SaliencyMap.inputs_hash, SaliencyMap.accuracy)
"""Columns that are computed anew for each map set."""


class InputsGone(Exception):
    """An annotation that counted when the build began has been deleted, because somebody withdrew."""


class Assembly:
    """One try at building a map set; it reuses maps that an earlier try made from the same inputs."""

    def __init__(self, attempt: Attempt[MapSet], blobs: BlobStore, map_set: MapSet) -> None:
        self.attempt, self.sessions = attempt, attempt.sessions
        self.blobs, self.map_set = blobs, map_set
        self.parameters = MapParameters.from_dict(map_set.parameters)
        self.agreement, self.averages = ReliabilitySummary(), SourceAverages()
        self.reused = self.done = 0
        self._built: list[int] = []
        self._under_way: dict[int, tuple[ImageInputs, MapRow | None]] = {}

    def run(self, jobs: int, on_progress: OnProgress) -> None:
        """Write all maps, then the averages and the summary in the row of the map set."""
        with TemporaryFile(prefix="cyborg-maps-") as file:  # nameless, so that a kill leaves no file
            with snapshot(self.sessions) as session:
                plan = BuildPlan(file, session, self.map_set.study_id, self.parameters)
            self._write([], total=plan.inputs.images)
            with closing(self._tasks(plan)) as tasks:
                results = map_ordered(partial(render, parameters=self.parameters), tasks, jobs=jobs)
                for part in _in_parts(self._rows(results, plan, on_progress)):
                    self._write(part, total=plan.inputs.images)
            self._finish(plan)

    def _tasks(self, plan: BuildPlan) -> Generator[ImageToRender | ImageWithMap]:
        """What the pool has to do for each image: render its map, or only align one that is reused."""
        images = iter(plan)
        while part := list(islice(images, IMAGES_AT_A_TIME)):
            known = self._known(part)
            strokes = self._strokes([image for image in part if image.image_id not in known])
            for image in part:
                row, png = known.get(image.image_id, (None, b""))
                self._under_way[image.image_id] = image, row
                yield (
                    _to_render(image, strokes)
                    if row is None
                    else ImageWithMap(image.image_id, image.face, png)
                )

    def _known(self, part: Sequence[ImageInputs]) -> dict[int, tuple[MapRow, bytes]]:
        """Maps that were built from the same inputs before, if their blobs are still there."""
        same = tuple_(SaliencyMap.image_id, SaliencyMap.inputs_hash).in_(
            [(image.image_id, image.hash) for image in part]
        )
        in_this_set = SaliencyMap.map_set_id == self.map_set.id
        query = select(SaliencyMap.image_id, in_this_set.label("in_this_set"), *REUSED_COLUMNS)
        query = query.where(same, SaliencyMap.thumb_hash.is_not(None))
        query = query.order_by(in_this_set.desc())  # the last row of an image wins: one of another set
        with self.sessions() as session:
            rows = session.execute(query).all()
        known = {}
        for image_id, is_in_this_set, *values in rows:
            row: MapRow = {column.key: value for column, value in zip(REUSED_COLUMNS, values, strict=True)}
            try:
                known[image_id] = row | {"in_this_set": is_in_this_set}, self.blobs.get(row["blob_hash"])
            except FileNotFoundError:
                continue
        return known

    def _strokes(self, images: Sequence[ImageInputs]) -> dict[int, str]:
        """The strokes of all annotations on these images; `InputsGone` when one has been deleted."""
        ids = [int(annotation.annotation_id) for image in images for annotation in image.annotations]
        with self.sessions() as session:
            strokes: dict[int, str] = dict(session.execute(stroke_rows(ids)).all()) if ids else {}
            remaining = session.scalar(select(func.count()).where(Annotation.id.in_(ids))) if ids else 0
        # An annotation without strokes has no row among the strokes, so annotations are counted themselves.
        if remaining != len(ids):
            raise InputsGone
        return strokes

    def _rows(
        self, results: Iterable[RenderResult], plan: BuildPlan, on_progress: OnProgress
    ) -> Iterator[MapRow | None]:
        """A row for each image; None for an image that too few people painted on."""
        for done, result in enumerate(results, start=1):
            image, row = self._under_way.pop(result.image_id)
            if row is not None:
                self.reused += not row.pop("in_this_set")
            elif result.rendered is not None:
                row = self._stored(result.rendered)
            self.done = done
            yield self._counted(image, row, result, plan)
            on_progress(done, plan.inputs.images)

    def _counted(
        self, image: ImageInputs, row: MapRow | None, result: RenderResult, plan: BuildPlan
    ) -> MapRow | None:
        if row is None or result.aligned is None:
            return None
        self.averages.add((image.label, image.source), result.aligned)
        self.agreement.add(row["reliability"])
        self._built.append(image.image_id)
        return row | {
            "map_set_id": self.map_set.id,
            "image_id": image.image_id,
            "inputs_hash": image.hash,
            "accuracy": plan.accuracies.get(image.image_id),
        }

    def _stored(self, rendered: RenderedMap) -> MapRow:
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

    def _write(self, part: Sequence[MapRow], *, total: int) -> None:
        """Write some maps and the progress of the build."""
        with self.sessions.begin() as session:
            self.attempt.write(session, done=self.done, total=total)
            if part:
                row = insert(SaliencyMap)
                new = {column.key: row.excluded[column.key] for column in (*REUSED_COLUMNS, *OWN_COLUMNS)}
                upsert = row.on_conflict_do_update(index_elements=["map_set_id", "image_id"], set_=new)
                session.execute(upsert, part)

    def _finish(self, plan: BuildPlan) -> None:
        """Write the averages and the end of the build in one transaction."""
        map_set_id, averages = self.map_set.id, self.averages.rows(self.blobs, self.map_set.id)
        with self.sessions.begin() as session:
            self.attempt.succeed(
                session,
                built_at=datetime.now(UTC),
                inputs_hash=plan.inputs.hash,
                annotations=plan.inputs.annotations,
                simulated=plan.inputs.simulated,
                reused=self.reused,
                reliability=self.agreement.to_dict(),
            )
            # Maps that an earlier try made of annotations that do not count any more.
            outdated = SaliencyMap.image_id.not_in(self._built)
            session.execute(delete(SaliencyMap).where(SaliencyMap.map_set_id == map_set_id, outdated))
            session.execute(delete(MapAverage).where(MapAverage.map_set_id == map_set_id))
            if averages:
                session.execute(insert(MapAverage), averages)


def _in_parts(rows: Iterable[MapRow | None]) -> Iterator[list[MapRow]]:
    """Rows in parts of at most `ROWS_AT_A_TIME`, and one part a second at least, so that progress shows."""
    part: list[MapRow] = []
    since = time.monotonic()
    for row in rows:
        part += [] if row is None else [row]
        if len(part) == ROWS_AT_A_TIME or time.monotonic() - since > WRITE_EVERY_S:
            yield part
            part, since = [], time.monotonic()
    yield part


def _to_render(image: ImageInputs, strokes: dict[int, str]) -> ImageToRender:
    return ImageToRender(
        image_id=image.image_id,
        width=image.width,
        height=image.height,
        face=image.face,
        annotations=image.annotations,
        strokes=tuple(strokes.get(int(annotation.annotation_id), "[]") for annotation in image.annotations),
    )
