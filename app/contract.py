"""Types and numbers that the participant's page shares with the server; `make contract` writes them.

`annotation_ui/participant.d.ts` has each call with its types, from the OpenAPI document.
`annotation_ui/static/core/contract.js` has the numbers that both compute with, from the Python constants.
"""

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from annotation_ui import STATIC
from app.main import create_app
from app.recruitment.schemas import PageData
from app.settings import Settings
from app.trials import decisions, schemas
from saliency.masks import brushes, lassos, strokes, work

Schema = Mapping[str, Any]
Types = Mapping[str, Schema]

TYPES_FILE: Final = STATIC.parent / "participant.d.ts"
NUMBERS_FILE: Final = STATIC / "core" / "contract.js"

COMPONENTS: Final = "#/components/schemas/"
PRIMITIVES: Final = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "null": "null",
}

SHAPING: Final = frozenset(
    {
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "enum",
        "items",
        "prefixItems",
        "properties",
        "required",
        "type",
    }
)
"""Keywords that decide the type."""

SILENT: Final = frozenset(
    {"default", "description", "format", "maxItems", "maxLength", "maxProperties", "maximum", "minItems"}
    | {"minLength", "minimum", "pattern", "propertyNames", "title"}
)
"""Keywords that TypeScript cannot express; they are left out."""

WIDTH: Final = 118  # characters of a line

TYPES_HEAD: Final = """\
/**
 * What the participant's page and the server send to each other. `make contract` writes this file from the
 * OpenAPI document; the Python classes have the same names. Browsers do not load it.
 */
"""

NUMBERS_HEAD: Final = """\
/**
 * The numbers that the page and the server both compute with. `make contract` writes this file from the
 * Python module that is named with each number.
 */
"""


def numbers() -> dict[str, tuple[Any, str]]:
    """Each number by its name, with its module and its meaning."""
    return {
        "MAX_STROKES": (strokes.MAX_STROKES, "saliency.masks.strokes: of one annotation"),
        "MAX_POINTS": (strokes.MAX_POINTS, "saliency.masks.strokes: of one annotation"),
        "MAX_WORK": (work.MAX_WORK, "saliency.masks.work: of one annotation, in px of outline"),
        "WORK_PER_MEETING": (work.PER_MEETING, "saliency.masks.work: px of outline"),
        "WORK_PER_POINT": (work.PER_POINT, "saliency.masks.work: px of outline"),
        "UNITS_PER_PX": (lassos.UNIT, "saliency.masks.lassos: corners are read to the nearest unit"),
        "TIE_PX": (
            brushes.TIE_PX,
            "saliency.masks.brushes: how far the border of a stroke is moved outwards",
        ),
        "MAX_EVENTS": (schemas.MAX_EVENTS, "app.trials.schemas: of one decision"),
        "MAX_INPUT": (schemas.MAX_INPUT, "app.trials.schemas: of one count or length of the input"),
        "LONGEST_TIME_MS": (schemas.LONGEST_TIME_MS, "app.trials.schemas: a day"),
        "MAX_ANSWER_CHARACTERS": (schemas.MAX_ANSWER_CHARACTERS, "app.trials.schemas: of one answer"),
        "PAINT_SOMETHING": (
            decisions.PAINT_SOMETHING.model_dump(),
            "app.trials.decisions: the rule of a region check",
        ),
    }


def numbers_module() -> str:
    lines = [
        f"\n/** {about} */\nexport const {name} = {_literal(value)};\n"
        for name, (value, about) in numbers().items()
    ]
    return NUMBERS_HEAD + "".join(lines)


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key}: {_literal(field)}' for key, field in value.items())} }}"
    if isinstance(value, float) and not value.is_integer():
        return repr(value).replace("e-0", "e-")
    return f"{int(value):_}"


def participant_document() -> dict[str, Any]:
    """The participant's calls of the OpenAPI document, and the types with `PageData` among them."""
    document = create_app(Settings()).openapi()
    paths = {
        path: {method: call for method, call in calls.items() if "participant" in call.get("tags", ())}
        for path, calls in document["paths"].items()
    }
    page = PageData.model_json_schema(mode="serialization", ref_template=f"{COMPONENTS}{{model}}")
    classes = document["components"]["schemas"] | page.pop("$defs") | {"PageData": page}
    types: dict[str, Schema] = {}
    for name, schema in classes.items():
        types[name] = {key: _by_name(part, types) for key, part in schema.items()}
    return {"paths": {path: calls for path, calls in paths.items() if calls}, "types": types}


def _by_name(part: Any, types: dict[str, Schema]) -> Any:
    """A part of a schema in which each nested class is replaced by a reference and added to `types`."""
    if isinstance(part, list):
        return [_by_name(item, types) for item in part]
    if not isinstance(part, Mapping):
        return part
    named = {key: _by_name(value, types) for key, value in part.items()}
    if part.get("type") == "object" and "properties" in part:
        types[part["title"]] = named
        return {"$ref": f"{COMPONENTS}{part['title']}"}
    return named


