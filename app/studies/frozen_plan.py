"""The plan of a study, frozen when it opens."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from app.models import Study
from app.studies.versions import first_version

PAID_BY: Final = ("endings", "completion_url")
"""Keys of a description by which people are paid: in no export, and so in no plan."""


def plan_document(slug: str, description: Mapping[str, Any]) -> bytes:
    """The plan with the design that it was made for, as JSON: what `sha256sum plan.json` reads.

    description : of the first version, as it is stored; empty where it has no plan
    """
    if not description.get("plan"):
        return b""
    design = {key: value for key, value in description.items() if key not in (*PAID_BY, "plan")}
    document = {"study": slug, "plan": description["plan"], "design": design}
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def freeze(study: Study) -> None:
    """Keep the hash of the plan that a study opens with."""
    document = plan_document(study.slug, study.spec)
    study.plan_hash = hashlib.sha256(document).hexdigest() if document else None


def frozen_document(session: Session, study: Study) -> bytes:
    """The plan as it was frozen; empty of a draft and of a study without one."""
    first = first_version(session, study)
    return plan_document(study.slug, first.spec) if first and study.plan_hash else b""
