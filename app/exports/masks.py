"""The masks of annotations, as pictures and as COCO's run lengths: the pixels that maps are built from."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Final

import cv2
import numpy as np
from sqlalchemy.orm import Session

from app.db import AnyRow, streamed
from app.exports.annotations import strokes_of
from app.exports.archives import Chunks, ExportMember
from app.maps.queries import exported_rows
from saliency.boxes import Box
from saliency.masks.rasterizing import Ink, rasterize_inks
from saliency.masks.run_lengths import encode_counts, run_lengths
from saliency.masks.strokes import Stroke, parse_strokes

MASKS_AT_A_TIME: Final = 200

COCO: Final = "masks.coco.json"
PAINTED: Final = 1
"""Id of the only category."""

PNG_OPTIONS: Final = (  # a mask is runs of two values: a filter only breaks them, and takes time
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE),
)


@dataclass(frozen=True, slots=True)
class AnnotationMask:
    """An annotation as pixels."""

    annotation_id: int
    image_id: int
    width: int
    height: int
    ink: Ink


def masks(session: Session, study_id: int) -> Iterator[AnnotationMask]:
    """The mask of every annotation, first of those that count, then of the others; a few are in memory."""
    for counting in (True, False):
        rows = streamed(session, exported_rows(study_id, counting=counting))
        while some := list(islice(rows, MASKS_AT_A_TIME)):
            yield from _painted(session, some)


def _painted(session: Session, rows: list[AnyRow]) -> Iterator[AnnotationMask]:
    texts = strokes_of(session, [row.annotation_id for row in rows])
    for (width, height), group in groupby(rows, key=lambda row: (row.width, row.height)):
        some = list(group)
        drawings = [_strokes(texts.get(row.annotation_id, ""), row) for row in some]
        for row, ink in zip(some, rasterize_inks(drawings, width=width, height=height), strict=True):
            yield AnnotationMask(row.annotation_id, row.image_id, width, height, ink)


def _strokes(text: str, row: AnyRow) -> tuple[Stroke, ...]:
    return parse_strokes(json.loads(f"[{text}]"), width=row.width, height=row.height)


def mask_files(session: Session, study_id: int) -> Iterator[ExportMember]:
    """`masks/<annotation_id>.png`, greyscale, 255 where painted."""
    for one in masks(session, study_id):
        yield ExportMember(f"masks/{one.annotation_id}.png", iter([mask_png(one)]))


def mask_png(one: AnnotationMask) -> bytes:
    """A mask as greyscale PNG of the size of its image; the same mask gives the same bytes."""
    whole = np.zeros((one.height, one.width), dtype=np.uint8)
    whole[one.ink.box.slices] = one.ink.mask * 255
    return bytes(cv2.imencode(".png", whole, PNG_OPTIONS)[1])


def coco_chunks(session: Session, study_id: int, images: Iterable[AnyRow]) -> Chunks:
    """The masks as one COCO document, piece by piece: images, one category, an annotation for each mask."""
    categories = [{"id": PAINTED, "name": "painted"}]
    yield b'{"images":['
    separator = ""
    for image in images:
        yield (separator + _json(_described(image))).encode()
        separator = ","
    yield f'],"categories":{_json(categories)},"annotations":['.encode()
    separator = "\n"
    for one in masks(session, study_id):
        yield (separator + _json(coco_annotation(one))).encode()
        separator = ",\n"
    yield b"\n]}\n"


def _described(image: AnyRow) -> dict[str, Any]:
    name = f"{image.image_id}.png"
    return {"id": image.image_id, "width": image.width, "height": image.height, "file_name": name}


def coco_annotation(one: AnnotationMask) -> dict[str, Any]:
    """A mask as COCO has it; `area` is its pixels and `bbox` is [left, top, width, height]."""
    counts = encode_counts(run_lengths(one.ink, width=one.width, height=one.height))
    box = _tight(one.ink)
    return {
        "id": one.annotation_id,
        "image_id": one.image_id,
        "category_id": PAINTED,
        "iscrowd": 0,
        "area": one.ink.pixels,
        "bbox": [box.left, box.top, box.width, box.height],
        "segmentation": {"size": [one.height, one.width], "counts": counts},
    }


def _tight(ink: Ink) -> Box:
    """Where anything is painted; an eraser leaves the box of an ink wider than that."""
    if not ink.pixels:
        return Box(0, 0, 0, 0)
    inner, left, top = Ink.of(ink.mask).box, ink.box.left, ink.box.top
    return Box(left + inner.left, top + inner.top, left + inner.right, top + inner.bottom)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
