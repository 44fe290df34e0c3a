"""The steps of a visit, made for nobody: what the server would answer at each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import Row, func, select, text
from sqlalchemy.orm import Session, aliased

from app.deps import Visit
from app.models import (
    Advice,
    Arm,
    Image,
    ImageAdvice,
    Pair,
    Participant,
    ParticipantState,
    Question,
    RegionCheck,
    Screening,
    Source,
    Study,
    TrialKind,
)
from app.studies.advice import ModelAdvice, advise
from app.studies.padding import served_bytes
from app.studies.plan import VisitPlan, plan_of
from app.trials.addresses import PictureSlot
from app.trials.decisions import rule_of
from app.trials.endings import Ending, code_of, reason, way_out_after
from app.trials.pictures import Addresses
from app.trials.routes import questions_step, quiz_step
from app.trials.schemas import AdviceView, Completion, Done, NextStep, NextTrial, Picture, TrialView
from app.web import markdown

MOST_PRACTICE: Final = 3
MAIN_SHOWN: Final = 2
"""Trials before the break."""

ShownPair = Row[Pair, Image, Image]
"""A pair with its real and its fake image."""

SOMEBODY: Final = UUID("00000000-0000-4000-8000-000000000000")
ENDINGS: Final[tuple[Ending, ...]] = ("finished", "screened_out", "quota_full", "closed")


@dataclass(frozen=True, slots=True)
class Scene:
    """A step of a visit, what the server would answer, and what it would say of a practice decision."""

    step: str
    label: str
    answer: dict[str, Any] | None = None
    """None of a step to which no answer of the server leads."""
    fake: str | None = None


def write_nothing(session: Session) -> None:
    """Let the database refuse every change in this transaction, whatever is called in it."""
    session.execute(text("SET TRANSACTION READ ONLY"))


def arms_of(session: Session, study: Study) -> Sequence[Arm]:
    return session.scalars(select(Arm).where(Arm.study_id == study.id).order_by(Arm.id)).all()


def scenes(session: Session, study: Study, arm: Arm, addresses: Addresses) -> list[Scene]:
    """Every step of a visit in this arm, in order."""
    plan = plan_of(study)
    visit = Visit(_somebody(study, arm, ParticipantState.ACTIVE), study, arm)
    steps = [Scene("consent", "Consent"), Scene("instructions", "Instructions")]
    if plan.quiz:
        quiz = NextStep(step=quiz_step(plan, plan.quiz.attempts))
        steps.append(Scene("quiz", "Quiz", _json(quiz)))
    steps += Trials(session, visit, plan, addresses).scenes()
    if plan.questions:
        steps.append(Scene("questions", "Closing questions", _json(NextStep(step=questions_step(plan)))))
    if study.debrief:
        steps.append(_ended(session, visit, plan, "finished", debriefed=True))
    steps += [_ended(session, visit, plan, ending) for ending in ENDINGS]
    others = [("declined", "Ending: no consent"), ("withdrawn", "Ending: withdrew")]
    return [*steps, *(Scene(name, words) for name, words in others)]


def _json(answer: NextStep | NextTrial | Done) -> dict[str, Any]:
    return answer.model_dump(mode="json")


def _somebody(study: Study, arm: Arm, state: ParticipantState) -> Participant:
    """Nobody: a row that is in no session."""
    code = "PREVIEW" if state is ParticipantState.FINISHED else None
    return Participant(
        id=SOMEBODY,
        study_id=study.id,
        arm_id=arm.id,
        source=Source.LINK,
        state=state,
        screened_out_by=Screening.CHECKS if state is ParticipantState.SCREENED_OUT else None,
        completion_code=code,
    )


def _ended(session: Session, of: Visit, plan: VisitPlan, ending: Ending, *, debriefed: bool = False) -> Scene:
    """`debriefed`: with the debriefing before it, a step of its own here."""
    states = {"finished": ParticipantState.FINISHED, "screened_out": ParticipantState.SCREENED_OUT}
    study, arm = of.study, of.arm
    visit = Visit(_somebody(study, arm, states.get(ending, ParticipantState.ACTIVE)), study, arm)
    way_out = way_out_after(session, visit, plan, ending)
    completion = Completion(
        ending=ending,
        code=code_of(visit, ending, way_out),
        message=reason(visit, ending),
        redirect_url=way_out.redirect_url,
        reference=visit.participant.reference,
        debrief_html=markdown(study.debrief or "") if debriefed else None,
    )
    step, label = ("debrief", "Debriefing") if debriefed else (ending, f"Ending: {ending.replace('_', ' ')}")
    return Scene(step, label, _json(Done(completion=completion)))


class Trials:
    """Trials of every kind that a participant of an arm meets, of the first pairs of each."""

    def __init__(self, session: Session, visit: Visit, plan: VisitPlan, addresses: Addresses) -> None:
        self.session, self.visit, self.plan, self.addresses = session, visit, plan, addresses

    def scenes(self) -> list[Scene]:
        total = self.visit.study.trials_per_participant
        practice = self._pairs(TrialKind.PRACTICE, MOST_PRACTICE)
        main = self._pairs(TrialKind.MAIN, MAIN_SHOWN + 1)
        shown = [
            self._scene(pair, f"practice-{n}", f"Practice {n}", position=n, total=len(practice))
            for n, pair in enumerate(practice, 1)
        ]
        shown += [self._main(pair, n, total) for n, pair in enumerate(main[:MAIN_SHOWN], 1)]
        every = self.plan.breaks.every if self.plan.breaks else None
        if every and every < total and len(main) > MAIN_SHOWN:
            shown.append(self._scene(main[MAIN_SHOWN], "break", "Break", position=every + 1, total=total))
        checks = self._pairs(TrialKind.CHECK, 1)
        shown += [
            self._scene(pair, "check", "Check: an obvious pair", position=self._check_position, total=total)
            for pair in checks
        ]
        return [*shown, *self._regions(total)]

    def _main(self, pair: ShownPair, number: int, total: int) -> Scene:
        """The first pair has a trap where the study sets traps."""
        has_trap = number == 1 and self.plan.traps > 0
        label = f"Trial {number}, with a trap" if has_trap else f"Trial {number}"
        return self._scene(pair, f"trial-{number}", label, position=number, total=total, trap=has_trap)

    @property
    def _check_position(self) -> int:
        """Where no break comes before it."""
        return 1 if self.plan.breaks and self.plan.breaks.every == 1 else 2

    def _pairs(self, kind: TrialKind, count: int) -> Sequence[ShownPair]:
        real, fake = aliased(Image), aliased(Image)
        return self.session.execute(
            select(Pair, real, fake)
            .join(real, real.id == Pair.real_image_id)
            .join(fake, fake.id == Pair.fake_image_id)
            .where(Pair.study_id == self.visit.study.id, Pair.kind == kind)
            .order_by(Pair.id)
            .limit(count)
        ).all()

    def _scene(
        self, found: ShownPair, step: str, label: str, *, position: int, total: int, trap: bool = False
    ) -> Scene:
        """Sides and questions in turn: a preview of one study is the same each time."""
        pair, real, fake = found
        is_fake_left = pair.id % 2 == 0
        left, right = (fake, real) if is_fake_left else (real, fake)
        trial = uuid5(SOMEBODY, f"{step} {pair.id}")
        shown = TrialView(
            id=trial,
            kind="practice" if pair.kind is TrialKind.PRACTICE else "main",
            position=position,
            total=total,
            question=list(Question)[position % 2],
            left=self._picture(trial, PictureSlot.LEFT, left, pair.served_bytes),
            right=self._picture(trial, PictureSlot.RIGHT, right, pair.served_bytes),
            annotate=self.visit.arm.annotate,
            advice=self._advice(trial, left, right),
            trap=trap,
        )
        return Scene(step, label, self._answer(shown), fake="left" if is_fake_left else "right")

    def _regions(self, total: int) -> list[Scene]:
        if not self.visit.arm.annotate:
            return []
        rows = self.session.execute(
            select(RegionCheck, Image)
            .join(Image, Image.id == RegionCheck.image_id)
            .where(RegionCheck.study_id == self.visit.study.id)
            .order_by(RegionCheck.id)
        )
        return [self._region(check, image, n, total) for n, (check, image) in enumerate(rows, 1)]

    def _region(self, check: RegionCheck, image: Image, number: int, total: int) -> Scene:
        trial = uuid5(SOMEBODY, f"region {check.id}")
        shown = TrialView(
            id=trial,
            kind="check",
            position=self._check_position,
            total=total,
            question=None,
            prompt=check.prompt,
            left=self._picture(trial, PictureSlot.LEFT, image, check.served_bytes),
            right=None,
            annotate=True,
        )
        return Scene(f"region-{number}", f"Check: region {number}", self._answer(shown))

    def _answer(self, trial: TrialView) -> dict[str, Any]:
        return _json(NextTrial(trial=trial, upcoming=[], preload=[], rule=rule_of(self.visit.study)))

    def _address(self, trial: UUID, slot: PictureSlot, blob: str, size: int) -> str:
        sealed = self.addresses.seal.address(trial, slot, blob=blob, size=size, at=self.addresses.now)
        return f"/i/{sealed}"

    def _picture(self, trial: UUID, slot: PictureSlot, image: Image, size: int) -> Picture:
        url = self._address(trial, slot, image.display_hash, size)
        return Picture(url=url, width=image.width, height=image.height)

    def _advice(self, trial: UUID, left: Image, right: Image) -> AdviceView | None:
        """What the model says of the pair, as the arm shows it."""
        if self.visit.arm.advice is Advice.NONE:
            return None
        of_pair = (ImageAdvice.study_id == self.visit.study.id) & ImageAdvice.image_id.in_(
            [left.id, right.id]
        )
        rows = self.session.scalars(select(ImageAdvice).where(of_pair)).all()
        said = {row.image_id: ModelAdvice(row.score, row.map_hash) for row in rows}
        shown = advise(self.visit.arm.advice, said[left.id], said[right.id])
        longest = self.session.scalar(select(func.max(ImageAdvice.map_bytes)).where(of_pair))
        slots = {"left_map": PictureSlot.LEFT_MAP, "right_map": PictureSlot.RIGHT_MAP}
        maps = {
            name: self._address(trial, slot, shown[name], served_bytes(longest or 0)) if shown[name] else None
            for name, slot in slots.items()
        }
        return AdviceView.model_validate(shown | maps)
