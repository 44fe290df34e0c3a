"""Shortcut audits that a worker makes and the platform keeps."""

import pytest
from sqlalchemy import func, select

from app.background import Interrupted
from app.experiments.audits import kept_audit
from app.experiments.background_tasks import do_task, request_audit
from app.models import BackgroundTask, Image, JobState
from app.stimuli.service import import_path
from tests.support.factories import PairFactory, StudyFactory
from tests.support.pages import read
from tests.support.pictures import draw

PAGE = "/staff/images/audit"
COUNT = 40


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Pictures whose JPEG quality follows their label."""
    folder = tmp_path_factory.mktemp("told")
    for number in range(COUNT):
        kind, quality = (("real/camera", 95), ("fake/gan", 75))[number % 2]
        draw(folder / f"{kind}/{number}.jpg", number, quality=quality)
    return folder


@pytest.fixture
def images(told, session_factory, blobs):
    import_path(session_factory, blobs, told)


@pytest.fixture
def work(db, session_factory, blobs):
    """What a worker does when it comes."""

    def do() -> None:
        waiting = select(BackgroundTask.id).where(BackgroundTask.state == JobState.QUEUED)
        for task in db.scalars(waiting).all():
            do_task(session_factory, blobs, task)
        db.expire_all()

    return do


class TestPage:
    def test_it_computes_nothing_itself_and_says_what_a_worker_found(self, editor, images, work, monkeypatch):
        assert "Not computed yet" in read(editor.get(PAGE)).text("main")
        editor.post(PAGE)
        waiting = read(editor.get(PAGE))
        assert waiting.values("[data-waits]", "data-waits") == [f"{PAGE}/state.json"]
        work()
        monkeypatch.setattr("app.stimuli.audit.audit", lambda *_, **__: 1 / 0)
        page = read(editor.get(PAGE))
        assert "Labels can be told" in page.text(".notice--warn")
        assert "background at the border" in page.text("main")
        assert f"of {COUNT} images" in page.text("main")
        assert not page.has("[data-waits]")

    def test_it_says_when_images_changed_since(self, editor, db, images, work):
        editor.post(PAGE)
        work()
        assert "changed since" not in read(editor.get(PAGE)).text("main")
        image = db.scalars(select(Image.id).limit(1)).one()
        box = {"x": 1, "y": 2, "width": 40, "height": 40}
        assert editor.put(f"/api/images/{image}/face", json=box).status_code == 200
        assert "Images changed since." in read(editor.get(PAGE)).text("main")

    def test_a_study_has_its_own(self, editor, db, images, work):
        study = StudyFactory(title="Faces")
        real, fake = (
            db.scalars(select(Image).where(Image.label == kind)).first() for kind in ("real", "fake")
        )
        PairFactory(study_id=study.id, real_image_id=real.id, fake_image_id=fake.id)
        db.commit()
        assert (
            editor.post(PAGE, data={"study": study.slug}).headers["location"] == f"{PAGE}?study={study.slug}"
        )
        work()
        page = read(editor.get(f"{PAGE}?study={study.slug}"))
        assert "of 2 images" in page.text("main")
        assert "Too few images" in page.text(".empty")
        assert "Not computed yet" in read(editor.get(PAGE)).text("main")

    def test_a_viewer_sees_it_and_cannot_ask_for_it(self, viewer, images):
        assert not read(viewer.get(PAGE)).has("main form")
        assert viewer.post(PAGE).status_code == 403
        assert viewer.post("/api/images/audit").status_code == 403

    @pytest.mark.parametrize("address", [PAGE, "/api/images/audit"])
    def test_a_study_that_is_not_there_is_no_bug(self, editor, address):
        assert editor.get(f"{address}?study=nowhere").status_code == 404
        assert editor.post(PAGE, data={"study": "nowhere"}).status_code == 404

    def test_an_abort_leaves_the_page_as_it_was(self, editor, db, images):
        editor.post(PAGE)
        task = db.scalars(select(BackgroundTask)).one()
        answer = editor.post(f"/staff/tasks/{task.id}/abort")
        assert answer.headers["location"] == PAGE
        assert "Not computed yet" in read(editor.get(PAGE)).text("main")


class TestApi:
    def test_it_tells_what_was_computed_and_what_is_under_way(self, editor, images, work):
        before = editor.get("/api/images/audit").json()
        assert (before["audit"], before["computed_at"], before["task"]) == (None, None, None)
        task = editor.post("/api/images/audit").json()["task"]
        assert editor.post("/api/images/audit").json()["task"] == task  # it waits already
        work()
        after = editor.get("/api/images/audit").json()
        assert (after["images"], after["changed"], after["task"]) == (COUNT, False, None)
        assert any("how the files are compressed" in line for line in after["audit"]["warnings"])
        assert editor.get(f"/api/tasks/{task}").json()["result"]["audit"]["images"] == COUNT


class TestWork:
    def test_one_that_runs_may_have_looked_too_early(self, db):
        first = request_audit(db, None, staff_id=None)
        first.state = JobState.RUNNING
        db.flush()
        assert request_audit(db, None, staff_id=None).id != first.id

    def test_who_aborts_it_waits_for_none_of_the_others(
        self, db, session_factory, blobs, images, monkeypatch
    ):
        task = request_audit(db, None, staff_id=None)
        db.commit()
        read_pictures = []
        get = blobs.get
        monkeypatch.setattr(type(blobs), "get", lambda _self, name: read_pictures.append(name) or get(name))
        monkeypatch.setattr("app.stimuli.audit.THREADS", 1)
        with pytest.raises(Interrupted):
            do_task(session_factory, blobs, task.id, should_stop=lambda: JobState.ABORTED)
        assert len(read_pictures) < COUNT
        assert kept_audit(db, None) is None

    def test_a_draft_that_is_gone_is_one_sentence(self, db, session_factory, blobs):
        study = StudyFactory(slug="gone")
        task = request_audit(db, study, staff_id=None)
        db.delete(study)
        db.commit()
        do_task(session_factory, blobs, task.id)
        db.refresh(task)
        assert (task.state, task.error) == (JobState.FAILED, "There is no study called 'gone'.")

    def test_an_import_asks_for_one(self, editor, db, told):
        file = next((told / "real/camera").iterdir())
        sent = {"label": "real", "source": "set", "size": "", "faces": ""}
        for _ in range(2):  # sent again, nothing is new
            editor.post("/staff/images/new", data=sent, files={"files": (file.name, file.read_bytes())})
        assert db.scalar(select(func.count()).select_from(BackgroundTask)) == 1
