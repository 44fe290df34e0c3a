"""An export as Croissant 1.0 (https://docs.mlcommons.org/croissant), with the fields of Croissant RAI.

Data loaders read the tables by it, and it says how the data came to be, as conferences ask.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from app.exports.cells import time_text
from app.exports.dictionary import FILES, ExportField, ExportFile, FieldType
from app.exports.facts import VERSION, DatasetFacts, cite_as

NAME: Final = "croissant.json"

_TERMS: Final = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet"),
    *("format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
    *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField"),
    "transform",
)
CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}

TYPES: Final = {
    FieldType.TEXT: "sc:Text",
    FieldType.INTEGER: "sc:Integer",
    FieldType.NUMBER: "sc:Float",
    FieldType.BOOLEAN: "sc:Boolean",
    FieldType.TIME: "sc:DateTime",
    FieldType.JSON: "sc:Text",
}
"""Lists are left out: a record set has one value in a field."""

ENCODINGS: Final = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".parquet": "application/x-parquet",
    ".md": "text/markdown",
    ".cff": "application/yaml",
    ".png": "image/png",
    ".npy": "application/octet-stream",
}


def croissant(facts: DatasetFacts, sums: Mapping[str, str]) -> bytes:
    """The description of an export whose files have these SHA-256 sums."""
    document = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": facts.slug,
        "alternateName": facts.title,
        "description": facts.abstract,
        "version": VERSION,
        "datePublished": facts.released.isoformat(),
        "citeAs": cite_as(facts),
        "creator": [{"@type": "sc:Person", "name": name} for name in facts.creators],
        "license": facts.license,
        "url": facts.url,
        **{f"rai:{name}": value for name, value in responsible_ai(facts).items()},
        "distribution": [*_objects(sums), *_sets(sums)],
        "recordSet": [_records(file) for file in FILES if _has_rows(file, sums)],
    }
    present = {name: value for name, value in document.items() if value not in ("", [])}
    return (json.dumps(present, indent=1, ensure_ascii=False) + "\n").encode()


def responsible_ai(facts: DatasetFacts) -> dict[str, Any]:
    """How the data came to be, as far as the platform knows it; whoever publishes them adds the rest."""
    return {
        "dataCollection": (
            "In a browser, participants saw pairs of one real and one synthetic face and decided which is "
            "real, or which is fake. In some arms they painted on the chosen face why. "
            f"The arms are {_listed(facts.arms)}; those that paint are {_listed(facts.painting_arms)}."
        ),
        "dataCollectionType": ["Experiments"],
        "dataCollectionTimeFrame": [time_text(facts.began_at), time_text(facts.ended_at)],
        "dataCollectionMissingData": (
            "Pairs that nobody decided are left out. Decisions and annotations of the "
            f"{facts.withdrawn} participants who withdrew were removed. An empty cell means none."
        ),
        "dataCollectionRawData": "Strokes and times are as the browser sent them; nothing was changed since.",
        "dataPreprocessingProtocol": [
            "A mask is the pixels that the strokes of an annotation cover.",
            "A map is the merged, blurred and scaled masks of one image, by the parameters in study.json.",
        ],
        "dataAnnotationProtocol": (
            "Consent, instructions, and where study.json has them: a quiz, practice with feedback, hidden "
            "checks of attention and closing questions. Their texts are in study.json."
        ),
        "dataAnnotationPlatform": ["Cyborg", *facts.sources],
        "annotationsPerItem": (
            f"{facts.judgements_wanted} judgements wanted for each pair and question in each arm."
        ),
        "annotatorDemographics": "Nothing beyond what the closing questions asked; see answers.csv.",
        "machineAnnotationTools": (
            [f"{facts.programs} participants are programs; simulated is true in their rows."]
            if facts.programs
            else []
        ),
        "dataUseCases": [
            "How well people tell synthetic faces from real ones, and what they look at.",
            "Training detectors of synthetic faces with maps of where people looked.",
        ],
        "dataBiases": [
            f"Participants came by {_listed(facts.sources)} and are no sample of any population.",
            "The images are those that the laboratory chose.",
        ],
        "dataLimitations": [
            "Times are those of the participants' own browsers.",
            "What people paint after they decided is not all that they looked at.",
        ],
        "personalSensitiveInformation": [
            "Images show faces.",
            "Participants have random ids; names, worker ids and addresses are in no file.",
            "Free texts in answers.csv may tell who wrote them; read them before publication.",
        ],
    }


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words) or "none"


def _objects(sums: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for name, digest in sums.items():
        if "/" not in name:
            yield {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": name,
                "encodingFormat": ENCODINGS[Path(name).suffix],
                "sha256": digest,
            }


def _sets(sums: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Files of one kind in one folder."""
    kinds = dict.fromkeys((Path(name).parts[0], Path(name).suffix) for name in sums if "/" in name)
    for folder, suffix in kinds:
        yield {
            "@type": "cr:FileSet",
            "@id": f"{folder}{suffix}",
            "name": f"{folder}{suffix}",
            "encodingFormat": ENCODINGS[suffix],
            "includes": f"{folder}/*{suffix}",
        }


def _has_rows(file: ExportFile, sums: Mapping[str, str]) -> bool:
    return file.name in sums and not file.name.endswith(".json")


def _records(file: ExportFile) -> dict[str, Any]:
    name = Path(file.name).stem
    fields = [_field(name, file, one) for one in file.fields if one.type in TYPES]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": file.about,
        "field": fields,
    }


def _field(table: str, file: ExportFile, field: ExportField) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{field.name}",
        "name": field.name,
        "description": f"{field.meaning} ({field.kind})",
        "dataType": TYPES[field.type],
        "source": {"fileObject": {"@id": file.name}, "extract": {"column": field.name}},
    }
