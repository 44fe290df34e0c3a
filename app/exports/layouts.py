"""Exports laid out as other tools expect them. What a file holds is what the plain export holds."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from app.db import AnyRow, streamed
from app.exports import queries
from app.exports.archives import ExportMember
from app.exports.cells import csv_chunks
from app.exports.dictionary import ExportField, ExportFile, FieldType
from app.exports.facts import VERSION, DatasetFacts, cite_as
from app.models import Label, Split, Study

SCHEMA_TYPES: Final = {
    FieldType.INTEGER: "https://schema.org/Integer",
    FieldType.NUMBER: "https://schema.org/Number",
    FieldType.BOOLEAN: "https://schema.org/Boolean",
    FieldType.TIME: "https://schema.org/DateTime",
}

IGNORED: Final = ".psychds-ignore"


def as_psych_ds(
    facts: DatasetFacts, files: Iterable[ExportMember], described: Mapping[str, ExportFile]
) -> Iterator[ExportMember]:
    """The files of a plain export in the layout of Psych-DS (https://psych-ds.github.io).

    A table is `data/study-…_description-…_data.csv` with its columns beside it; all else is in `data/raw`.
    """
    yield ExportMember(IGNORED, iter([b"SHA256SUMS\nCITATION.cff\n"]))
    yield ExportMember("dataset_description.json", iter([_described(facts, described.values())]))
    for member in files:
        if member.name in ("README.md", "CITATION.cff"):
            yield member
        elif member.name.endswith(".csv"):
            file = described[member.name]
            stem = _data_name(facts.slug, member.name)
            yield ExportMember(f"data/{stem}.csv", member.chunks)
            variables = {"variableMeasured": [_variable(one) for one in file.fields]}
            yield ExportMember(f"data/{stem}.json", iter([_json(variables)]))
        else:
            yield ExportMember(f"data/raw/{member.name}", member.chunks)


def _data_name(slug: str, name: str) -> str:
    """Keywords and values: a value is letters and digits alone."""
    values = (re.sub("[^A-Za-z0-9]", "", text) for text in (slug, Path(name).stem))
    return "study-{}_description-{}_data".format(*values)


def _described(facts: DatasetFacts, files: Iterable[ExportFile]) -> bytes:
    """`dataset_description.json`: a schema.org Dataset with every column of every table."""
    fields = {one.name: one for file in files for one in file.fields}
    metadata = {
        "@context": "https://schema.org",
        "@type": "Dataset",
        "name": facts.title,
        "description": facts.abstract,
        "schemaVersion": "Psych-DS 1.0",
        "version": VERSION,
        "datePublished": facts.released.isoformat(),
        "citation": cite_as(facts),
        "creator": [{"@type": "Person", "name": name} for name in facts.creators],
        "license": facts.license,
        "url": facts.url,
        "variableMeasured": [_variable(one) for one in fields.values()],
    }
    return _json({name: value for name, value in metadata.items() if value not in ("", [])})


def _variable(field: ExportField) -> dict[str, Any]:
    """A column as schema.org has it."""
    unit = re.search(r"\((.+?)\)", field.kind)
    metadata = {
        "@type": "PropertyValue",
        "name": field.name,
        "description": field.meaning,
        "unitText": unit[1] if unit else None,
        "valueReference": SCHEMA_TYPES.get(field.type),
    }
    return {name: value for name, value in metadata.items() if value is not None}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


FOLDER_OF_SPLIT: Final = {None: "train", Split.TRAIN: "train", Split.VAL: "validation", Split.TEST: "test"}

METADATA: Final = (
    *("file_name", "map_file_name", "image_id", "label", "source", "group", "width", "height"),
    *("face_x", "face_y", "face_width", "face_height", "generated", "annotators", "coverage", "entropy"),
    "agreement",
)
"""Columns of `metadata.csv`. `file_name` is what ImageFolder asks for; it loads `map_file_name`, too."""


def as_image_folder(
    session: Session,
    study: Study,
    facts: DatasetFacts,
    *,
    map_set_id: int | None,
    picture: Callable[[str], bytes],
) -> Iterator[ExportMember]:
    """Images and maps as Hugging Face's ImageFolder reads them; an image without a split is for training.

    `picture` gives the bytes of a blob.
    """
    splits = sorted({FOLDER_OF_SPLIT[split] for split in session.scalars(queries.splits(study.id))})
    yield ExportMember("README.md", iter([_card(facts, splits)]))
    for folder in splits:
        query = queries.images_with_maps(study.id, map_set_id, _splits_in(folder))
        rows = (_metadata(image) for image in streamed(session, query))
        yield ExportMember(f"{folder}/metadata.csv", csv_chunks(METADATA, rows))
        for image in streamed(session, query):
            name = f"{image.image_id}.png"
            yield ExportMember(f"{folder}/{name}", iter([picture(image.content_hash)]))
            if image.blob_hash:
                yield ExportMember(f"{folder}/maps/{name}", iter([picture(image.blob_hash)]))


def _splits_in(folder: str) -> list[Split | None]:
    return [split for split, name in FOLDER_OF_SPLIT.items() if name == folder]


def _metadata(image: AnyRow) -> list[Any]:
    fields = dict(image._mapping)
    fields["file_name"] = f"{image.image_id}.png"
    fields["map_file_name"] = f"maps/{image.image_id}.png" if image.blob_hash else None
    return [fields[name] for name in METADATA]


def _card(facts: DatasetFacts, folders: Iterable[str]) -> bytes:
    """A dataset card: the head tells Hugging Face where the splits are."""
    splits = [f"      - split: {folder}\n        path: {folder}/**\n" for folder in folders]
    head = "configs:\n  - config_name: default\n    drop_labels: true\n    data_files:\n" + "".join(splits)
    labels = " or ".join(Label)
    text = (
        f"# {facts.title}\n\n{facts.abstract}\n\n"
        f"`metadata.csv` of each split has one row per image; `label` is {labels}. `map_file_name` is the "
        "saliency map of an image, 16-bit greyscale, 65535 = 1.0; empty where nobody painted. Cite as:\n\n"
        f"> {cite_as(facts)}\n"
    )
    licence = f"license: {json.dumps(facts.license.lower())}\n" if facts.license else ""
    return f"---\n{licence}{head}---\n\n{text}".encode()
