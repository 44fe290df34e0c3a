"""A platform on which everything has happened: every page has something to show, in all its states."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from fastapi.testclient import TestClient
from PIL import Image as Picture
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.second_factor import begin
from app.accounts.service import login_link
from app.accounts.token_service import create_token
from app.analysis.queries import Choice
from app.analysis.requests import request_analysis
from app.analysis.service import run_analysis
from app.db import SessionFactory
from app.experiments.background_tasks import export_of
from app.experiments.datasets import FreezeParameters, freeze_dataset
from app.experiments.detectors import import_scores
from app.maps.building import build_map_set
from app.maps.service import request_map_set
from app.models import (
    Alert,
    AlertDelivery,
    AlertKind,
    AlertReceiver,
    AlertTurn,
    BackgroundTask,
    Dataset,
    Experiment,
    FaceOrigin,
    Image,
    JobState,
    LinkKind,
    Listing,
    MapSet,
    Participant,
    ParticipantState,
    Payment,
    PaymentKind,
    PaymentState,
    QualityFlag,
    Role,
    Run,
    RunEvent,
    Screening,
    Source,
    Study,
    StudyAnalysis,
    StudyState,
    Submission,
    SubmissionState,
    TaskKind,
    Trial,
)
from app.notes import add_note
from app.quality.exclusions import effect_of, exclude
from app.quality.service import set_aside
from app.recruitment.accounts import check_token, keep_token
from app.recruitment.ledger import intend, note_refusal
from app.recruitment.links import make_links
from app.recruitment.listings import Terms, make_listing
from app.recruitment.review import clean_ones
from app.recruitment.service import withdraw
from app.recruitment.sync import visit as visit_marketplace
from app.security import passwords
from app.settings import Settings
from app.stimuli.face_boxes import set_box
from app.stimuli.manifest import FaceBox
from app.stimuli.service import import_path
from app.storage import BlobStore
from app.studies.schemas import StudySpec
from app.studies.service import create_study, open_study, revise
from saliency.parameters import MapParameters
from tests.support.factories import StaffFactory
from tests.support.grids import SCORES, make_trained
from tests.support.local_prolific import LocalProlific
from tests.support.pictures import draw
from tests.support.portraits import draw_portrait
from tests.support.worlds import Visitor

SCORED: dict[str, float | str] = {
    "logit_real": -1.0,
    "logit_fake": 2.0,
    "score_sigmoid": 0.875,
    "score_softmax": 0.95,
}
SCORED |= {"entropy": 1.5, "side": 32, "seen": "", "cam": ""}


@dataclass
class Everything:
    """Makes it, one part after the other."""

    db: Session
    sessions: SessionFactory
    blobs: BlobStore
    client: TestClient
    folder: Path
    password: str
    """Of the editor; the others have none yet."""
    prolific: LocalProlific
    settings: Settings

    def make(self) -> None:
        self.import_images()
        self.judge()
        self.build_maps()
        self.analyse()
        self.freeze()
        self.train()
        self.hire()
        self.alert()
        self.db.commit()

    def alert(self) -> None:
        """One that was told to nobody's webhook, and did not arrive."""
        alert = Alert(kind=AlertKind.STALLED, study_id=self.judged.id, text="Nobody came.")
        self.db.add(alert)
        self.db.flush()
        told = {"turn": AlertTurn.BEGAN, "receiver": AlertReceiver.WEBHOOK, "place": "lab.example"}
        tried = {"tries": 1, "tried_at": datetime.now(UTC), "error": "It answered 500."}
        self.db.add(AlertDelivery(alert_id=alert.id, job_id=0, **told, **tried))

    def import_images(self) -> None:
        for number in range(16):  # so that the form for a new study can be sent as it stands
            draw(self.folder / "real" / f"{number}.png", seed=number)
            draw(self.folder / "fake" / ("gan", "diffusion")[number % 2] / f"{number}.png", seed=100 + number)
        face = Picture.fromarray(draw_portrait(3).pixels).resize((64, 64))
        face.save(self.folder / "fake" / "diffusion" / "1.png")  # the first image, whose face can be found
        import_path(self.sessions, self.blobs, self.folder, size=None)
        first = self.db.scalars(select(Image).order_by(Image.id)).first()
        set_box(first, FaceBox(10, 10, 40, 40), origin=FaceOrigin.CORRECTED)

    def study(self, slug: str, state: StudyState) -> Study:
        arms = [{"name": "annotate", "annotate": True}, {"name": "control", "annotate": False}]
        spec = {"slug": slug, "title": f"Faces, {state}", "trials_per_participant": 3, "judgements": 20}
        spec |= {"arms": arms, "pairs": {"per_source": 4}, "accepts_simulated": True}
        spec["exclusions"] = {"flags": ["honeypot", "set_aside"]}
        made = create_study(self.db, StudySpec.model_validate(spec | {"title": "As it was first saved"}))
        revise(self.db, made, StudySpec.model_validate(spec))
        if state is not StudyState.DRAFT:
            open_study(self.db, made)
        self.db.commit()
        return made

    def judge(self) -> None:
        """A study in each state; one of them with people and programs in every state of theirs."""
        for state in (StudyState.DRAFT, StudyState.PAUSED, StudyState.CLOSED):
            self.study(f"faces-{state}", state).state = state
        self.judged = self.study("faces", StudyState.OPEN)
        for number in range(2):
            self.visit(wrong=1, source="simulated", external_id=f"bot-{number}")
        self.recruit()
        # Those to whom most happens come last: of a list that goes on, the first pages are read.
        finished = [self.visit(wrong=number % 3) for number in range(8)]
        aside, flagged, screened, away, gone = finished[-5:]
        caught, *_ = finished
        self.db.add(QualityFlag(participant_id=caught.id, kind="honeypot", detail={}))
        exclude(self.db, self.judged, seen=effect_of(self.db, self.judged).seen)
        set_aside(self.db, aside, reason="wrote that they guessed")
        first = self.db.scalars(select(Trial.id).where(Trial.participant_id == flagged.id)).first()
        self.db.add(QualityFlag(participant_id=flagged.id, kind="fast_decision", detail={"decision_ms": 90}))
        self.db.add(QualityFlag(participant_id=flagged.id, trial_id=first, kind="fast_decision", detail={}))
        screened.state, screened.screened_out_by = ParticipantState.SCREENED_OUT, Screening.CHECKS
        screened.screened_out_at = datetime.now(UTC)
        away.state, away.lease_expires_at = ParticipantState.ACTIVE, datetime(2020, 1, 1, tzinfo=UTC)
        self.leaves = gone
        self.visit(decide=1)
        self.db.commit()

    def visit(self, *, wrong: int = 0, decide: int = 3, **consent: str) -> Participant:
        """Take part; the first `wrong` of the decisions are."""
        visitor = Visitor(self.client, self.judged.slug)
        visitor.consent(consent_version=self.judged.consent_version, **consent)
        for number in range(decide):
            trial_id = visitor.next().json()["trial"]["id"]
            choice = self.right(trial_id) if number >= wrong else self.wrong(trial_id)
            assert visitor.decide(trial_id, choice=choice, decision_ms=900.0 + number).is_success
        participant = self.db.get_one(Participant, visitor.participant, populate_existing=True)
        participant.consented_at = datetime.now(UTC)  # the database's clock stands still in a transaction
        return participant

    def right(self, trial_id: str) -> str:
        trial = self.db.get_one(Trial, trial_id)
        left = self.db.get_one(Image, trial.left_image_id).label
        return "left" if left.value == trial.question.value else "right"

    def wrong(self, trial_id: str) -> str:
        return "left" if self.right(trial_id) == "right" else "right"

    def recruit(self) -> None:
        """A study that is listed, with people who wait to be paid, and one that is not."""
        token, source = self.prolific.token, Source.PROLIFIC
        keep_token(self.db, source, token, check_token(source, token, self.settings), self.settings)
        terms = Terms(places=9, reward=150, minutes=5, description="Judge faces.")
        listing = make_listing(self.db, self.judged, source, terms, by=None)
        self.db.commit()
        go = partial(visit_marketplace, self.sessions, self.settings, listing.id)
        go()
        self.db.refresh(listing)
        for _ in range(4):
            submission = self.prolific.join(listing.external_id)
            worker = self.prolific.submissions[submission]["participant_id"]
            recruited = self.visit(source="prolific", external_id=worker, assignment_id=submission)
            self.prolific.complete(submission, listing.codes["finished"])
        self.db.commit()
        go()
        self.prolific._approve(self.prolific.submissions[submission])
        go()
        self.db.expire_all()
        listing.staff_screen_out = True
        self.db.commit()
        self.bonus_line = f"{recruited.reference}, 0.50"
        self.leave_bonuses_open(listing)
        waiting = clean_ones(self.db, listing)[0].submission.id
        self.study("faces-unlisted", StudyState.OPEN)
        why = "x" * 100
        self.previews = (
            f"/staff/studies/faces/recruit/rejection?id={waiting}&category=OTHER&message={why}",
            f"/staff/studies/faces/recruit/screen-out?id={waiting}&pay=0.50",
            "/staff/studies/faces-unlisted/recruit/cost?places=4&reward=1.50&minutes=5&description=Faces",
        )

    def leave_bonuses_open(self, listing: Listing) -> None:
        """One that was refused, and one that was sent and does not show."""
        paid = self.db.scalars(select(Submission).where(Submission.state == SubmissionState.APPROVED)).one()
        for key in ("refused", "unshown"):
            intend(self.db, listing, paid, PaymentKind.BONUS, key=key, amount=50)
        refused, unshown = self.db.scalars(select(Payment).where(Payment.key.in_(("refused", "unshown"))))
        note_refusal(self.db, [refused.id], "The balance is too low.")
        unshown.state, unshown.sent_at = PaymentState.SENT, datetime.now(UTC) - timedelta(days=1)
        self.db.commit()

    def build_maps(self) -> None:
        """A stale set, two good ones, one that failed and one that waits."""
        self.built(MapParameters())
        withdraw(self.db, self.leaves)
        self.newest = self.built(MapParameters())
        self.built(MapParameters(sigma_px=7, include="all"))
        failed = request_map_set(self.db, self.judged, MapParameters(sigma_px=8))
        failed.state, failed.error = JobState.FAILED, "No space left on device"
        request_map_set(self.db, self.judged, MapParameters(sigma_px=9))
        self.db.commit()

    def built(self, parameters: MapParameters) -> MapSet:
        made = request_map_set(self.db, self.judged, parameters, queued=False)
        self.db.commit()
        build_map_set(self.sessions, self.blobs, made.id)
        self.db.refresh(made)
        return made

    def analyse(self) -> None:
        done = request_analysis(self.db, self.judged, Choice(), staff_id=None)
        self.db.commit()
        run_analysis(self.sessions, self.blobs, done.id)
        self.db.add_all(
            StudyAnalysis(
                study_id=self.judged.id,
                version=version,
                parameters=Choice(without=("set_aside",)).to_dict(),
                seen={},
                state=state,
                error=error,
            )
            for version, state, error in (
                (2, JobState.FAILED, "Too few decisions."),
                (3, JobState.QUEUED, None),
            )
        )
        self.db.commit()

    def freeze(self) -> None:
        home = self.folder / "datasets"
        home.mkdir()
        parameters = FreezeParameters(size=32)
        self.dataset = freeze_dataset(
            self.db, self.blobs, self.newest, None, datasets_dir=home, parameters=parameters
        )
        stale = {"content_hash": "0123456789" * 6, "folder": str(home / "gone"), "stale": True}
        of = {"study_id": self.judged.id, "map_set_id": self.newest.id, "counts": {}}
        self.db.add(Dataset(**stale, **of, parameters={"size": 32, "simulated_annotations": 2}))
        for state in (JobState.QUEUED, JobState.FAILED, JobState.SUCCEEDED):
            self.db.add(
                BackgroundTask(
                    kind=TaskKind.FREEZE,
                    arguments={"map_set": self.newest.id},
                    state=state,
                    error="No space left." if state is JobState.FAILED else None,
                    result={"dataset": self.dataset.id} if state is JobState.SUCCEEDED else None,
                    ended_at=None if state is JobState.QUEUED else datetime.now(UTC),
                )
            )
        looked_at = {"audit": None, "of": {"images": 2, "number": "1"}}
        done = {"state": JobState.SUCCEEDED, "result": looked_at, "ended_at": datetime.now(UTC)}
        for how_far in (done, {"state": JobState.QUEUED}):
            self.db.add(BackgroundTask(kind=TaskKind.AUDIT, arguments={"study": None}, **how_far))
        self.db.commit()

    def train(self) -> None:
        """An experiment that has finished, with another detector, and one with runs in all states."""
        self.experiment = make_trained(self.db, self.dataset, self.folder / "training")
        import_scores(self.db, self.blobs, self.dataset, SCORES.encode(), called="cnn.csv")
        self.run = self.db.scalars(select(Run).where(Run.experiment_id == self.experiment.id)).first()
        export_of(self.run).write_bytes(b"PK")
        waiting = self.db.scalars(select(Run.id).where(Run.id != self.run.id)).first()
        self.db.add(BackgroundTask(kind=TaskKind.EXPORT, arguments={"run": str(waiting)}))
        self.db.add(RunEvent(run_id=self.run.id, kind="epoch", payload={"epoch": 1}))
        other = Experiment(name="other", dataset_id=self.dataset.id, recipe={})
        self.db.add(other)
        self.db.flush()
        self.db.add_all(
            Run(
                experiment_id=other.id,
                architecture="net",
                scenario="cyborg",
                seed=seed,
                config={"score": "sigmoid"},
                folder=str(self.folder / "nowhere"),
                state=state,
                error="The training process was killed." if state is JobState.FAILED else None,
            )
            for seed, state in enumerate(JobState)
        )
        self.db.commit()

    def hire(self) -> None:
        """Somebody in each role, each of whom has let a detector look at a picture; and somebody who left.

        One is setting up a second factor, and one has it.
        """
        self.staff = {role: StaffFactory(role=role, name=f"The {role}") for role in Role}
        self.staff[Role.EDITOR].password_hash = passwords.hash(self.password)
        StaffFactory(disabled_at=datetime.now(UTC))
        arguments = {"run": str(self.run.id), "called": "face.png", "width": 64, "height": 64}
        self.db.add_all(
            BackgroundTask(
                kind=TaskKind.SCORE,
                arguments=arguments | {"cropped": False},
                created_by=person.id,
                state=JobState.SUCCEEDED,
                result=SCORED,
            )
            for person in self.staff.values()
        )
        create_token(self.db, self.staff[Role.VIEWER], name="script", scopes=(), lifetime=timedelta(days=1))
        add_note(self.db, self.judged, "Two sessions were lost.", staff=self.staff[Role.EDITOR])
        begin(self.db, self.staff[Role.FINANCE], self.settings)
        begin(self.db, self.staff[Role.VIEWER], self.settings).confirmed_at = datetime.now(UTC)
        make_links(self.db, self.judged, LinkKind.PERSONAL, ["S001", "S002", "S003"], by=None)
        self.link = login_link(self.db, self.staff[Role.VIEWER])
