"""What a build does between two states of its map set: it turns annotations into rows, blobs and averages.

The database is read and written in short transactions: one that reads which annotations count, then one for
the strokes of some images, then one for the maps of some.
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
"""Whose earlier maps are looked up, and whose strokes are read, together."""

MapRow = dict[str, Any]

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


DECIDED: Final = (SaliencyMap.inputs_hash, SaliencyMap.accuracy)
"""What is this set's own."""


class InputsGone(Exception):
    """An annotation that counted when the build began is no longer there: somebody withdrew."""


class Assembly:
    """One try at a map set; it uses what an earlier try wrote from the same inputs."""

    def __init__(self, attempt: Attempt[MapSet], blobs: BlobStore, map_set: MapSet) -> None:
        self.attempt, self.sessions = attempt, attempt.sessions
        self.blobs, self.map_set = blobs, map_set
        self.parameters = MapParameters.from_dict(map_set.parameters)
        self.agreement, self.averages = ReliabilitySummary(), SourceAverages()
        self.reused = self.done = 0
        self._built: list[int] = []
        self._under_way: dict[int, tuple[ImageInputs, MapRow | None]] = {}

    def run(self, jobs: int, on_progress: OnProgress) -> None:
        """Write the rows of all maps and averages, and what the row of the map set says when it is built."""
        with TemporaryFile(prefix="cyborg-maps-") as file:  # without a name: a kill leaves nothing
            with snapshot(self.sessions) as session:
                plan = BuildPlan(file, session, self.map_set.study_id, self.parameters)
            self._write([], total=plan.inputs.images)
            with closing(self._tasks(plan)) as tasks:
                results = map_ordered(partial(render, parameters=self.parameters), tasks, jobs=jobs)
                for part in _in_parts(self._rows(results, plan, on_progress)):
                    self._write(part, total=plan.inputs.images)
            self._finish(plan)

    def _tasks(self, plan: BuildPlan) -> Generator[ImageToRender | ImageWithMap]:
        images = iter(plan)
        while part := list(islice(images, IMAGES_AT_A_TIME)):
            known = self._known(part)
            strokes = self._strokes([one for one in part if one.image_id not in known])
            for one in part:
                row, png = known.get(one.image_id, (None, b""))
                self._under_way[one.image_id] = one, row
                yield _to_render(one, strokes) if row is None else ImageWithMap(one.image_id, one.face, png)

    def _known(self, part: Sequence[ImageInputs]) -> dict[int, tuple[MapRow, bytes]]:
        """Maps that were built from the same inputs before, if their blobs are still there."""
        same = tuple_(SaliencyMap.image_id, SaliencyMap.inputs_hash).in_(
            [(one.image_id, one.hash) for one in part]
        )
        is_own = SaliencyMap.map_set_id == self.map_set.id
        query = select(SaliencyMap.image_id, is_own.label("is_own"), *TAKEN_OVER)
        query = query.where(same, SaliencyMap.thumb_hash.is_not(None))
        query = query.order_by(is_own.desc())  # those of other sets come last, and stay
        with self.sessions() as session:
            rows = session.execute(query).all()
        found = {}
        for image_id, own, *kept in rows:
            row: MapRow = {column.key: value for column, value in zip(TAKEN_OVER, kept, strict=True)}
            try:
                found[image_id] = row | {"is_own": own}, self.blobs.get(row["blob_hash"])
            except FileNotFoundError:
                continue
        return found

    def _strokes(self, images: Sequence[ImageInputs]) -> dict[int, str]:
        """Of every annotation on these images; `InputsGone` when one of them is not there any more."""
        ids = [int(annotation.annotation_id) for one in images for annotation in one.annotations]
        with self.sessions() as session:
            strokes: dict[int, str] = dict(session.execute(stroke_rows(ids)).all()) if ids else {}
            there = session.scalar(select(func.count()).where(Annotation.id.in_(ids))) if ids else 0
        if there != len(ids):
            raise InputsGone
        return strokes

    def _rows(
        self, results: Iterable[RenderResult], plan: BuildPlan, on_progress: OnProgress
    ) -> Iterator[MapRow | None]:
        """One row for each image; None for one that too few people painted on."""
        for done, result in enumerate(results, start=1):
            one, row = self._under_way.pop(result.image_id)
            if row is not None:
                self.reused += not row.pop("is_own")
            elif result.rendered is not None:
                row = self._stored(result.rendered)
            self.done = done
            yield self._counted(one, row, result, plan)
            on_progress(done, plan.inputs.images)

    def _counted(
        self, one: ImageInputs, row: MapRow | None, result: RenderResult, plan: BuildPlan
    ) -> MapRow | None:
        if row is None or result.aligned is None:
            return None
        self.averages.add((one.label, one.source), result.aligned)
        self.agreement.add(row["reliability"])
        self._built.append(one.image_id)
        return row | {
            "map_set_id": self.map_set.id,
            "image_id": one.image_id,
            "inputs_hash": one.hash,
            "accuracy": plan.accuracies.get(one.image_id),
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
        """Keep some maps, and say how far the build is."""
        with self.sessions.begin() as session:
            self.attempt.write(session, done=self.done, total=total)
            if part:
                row = insert(SaliencyMap)
                new = {column.key: row.excluded[column.key] for column in (*TAKEN_OVER, *DECIDED)}
                again = row.on_conflict_do_update(index_elements=["map_set_id", "image_id"], set_=new)
                session.execute(again, part)

    def _finish(self, plan: BuildPlan) -> None:
        """The map set is built: its averages and its row say so together."""
        mine, averages = self.map_set.id, self.averages.rows(self.blobs, self.map_set.id)
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
            outdated = SaliencyMap.image_id.not_in(self._built)
            session.execute(delete(SaliencyMap).where(SaliencyMap.map_set_id == mine, outdated))
            session.execute(delete(MapAverage).where(MapAverage.map_set_id == mine))
            if averages:
                session.execute(insert(MapAverage), averages)


def _in_parts(rows: Iterable[MapRow | None]) -> Iterator[list[MapRow]]:
    """Some rows at a time: as many as one statement takes, or those of a second, so that progress is seen."""
    part: list[MapRow] = []
    since = time.monotonic()
    for row in rows:
        part += [] if row is None else [row]
        if len(part) == ROWS_AT_A_TIME or time.monotonic() - since > WRITE_EVERY_S:
            yield part
            part, since = [], time.monotonic()
    yield part


def _to_render(one: ImageInputs, strokes: dict[int, str]) -> ImageToRender:
    return ImageToRender(
        image_id=one.image_id,
        width=one.width,
        height=one.height,
        face=one.face,
        annotations=one.annotations,
        strokes=tuple(strokes.get(int(annotation.annotation_id), "[]") for annotation in one.annotations),
    )
