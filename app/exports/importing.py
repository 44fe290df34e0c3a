"""An export read back into an empty platform, all of it or nothing: exported again, it is the same bytes."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from io import BytesIO
from itertools import groupby, islice
from typing import Any, Final

from PIL import Image as Picture
from pydantic import ValidationError
from sqlalchemy import and_, func, insert, select, text, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.orm import Session

from app.errors import BadInput, WrongState
from app.exports import dictionary
from app.exports.opening import OpenedExport, Row
from app.models import (
    Annotation,
    Arm,
    Decision,
    Image,
    ImageAdvice,
    JobState,
    MapSet,
    Pair,
    Participant,
    QualityFlag,
    Question,
    QuizAttempt,
    Quota,
    RegionCheck,
    SaliencyMap,
    Stroke,
    Study,
    StudyVersion,
    Trial,
    TrialKind,
    TrialState,
    is_judgement,
)
from app.stimuli.encode import jpeg
from app.storage import BlobStore
from app.studies.padding import served_bytes
from app.studies.schemas import StudySpec, sentence
from app.studies.service import content_of
from app.studies.versions import CONTENT

ROWS_AT_A_TIME: Final = 1_000

NUMBERED: Final = (Image, Pair, RegionCheck, Decision, Annotation)
"""Tables whose rows keep their ids, which exports name."""

Progress = Callable[[str], None]


def import_export(
    session: Session, blobs: BlobStore, export: OpenedExport, *, on_step: Progress = lambda _step: None
) -> Study:
    """Write the study of an export, with images, participants, work, flags and maps; the caller commits.

    Left out is what no export holds: worker ids, tokens, completion codes, and trials without a decision.

    Raises
    ------
    WrongState: there are studies, images or participants already
    BadInput: the export lacks images, or contradicts itself
    """
    _check_empty(session)
    _check_complete(export)
    try:
        study = _Import(session, blobs, export, on_step).run()
        session.flush()
    except (IntegrityError, DataError) as error:
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        raise BadInput(f"The export contradicts itself: {constraint or 'a value cannot be'}.") from None
    except DBAPIError:
        raise  # the database, not the export
    except StatementError as error:
        raise BadInput(f"The export contradicts itself: {error.orig}.") from None
    return study


def _check_empty(session: Session) -> None:
    session.execute(text("LOCK TABLE study, image, participant IN SHARE ROW EXCLUSIVE MODE"))
    for model, word in ((Study, "studies"), (Image, "images"), (Participant, "participants")):
        if session.scalar(select(func.count()).select_from(model)):
            raise WrongState(
                f"There are {word} already; an export is imported into an empty platform, "
                "because it brings the ids of its images, pairs and decisions."
            )


def _check_complete(export: OpenedExport) -> None:
    needed = {file.name for file in dictionary.FILES if file is not dictionary.MAPS}
    if missing := sorted(needed - export.names):
        raise BadInput(f"The export has no {missing[0]}.")
    if not any(name.startswith("images/") for name in export.names):
        raise BadInput("The export has no images; make one with `cyborg export --images`.")


class _Known(dict[Any, int]):
    """What has been written; BadInput where something is named that has not."""

    def __missing__(self, name: Any) -> int:
        raise BadInput(f"The export contradicts itself: there is no {name!r}.")


class _Import:
    """One import. Rows that were written are looked up by those that refer to them."""

    def __init__(self, session: Session, blobs: BlobStore, export: OpenedExport, on_step: Progress) -> None:
        self.session = session
        self.blobs = blobs
        self.export = export
        self.on_step = on_step
        self.document = export.document(dictionary.STUDY)
        self.arms = _Known()
        self.bytes_of_image = _Known()

    def run(self) -> Study:
        self._add(Image, self._images())
        study = self._study()
        self._add(Pair, self._pairs(study.id))
        self._add(RegionCheck, self._region_checks(study.id))
        self._add(ImageAdvice, self._advice(study.id))
        self._add(Quota, self._quotas(study))
        self._add(Participant, self._participants(study.id))
        self._add(QuizAttempt, self._quiz())
        self._add(Trial, map(_trial, self.export.rows(dictionary.DECISIONS)))
        self._add(Decision, self._decisions())
        for file in (dictionary.ANNOTATIONS, dictionary.OTHER_ANNOTATIONS):
            self._add(Annotation, map(_annotation, self.export.lines(file)))
            self._add(Stroke, (one for line in self.export.lines(file) for one in _strokes(line)))
        self._add(QualityFlag, map(_flag, self.export.rows(dictionary.FLAGS)))
        _take_places(self.session, study)
        self._maps(study)
        _continue_numbers(self.session)
        return study

    def _add(self, model: Any, rows: Iterable[Row]) -> None:
        remaining, done = iter(rows), 0
        while some := list(islice(remaining, ROWS_AT_A_TIME)):
            self.session.execute(insert(model), some)
            done += len(some)
            self.on_step(f"{model.__tablename__} {done}")

    def _images(self) -> Iterator[Row]:
        for row in self.export.rows(dictionary.IMAGES):
            image_id = row["image_id"]
            own = {name: row[name] for name in dictionary.IMAGES.names if name != "image_id"}
            content = self._picture(f"images/{image_id}.png")
            if sha256(content).hexdigest() != own["content_hash"]:
                raise BadInput(f"images/{image_id}.png is not the image that images.csv names.")
            display = _display(content)
            self.bytes_of_image[image_id] = len(display)
            self.blobs.put(content)
            shown = {"display_hash": self.blobs.put(display), "display_bytes": len(display)}
            yield {"id": image_id} | own | shown

    def _picture(self, name: str) -> bytes:
        if name not in self.export.names:
            raise BadInput(f"The export has no {name}.")
        return self.export.bytes_of(name)

    def _study(self) -> Study:
        document = self.document
        given = {name: document[name] for name in dictionary.STUDY.names if name in Study.__table__.columns}
        study = Study(
            **given,
            slug=document["study"],
            lease=timedelta(minutes=document["lease_minutes"]),
            spec=document["description"],
        )
        self.session.add(study)
        self.session.flush()
        self.session.add_all(self._version(study, one) for one in document["versions"])
        for arm in document["arms"]:
            row = Arm(study_id=study.id, **arm)
            self.session.add(row)
            self.session.flush()  # one after the other: an export has them in the order of their ids
            self.arms[row.name] = row.id
        return study

    def _version(self, study: Study, version: Row) -> StudyVersion:
        """A version as it was, but for what people were paid by."""
        own = {"number": version["number"], "reason": version["reason"], "spec": version["description"]}
        said = {name: getattr(study, name) for name in CONTENT}
        if version["number"] != study.version:
            try:
                said = content_of(StudySpec.model_validate(version["description"]))
            except ValidationError as error:
                raise BadInput(f"Version {version['number']} of the study: {sentence(error)}") from None
        made_at = datetime.fromisoformat(version["made_at"])
        return StudyVersion(study_id=study.id, made_at=made_at, **{**said, **own})

    def _pairs(self, study_id: int) -> Iterator[Row]:
        for row in self.export.rows(dictionary.PAIRS):
            images = {name: row[name] for name in ("real_image_id", "fake_image_id")}
            yield {
                "id": row["pair_id"],
                "study_id": study_id,
                "kind": row["kind"],
                "served_bytes": self._served(*images.values()),
            } | images

    def _served(self, *images: int) -> int:
        return served_bytes(*(self.bytes_of_image[one] for one in images))

    def _region_checks(self, study_id: int) -> Iterator[Row]:
        for row in self.export.rows(dictionary.REGION_CHECKS):
            own = {name: row[name] for name in dictionary.REGION_CHECKS.names if name != "region_check_id"}
            numbers = {"id": row["region_check_id"], "study_id": study_id}
            yield own | numbers | {"served_bytes": self._served(row["image_id"])}

    def _advice(self, study_id: int) -> Iterator[Row]:
        for row in self.export.rows(dictionary.ADVICE):
            heat = self._picture(f"advice/{row['image_id']}.png") if row["has_map"] else None
            yield {
                "study_id": study_id,
                "image_id": row["image_id"],
                "score": row["score"],
                "map_hash": heat and self.blobs.put(heat),
                "map_bytes": heat and len(heat),
            }

    def _quotas(self, study: Study) -> Iterator[Row]:
        for pair in self.export.rows(dictionary.PAIRS):
            if pair["kind"] == TrialKind.MAIN:
                for arm in self.arms.values():
                    for question in Question:
                        yield {
                            "arm_id": arm,
                            "pair_id": pair["pair_id"],
                            "question": question,
                            "wanted": study.judgements,
                        }

    def _participants(self, study_id: int) -> Iterator[Row]:
        passed = {row["participant"]: row["attempted_at"] for row in self._passed()}
        devices = {row["participant"]: _device(row) for row in self.export.rows(dictionary.DEVICES)}
        answers = self._answers()
        for row in self.export.rows(dictionary.PARTICIPANTS):
            who = row["participant"]
            kept = (
                "state",
                "study_version",
                "consent_version",
                "consented_at",
                "finished_at",
                "screened_out_at",
                "excluded_at",
                "exclusion",
                "pastes",
                "drops",
            )
            yield {
                "id": who,
                "study_id": study_id,
                "arm_id": self.arms[row["arm"]],
                "source": row["recruited_through"],
                "lease_expires_at": row["consented_at"],
                "screened_out_by": row["screened_out_by"],
                "client": row["client"],
                "device": devices.get(who),
                "quiz_passed_at": passed.get(who),
                **answers.get(who, {"answers": None, "answered_at": None}),
                **{name: row[name] for name in kept},
            }

    def _passed(self) -> Iterator[Row]:
        return (row for row in self.export.rows(dictionary.QUIZ) if row["passed"])

    def _answers(self) -> dict[str, Row]:
        rows = self.export.rows(dictionary.ANSWERS)
        found: dict[str, Row] = {}
        for who, given in groupby(rows, key=lambda row: row["participant"]):
            of_one = list(given)
            answers = {row["question_id"]: row["answer"] for row in of_one}
            found[who] = {"answers": answers, "answered_at": of_one[0]["answered_at"]}
        return found

    def _quiz(self) -> Iterator[Row]:
        for row in self.export.rows(dictionary.QUIZ):
            kept = ("number", "answers", "wrong", "attempted_at")
            yield {"participant_id": row["participant"]} | {name: row[name] for name in kept}

    def _decisions(self) -> Iterator[Row]:
        """Decisions with their events; both files have one order."""
        groups = groupby(self.export.rows(dictionary.EVENTS), key=lambda row: row["decision_id"])
        owner, events = next(groups, (None, iter(())))
        for row in self.export.rows(dictionary.DECISIONS):
            is_own = owner == row["decision_id"]
            yield _decision(row, [_event(event) for event in events] if is_own else [])
            if is_own:
                owner, events = next(groups, (None, iter(())))
        if owner is not None:
            raise BadInput(f"events.csv has events of a decision {owner} where there is none.")

    def _maps(self, study: Study) -> None:
        if self.document["map_set"] is None:
            return
        map_set = MapSet(
            study_id=study.id, state=JobState.SUCCEEDED, built_at=func.now(), **self.document["map_set"]
        )
        self.session.add(map_set)
        self.session.flush()
        self._add(SaliencyMap, self._map_rows(map_set.id))

    def _map_rows(self, map_set_id: int) -> Iterator[Row]:
        for row in self.export.rows(dictionary.MAPS):
            kept = ("image_id", "annotators", "coverage", "entropy", "agreement")
            blob = self.blobs.put(self._picture(f"maps/{row['image_id']}.png"))
            yield {"map_set_id": map_set_id, "blob_hash": blob} | {name: row[name] for name in kept}


def _display(content: bytes) -> bytes:
    """What participants see of a stored image, as at its first import."""
    with Picture.open(BytesIO(content)) as picture:
        return jpeg(picture.convert("RGB"))


def _device(row: Row) -> Row:
    sizes = {name: row[f"window_{name}"] for name in ("width", "height")}
    rest = {name: row[name] for name in ("pixel_ratio", "pointer", "touch", "images_load", "passed")}
    return {name: value for name, value in (sizes | rest).items() if value is not None}


def _trial(row: Row) -> Row:
    kept = ("pair_id", "region_check_id", "question", "position", "kind", "left_image_id", "right_image_id")
    advised = {"decision": row["advised_side"], "confidence": row["advised_confidence"]}
    return {
        "id": row["trial_id"],
        "participant_id": row["participant"],
        "state": TrialState.DECIDED,
        "advice": advised if row["advised_side"] else None,
        "shown_at": row["shown_at"],
    } | {name: row[name] for name in kept}


def _decision(row: Row, events: list[Row]) -> Row:
    kept = ("trial_id", "choice", "chosen_image_id", "correct", "region_iou", "decision_ms", "annotation_ms")
    of_request = f"imported {row['decision_id']} {row['trial_id']}"
    return {
        "id": row["decision_id"],
        "events": events,
        "body_hash": sha256(of_request.encode()).hexdigest(),
        "decided_at": row["decided_at"],
    } | {name: row[name] for name in kept}


def _event(row: Row) -> Row:
    values = {"kind": row["kind"], "t_ms": row["t_ms"]}
    return {name: value for name, value in values.items() if value is not None} | dict(row["detail"])


def _annotation(line: Row) -> Row:
    return {
        "id": line["annotation_id"],
        "decision_id": line["decision_id"],
        "image_id": line["image_id"],
    }


def _strokes(line: Row) -> Iterator[Row]:
    for position, stroke in enumerate(line["strokes"]):
        yield {"annotation_id": line["annotation_id"], "position": position} | stroke


def _flag(row: Row) -> Row:
    kept = ("kind", "trial_id", "detail", "raised_at")
    return {"participant_id": row["participant"]} | {name: row[name] for name in kept}


def _take_places(session: Session, study: Study) -> None:
    """Count the judgements that there are as places taken; never more than are wanted."""
    judged = (
        select(Participant.arm_id, Trial.pair_id, Trial.question, func.count().label("number"))
        .join(Trial, Trial.participant_id == Participant.id)
        .where(Participant.study_id == study.id, is_judgement())
        .group_by(Participant.arm_id, Trial.pair_id, Trial.question)
        .subquery()
    )
    same = and_(
        Quota.arm_id == judged.c.arm_id,
        Quota.pair_id == judged.c.pair_id,
        Quota.question == judged.c.question,
    )
    session.execute(update(Quota).where(same).values(taken=func.least(Quota.wanted, judged.c.number)))


def _continue_numbers(session: Session) -> None:
    """What comes later gets ids of its own."""
    for model in NUMBERED:
        numbers = func.pg_get_serial_sequence(model.__tablename__, "id")
        highest = select(func.max(model.id)).scalar_subquery()
        session.execute(select(func.setval(numbers, highest)))
