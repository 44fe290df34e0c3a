"""A study as TOML, and back: what is written here, `StudySpec` reads as the same study."""

from collections.abc import Mapping
from typing import Any

import tomli_w
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Image, ImageAdvice, Study
from app.studies.parts import BLOB_NAME, part_in
from app.studies.schemas import StudySpec


def to_toml(spec: StudySpec) -> str:
    """A description that is complete in itself: listed pairs stand in it, and defaults are written out."""
    return written(spec.model_dump(mode="json"))


def written(description: Mapping[str, Any]) -> str:
    """A description as it is stored, as TOML, its keys in the order of the reference."""
    return tomli_w.dumps(_said(_in_order(description, StudySpec)), multiline_strings=True, indent=2)


def _in_order(value: Any, part: type[BaseModel] | None) -> Any:
    """The database keeps no order of keys; keys that are unknown today come last."""
    if part is None:
        return value
    if isinstance(value, Mapping):
        known = {
            key: _in_order(value[key], part_in(field.annotation))
            for key, field in part.model_fields.items()
            if key in value
        }
        return {**known, **{key: one for key, one in value.items() if key not in known}}
    return [_in_order(one, part) for one in value] if isinstance(value, list) else value


def _said(value: Any) -> Any:
    """Without what is not said: TOML has no null, and an empty list or table says nothing."""
    if isinstance(value, Mapping):
        kept = {key: _said(one) for key, one in value.items() if key != "where"}
        return {key: one for key, one in kept.items() if one is not None and one not in ([], {})}
    if isinstance(value, list):
        return [_said(one) for one in value]
    return value


def description_of(session: Session, study: Study) -> dict[str, Any]:
    """The description of a study as it is stored, with each map of advice by the name that it is kept under.

    Studies of earlier versions name the files that the maps were made of, on the machine of whoever did.
    """
    description: dict[str, Any] = dict(study.spec)
    lines = (description.get("advice") or {}).get("listed", ())
    if any(line["map"] and not BLOB_NAME.fullmatch(line["map"]) for line in lines):
        columns = (Image.content_hash, ImageAdvice.score, ImageAdvice.map_hash)
        of_study = ImageAdvice.study_id == study.id
        rows = session.execute(select(*columns).join(Image, Image.id == ImageAdvice.image_id).where(of_study))
        kept = [{"image": image, "score": score, "map": name} for image, score, name in rows]
        description["advice"] = {"listed": sorted(kept, key=lambda line: str(line["image"]))}
    return description


def toml_of(session: Session, study: Study) -> str:
    """A study of any state as TOML that makes the same study again."""
    return written(description_of(session, study))
