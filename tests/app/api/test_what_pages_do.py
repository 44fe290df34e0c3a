"""What staff did on pages only, over the API: notes, faces, finding people, freezing, training."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from app.models import BackgroundTask, Image, JobState, Label, MapSet, Role, Run, Split, TaskKind
from app.stimuli import faces
from saliency.images.faces import NoFaceModel
from saliency.parameters import MapParameters
from tests.support.factories import ImageFactory, ParticipantFactory, StaffFactory
from tests.support.worlds import make_dataset, make_study

API = "/api/studies/faces"


@pytest.fixture
def study(db):
    made = make_study(db, slug="faces")
    db.commit()
    return made


@pytest.fixture
def participant(db, study):
    made = ParticipantFactory(study_id=study.id)
    db.commit()
    return f"{API}/participants/{made.id}"


@pytest.fixture
def image(db):
    made = ImageFactory(width=100, height=80)
    db.commit()
    return f"/api/images/{made.id}"


class TestNotes:
    @pytest.fixture(params=["study", "participant", "image"])
    def address(self, request, study, participant, image):
        return {"study": API, "participant": participant, "image": image}[request.param] + "/notes"

    def test_the_newest_comes_first_with_its_author(self, editor, address):
        for text in ("First.", "  Second. "):
            assert editor.post(address, json={"text": text}).status_code == 201
        found = editor.get(address).json()
        assert [(one["text"], one["author"]) for one in found] == [
            ("Second.", "A Colleague"),
            ("First.", "A Colleague"),
        ]

    def test_an_empty_one_is_refused(self, editor, address):
        assert editor.post(address, json={"text": " "}).status_code == 422
        assert editor.get(address).json() == []

    def test_only_its_author_and_admins_delete_one(self, editor, address, log_in):
        number = editor.post(address, json={"text": "Mine."}).json()[0]["id"]
        assert log_in(Role.EDITOR).delete(f"/api/notes/{number}").status_code == 403
        assert log_in(Role.ADMIN).delete(f"/api/notes/{number}").status_code == 204
        assert log_in(Role.ADMIN).delete(f"/api/notes/{number}").status_code == 404


class TestTheFaceOfAnImage:
    def test_it_is_corrected_cut_at_the_edges_and_removed(self, editor, image):
        assert editor.get(f"{image}/face").json()["x"] is None
        box = {"x": 10, "y": 20, "width": 200, "height": 30}
        found = editor.put(f"{image}/face", json=box).json()
        assert found == {"x": 10, "y": 20, "width": 90, "height": 30, "origin": "corrected", "remark": ""}
        assert editor.delete(f"{image}/face").status_code == 204
        assert editor.get(f"{image}/face").json()["origin"] is None

    def test_a_box_beside_the_picture_is_refused(self, editor, image):
        refused = editor.put(f"{image}/face", json={"x": 500, "y": 0, "width": 10, "height": 10})
        assert refused.status_code == 422
        assert "outside of the 100×80 picture" in refused.json()["detail"]

    def test_a_search_needs_the_weights(self, editor, image, monkeypatch):
        def missing():
            raise NoFaceModel("The weights are not installed.")

        monkeypatch.setattr(faces, "installed_model", missing)
        refused = editor.post(f"{image}/face/search")
        assert (refused.status_code, refused.json()["detail"]) == (422, "The weights are not installed.")


class TestAParticipant:
    def test_they_are_found_by_the_reference_that_they_quote(self, editor, participant):
        number = participant.rpartition("/")[2]
        found = editor.post(f"{API}/participants/find", json={"who": number[:8]})
        assert (found.status_code, found.json()["id"]) == (200, number)
        assert editor.post(f"{API}/participants/find", json={"who": "nobody"}).status_code == 404

    def test_a_link_lets_them_back_in(self, editor, participant):
        made = editor.post(f"{participant}/return-link")
        assert made.status_code == 201
        assert "/s/faces" in made.json()["address"]

    def test_their_work_is_looked_at_again(self, editor, participant):
        assert editor.post(f"{participant}/check").json()["flags"] == []


class TestFreezing:
    @pytest.fixture
    def map_set(self, db, study):
        made = MapSet(
            study_id=study.id,
            version=1,
            parameters=MapParameters().to_dict(),
            state=JobState.SUCCEEDED,
            built_at=datetime.now(UTC),
        )
        db.add(made)
        db.commit()
        return made

    def test_it_is_left_to_a_worker_and_asked_for_once(self, editor, map_set, db):
        asked = {"study": "faces", "map_set": 1, "parameters": {"size": 64}}
        first, second = (editor.post("/api/datasets", json=asked) for _ in range(2))
        assert first.status_code == 202
        assert first.json() == second.json()
        task = db.scalars(select(BackgroundTask)).one()
        assert task.arguments["parameters"]["size"] == 64
        assert editor.get(f"/api/tasks/{task.id}").json()["state"] == "queued"
        assert editor.post(f"/api/tasks/{task.id}/abort").json()["state"] == "aborted"

    def test_images_that_no_study_shows_are_set_aside_only_if_it_goes_on(self, editor, map_set, db):
        free = [ImageFactory(label=label).id for label in Label]
        db.commit()

        def splits():
            db.expire_all()
            return set(db.scalars(select(Image.split).where(Image.id.in_(free))))

        map_set.stale = True
        db.commit()
        asked = {"study": "faces", "map_set": 1, "test_on_unshown": True}
        assert editor.post("/api/datasets", json=asked).status_code == 409
        assert splits() == {None}
        db.get_one(MapSet, map_set.id).stale = False
        db.commit()
        assert editor.post("/api/datasets", json=asked).status_code == 202
        assert splits() == {Split.TEST}

    @pytest.mark.parametrize("wrong", [{"size": 1}, {"val": 0.9, "test": 0.9}, {"colour": "red"}])
    def test_what_makes_no_dataset_is_refused(self, editor, map_set, wrong):
        assert editor.post("/api/datasets", json={"study": "faces", "parameters": wrong}).status_code == 422

    def test_what_a_colleague_has_scored_nobody_sees(self, editor, db):
        task = BackgroundTask(kind=TaskKind.SCORE, arguments={}, created_by=StaffFactory().id)
        db.add(task)
        db.commit()
        assert editor.get(f"/api/tasks/{task.id}").status_code == 404


class TestTraining:
    @pytest.fixture
    def dataset(self, db, study, tmp_path):
        map_set = MapSet(
            study_id=study.id, version=1, parameters=MapParameters().to_dict(), state=JobState.SUCCEEDED
        )
        db.add(map_set)
        db.flush()
        return make_dataset(db, map_set, tmp_path)

    def test_a_recipe_of_the_platform_starts_and_stops(self, editor, dataset, db):
        made = editor.post("/api/experiments", json={"dataset": dataset.id, "recipe": "smoke"})
        assert made.status_code == 201
        assert {run["state"] for run in made.json()["runs"]} == {"queued"}
        stopped = editor.post(f"/api/experiments/{made.json()['id']}/abort").json()
        assert {run["state"] for run in stopped["runs"]} == {"aborted"}

    def test_a_recipe_is_sent_as_text(self, editor, dataset):
        toml = (
            'name = "mine"\narchitectures = ["cyborg_tiny"]\nobjectives = ["cross_entropy"]\nseeds = [3, 4]\n'
        )
        made = editor.post("/api/experiments", json={"dataset": dataset.id, "toml": toml}).json()
        assert (made["name"], [run["seed"] for run in made["runs"]]) == ("mine", [3, 4])

    @pytest.mark.parametrize("recipe", [{}, {"recipe": "/etc/passwd"}, {"toml": "seeds = 'x'"}])
    def test_what_is_no_recipe_starts_nothing(self, editor, dataset, db, recipe):
        answer = editor.post("/api/experiments", json={"dataset": dataset.id, **recipe})
        assert answer.status_code == 422
        assert db.scalars(select(Run)).all() == []

    def test_a_run_that_has_not_finished_scores_and_exports_nothing(self, editor, dataset):
        made = editor.post("/api/experiments", json={"dataset": dataset.id, "recipe": "smoke"}).json()
        run = f"/api/runs/{made['runs'][0]['id']}"
        assert editor.post(f"{run}/export").status_code == 409
        assert editor.post(f"{run}/scores", files={"image": b"x"}).status_code == 409

    def test_detectors_of_others_come_by_their_scores(self, editor, dataset):
        made = editor.post("/api/experiments", json={"dataset": dataset.id, "recipe": "smoke"}).json()
        address = f"/api/experiments/{made['id']}/detectors"
        assert editor.post(address, files={"file": ("a.csv", b"nothing")}).status_code == 422
        assert editor.delete(f"{address}?name=x").status_code == 404
