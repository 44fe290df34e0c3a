"""Valid rows with defaults; a test names only what it is about."""

from datetime import UTC, datetime, timedelta

import factory
from factory import LazyAttribute, LazyFunction, Sequence, SubFactory
from factory.alchemy import SQLAlchemyModelFactory
from sqlalchemy import Connection

from app import models

SESSION_HOLDER: dict[str, object] = {}


class Row(SQLAlchemyModelFactory):
    class Meta:
        abstract = True
        sqlalchemy_session_factory = lambda: SESSION_HOLDER["session"]  # noqa: E731

    @classmethod
    def _save(cls, model_class, session, args, kwargs):
        """Written at once; committed only where another connection must see the row."""
        row = model_class(*args, **kwargs)
        session.add(row)
        if isinstance(session.get_bind(), Connection):
            session.flush()
        else:
            session.commit()
        return row


class StaffFactory(Row):
    class Meta:
        model = models.Staff

    email = Sequence(lambda n: f"staff{n}@lab.example")
    name = "A Colleague"
    role = models.Role.EDITOR
    password_hash: str | None = None


class ImageFactory(Row):
    class Meta:
        model = models.Image

    content_hash = Sequence(lambda n: f"content{n}")
    display_hash = Sequence(lambda n: f"{n:064x}")
    display_bytes = 1000
    label = models.Label.REAL
    source = LazyAttribute(lambda image: "camera" if image.label is models.Label.REAL else "generator")
    width = 64
    height = 64
    original_name = Sequence(lambda n: f"{n}.png")


class StudyFactory(Row):
    class Meta:
        model = models.Study

    slug = Sequence(lambda n: f"study-{n}")
    title = "Which face is real?"
    state = models.StudyState.OPEN
    trials_per_participant = 4
    judgements = 2
    min_strokes = 1
    lease = timedelta(hours=1)
    consent = "I take part."
    consent_version = "v1"
    instructions = "Look closely."
    spec = LazyFunction(dict)


class ArmFactory(Row):
    class Meta:
        model = models.Arm

    study_id = LazyAttribute(lambda _arm: StudyFactory().id)
    name = Sequence(lambda n: f"arm{n}")
    annotate = True


class PairFactory(Row):
    class Meta:
        model = models.Pair

    study_id = LazyAttribute(lambda _pair: StudyFactory().id)
    real_image_id = LazyFunction(lambda: ImageFactory(label=models.Label.REAL).id)
    fake_image_id = LazyFunction(lambda: ImageFactory(label=models.Label.FAKE).id)
    served_bytes = 4096


class QuotaFactory(Row):
    class Meta:
        model = models.Quota

    wanted = 2
    question = models.Question.REAL


class ParticipantFactory(Row):
    class Meta:
        model = models.Participant

    class Params:
        arm = SubFactory(ArmFactory)

    study_id = LazyAttribute(lambda participant: participant.arm.study_id)
    arm_id = LazyAttribute(lambda participant: participant.arm.id)
    source = models.Source.LINK
    consent_version = "v1"
    lease_expires_at = LazyFunction(lambda: datetime.now(UTC) + timedelta(hours=1))
    client = LazyFunction(dict)


class TrialFactory(Row):
    class Meta:
        model = models.Trial

    class Params:
        pair = SubFactory(PairFactory)
        participant = SubFactory(ParticipantFactory)

    participant_id = LazyAttribute(lambda trial: trial.participant.id)
    pair_id = LazyAttribute(lambda trial: trial.pair.id)
    left_image_id = LazyAttribute(lambda trial: trial.pair.real_image_id)
    right_image_id = LazyAttribute(lambda trial: trial.pair.fake_image_id)
    question = models.Question.REAL
    position = Sequence(lambda n: n)


class DecisionFactory(Row):
    class Meta:
        model = models.Decision

    class Params:
        trial = SubFactory(TrialFactory, state=models.TrialState.DECIDED)

    trial_id = LazyAttribute(lambda decision: decision.trial.id)
    choice = models.Side.LEFT
    chosen_image_id = LazyAttribute(lambda decision: decision.trial.image_on(decision.choice))
    correct = True
    decision_ms = 1500.0
    events = LazyFunction(list)
    body_hash = Sequence(lambda n: f"body{n}")


class AnnotationFactory(Row):
    class Meta:
        model = models.Annotation

    class Params:
        decision = SubFactory(DecisionFactory)

    decision_id = LazyAttribute(lambda annotation: annotation.decision.id)
    image_id = LazyAttribute(lambda annotation: annotation.decision.chosen_image_id)


class StrokeFactory(Row):
    class Meta:
        model = models.Stroke

    annotation_id = LazyFunction(lambda: AnnotationFactory().id)
    position = Sequence(lambda n: n)
    tool = models.Tool.BRUSH
    radius = 5.0
    points = LazyFunction(lambda: [[10.0, 10.0, 0.0], [20.0, 10.0, 40.0]])


__all__ = [name for name in dir() if name.endswith("Factory")] + ["factory"]
