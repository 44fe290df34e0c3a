"""What a gallery shows, as files: its list as CSV, its maps as ZIP."""

import json
from collections.abc import Iterator
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session

from app.dashboard.maps.queries import MapFilter, blobs_of, measures_of
from app.deps import Blobs, CurrentStaff, Db
from app.exports.archives import ExportMember, archive, with_sums
from app.exports.dictionary import ExportField, ExportFile
from app.exports.downloads import Download
from app.exports.routes import download
from app.exports.service import table
from app.maps.service import built_map_set
from app.models import MapSet
from app.storage import BlobStore
from app.studies.service import find_study

router: Final = APIRouter(prefix="/staff/studies/{slug}/maps", include_in_schema=False)

LIST: Final = ExportFile(
    "maps.csv",
    "One row per map that the gallery lists, in its order.",
    (
        ExportField("image_id", "integer", "The image; the map is `maps/<image_id>.png`."),
        ExportField("label", "real/fake", "Whether a camera or a generator made the image."),
        ExportField("source", "text", "Camera set or generator."),
        ExportField("width", "integer (px)", "Of image and map."),
        ExportField("height", "integer (px)", "Of image and map."),
        ExportField("annotators", "integer", "Annotations in the map."),
        ExportField("coverage", "number (0…1)", "Share of the image that somebody painted."),
        ExportField("entropy", "number (nats)", "Of the map; low = focused."),
        ExportField(
            "agreement", "number (-1…1) or empty", "How far the annotators agree; empty with a single one."
        ),
        ExportField(
            "accuracy", "number (0…1) or empty", "Share of correct main decisions on pairs with the image."
        ),
    ),
)


@router.get("/list.csv")
def list_csv(
    request: Request, db: Db, _staff: CurrentStaff, slug: str, wanted: Annotated[MapFilter, Query()]
) -> Download:
    """The list that the gallery shows under the same filter, whole."""
    map_set = _map_set(db, slug, wanted)
    return download(
        request,
        lambda session: table(session, LIST, measures_of(map_set, wanted)),
        name=f"{slug}-maps-{map_set.version}.csv",
        media_type="text/csv",
    )


@router.get("/list.zip")
def list_zip(
    request: Request,
    db: Db,
    blobs: Blobs,
    _staff: CurrentStaff,
    slug: str,
    wanted: Annotated[MapFilter, Query()],
) -> Download:
    """The same with every map, and with the parameters of the map set."""
    map_set = _map_set(db, slug, wanted)
    name = f"{slug}-maps-{map_set.version}"
    return download(
        request,
        lambda session: archive(with_sums(files(session, blobs, map_set, wanted)), folder=name),
        name=f"{name}.zip",
        media_type="application/zip",
    )


def _map_set(session: Session, slug: str, wanted: MapFilter) -> MapSet:
    study = find_study(session, slug)
    return built_map_set(session, study, wanted.version)


def files(session: Session, blobs: BlobStore, map_set: MapSet, wanted: MapFilter) -> Iterator[ExportMember]:
    """`maps.csv`, `map_set.json`, and one 16-bit PNG per map."""
    yield ExportMember(LIST.name, table(session, LIST, measures_of(map_set, wanted)))
    yield ExportMember("map_set.json", iter([_record(map_set, wanted)]))
    for image_id, blob in blobs_of(session, map_set, wanted):
        yield ExportMember(f"maps/{image_id}.png", iter([blobs.get(blob)]))


def _record(map_set: MapSet, wanted: MapFilter) -> bytes:
    asked = wanted.model_dump(mode="json", exclude={"after", "colours", "version"}, exclude_defaults=True)
    document = {
        "map_set": map_set.version,
        "parameters": map_set.parameters,
        "inputs_hash": map_set.inputs_hash,
        "stale": map_set.stale,
        "filter": asked,
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
