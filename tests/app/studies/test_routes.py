"""Studies over the API."""

import pytest
from sqlalchemy import select

from app.models import Label, Study, StudyState
from tests.support.factories import ImageFactory

FACES = {"slug": "faces", "title": "Faces", "trials_per_participant": 1, "pairs": {"per_source": 2}}


class TestStudiesOverTheApi:
    def test_what_is_made_is_read_as_it_was_sent(self, editor, pictures):
        made = editor.post("/api/studies", json=FACES)
        assert (made.status_code, made.json()["state"]) == (201, "draft")
        read = editor.get("/api/studies/faces").json()
        assert read == made.json()
        assert read["description"]["pairs"]["per_source"] == 2

    def test_what_is_read_makes_the_same_study(self, editor, pictures):
        description = editor.post("/api/studies", json=FACES).json()["description"]
        again = editor.put("/api/studies/faces", json=description)
        assert again.json()["description"] == description

    def test_a_draft_is_revised_copied_and_deleted(self, editor, db, pictures):
        editor.post("/api/studies", json=FACES)
        assert editor.put("/api/studies/faces", json=FACES | {"judgements": 7}).status_code == 200
        copy = editor.post("/api/studies/faces/copies", json={"slug": "more", "title": "More"}).json()
        assert (copy["title"], copy["description"]["judgements"]) == ("More", 7)
        assert editor.delete("/api/studies/faces").status_code == 204
        assert [line["slug"] for line in editor.get("/api/studies").json() if line["state"] == "draft"] == [
            "more"
        ]

    def test_toml_is_there_too(self, editor, pictures):
        editor.post("/api/studies", json=FACES)
        answer = editor.get("/api/studies/faces/study.toml")
        assert answer.headers["content-type"].startswith("application/toml")
        assert 'slug = "faces"' in answer.text

    @pytest.mark.parametrize(
        ("change", "place"),
        [({"judgements": 0}, "judgements"), ({"quizz": {}}, "quizz"), ({"pairs": {}}, "pairs")],
    )
    def test_a_mistake_is_named_by_its_place_and_changes_nothing(self, editor, db, pictures, change, place):
        answer = editor.post("/api/studies", json=FACES | change)
        assert answer.status_code == 422
        assert place in answer.json()["detail"]
        assert db.scalar(select(Study).where(Study.slug == "faces")) is None

    def test_a_file_of_the_server_is_never_read(self, editor, pictures):
        advice = {"listed": [{"image": name, "score": 0.5, "map": "/etc/passwd"} for name in pictures]}
        arms = [{"name": "told", "annotate": True, "advice": "both"}]
        answer = editor.post("/api/studies", json=FACES | {"advice": advice, "arms": arms})
        assert answer.status_code == 422
        assert "maps are read by `cyborg study create`" in answer.json()["detail"]

    def test_a_study_that_was_closed_is_not_changed(self, editor, db, pictures):
        editor.post("/api/studies", json=FACES)
        db.scalar(select(Study).where(Study.slug == "faces")).state = StudyState.CLOSED
        db.commit()
        assert editor.put("/api/studies/faces", json=FACES).status_code == 409
        assert editor.delete("/api/studies/faces").status_code == 409


@pytest.fixture
def editor(editor, noise):
    editor.headers["accept"] = "application/json"
    return editor


@pytest.fixture
def pictures(db, noise):
    images = [
        ImageFactory(label=label, source=label.value, width=64, height=64) for label in Label for _ in "ab"
    ]
    db.commit()
    return [image.content_hash for image in images]