def types_module(document: Mapping[str, Any]) -> str:
    """TypeScript: first the calls, then each type where it is first needed."""
    types = document["types"]
    calls = [
        _call(path, method, call)
        for path, methods in document["paths"].items()
        for method, call in methods.items()
    ]
    interface = (
        _doc("Each call: what is sent, and what comes back.")
        + "export interface Calls {\n"
        + "".join(calls)
        + "}\n"
    )
    needed = [document["paths"], types["PageData"]]
    names = dict.fromkeys(name for part in needed for name in _names(part, types, set()))
    return "\n".join([TYPES_HEAD, interface, *(_type(name, types[name]) for name in [*names, "PageData"])])


def _call(path: str, method: str, call: Schema) -> str:
    sent = _json(call["requestBody"]) if "requestBody" in call else "null"
    back = next(_json(answer) for status, answer in call["responses"].items() if status.startswith("2"))
    return (
        _doc(call["description"], "  ")
        + f'  "{method.upper()} {path}": {{ body: {sent}; answer: {back} }};\n'
    )


def _json(message: Schema) -> str:
    return typescript(message["content"]["application/json"]["schema"])


def _names(part: Any, types: Types, seen: set[str]) -> Iterator[str]:
    """The types that a part of the document refers to, each before the types that it needs itself."""
    if isinstance(part, list):
        for item in part:
            yield from _names(item, types, seen)
    elif isinstance(part, Mapping):
        for key, value in part.items():
            if key == "422":  # FastAPI's own shape of an error, which this server replaces
                continue
            if key != "$ref":
                yield from _names(value, types, seen)
            elif (name := value.removeprefix(COMPONENTS)) not in seen and name != "JsonValue":
                seen.add(name)
                yield name
                yield from _names(types[name], types, seen)


def _type(name: str, schema: Schema) -> str:
    doc = _doc(schema.get("description", ""))
    if "properties" not in schema:
        return f"{doc}export type {name} = {typescript(schema)};\n"
    return f"{doc}export interface {name} {_fields(schema)}\n"


def _fields(schema: Schema) -> str:
    """The fields of an object between braces, each with its documentation."""
    required = schema.get("required", ())
    lines = [
        _doc(field.get("description", ""), "  ")
        + f"  {name}{'' if name in required else '?'}: {typescript(field)};\n"
        for name, field in schema["properties"].items()
    ]
    others = schema.get("additionalProperties")
    if others:
        lines.append(f"  [name: string]: {typescript(others)};\n")
    return "{\n" + "".join(lines) + "}"


def typescript(schema: Schema) -> str:
    """A JSON schema as a TypeScript type.

    ValueError : the schema has a keyword that this function does not know
    """
    if unknown := schema.keys() - SHAPING - SILENT:
        raise ValueError(f"the keyword {sorted(unknown)[0]} has no TypeScript type")
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(COMPONENTS)
        return "unknown" if name == "JsonValue" else name
    if alternatives := schema.get("anyOf"):
        return " | ".join(dict.fromkeys(typescript(alternative) for alternative in alternatives))
    if values := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return " | ".join(map(json.dumps, values))
    match schema.get("type"):
        case "array":
            return _array(schema)
        case "object":
            return _object(schema)
        case kind:
            return PRIMITIVES[kind] if kind else "unknown"


def _array(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(typescript(item) for item in schema['prefixItems'])}]"
    item = typescript(schema["items"])
    return f"readonly ({item})[]" if " | " in item else f"readonly {item}[]"


def _object(schema: Schema) -> str:
    keys = typescript(schema["propertyNames"] | {"type": "string"}) if "propertyNames" in schema else "string"
    others = schema.get("additionalProperties", {})
    value = typescript(others) if isinstance(others, Mapping) else "unknown"
    return f"{{ [name{' in' if keys != 'string' else ':'} {keys}]: {value} }}"


def _doc(text: str, indent: str = "") -> str:
    """A JSDoc comment: one line if it fits, else a block."""
    words = " ".join(text.split())
    if not words:
        return ""
    if len(indent) + len(words) + len("/**  */") <= WIDTH:
        return f"{indent}/** {words} */\n"
    lines = textwrap.wrap(words, WIDTH, initial_indent=f"{indent} * ", subsequent_indent=f"{indent} * ")
    return "\n".join([f"{indent}/**", *lines, f"{indent} */", ""])


def files() -> dict[Path, str]:
    """The content of each file that `make contract` writes."""
    return {TYPES_FILE: types_module(participant_document()), NUMBERS_FILE: numbers_module()}


def main() -> None:
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
