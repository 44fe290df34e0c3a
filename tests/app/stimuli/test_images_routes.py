import gzip
import json
from base64 import b64encode
from io import BytesIO
from zipfile import ZipFile

import pytest
from PIL import Image as Picture
from sqlalchemy import select

from app.api.images import MOST_BYTES_OF_NAMES
from app.models import Dataset, DatasetImage, Image, Label, MapSet, Split
from app.stimuli.encode import jpeg
from app.stimuli.tags import change_tags
from tests.support.factories import ImageFactory, PairFactory, StudyFactory
from tests.support.pages import read
from tests.support.pictures import pixels

PACKED = "/api/images/plan/packed"


class TestPicture:
    def test_a_stranger_is_refused(self, client, address):
        client.headers["accept"] = "application/json"
        assert client.get(address).status_code == 401

    def test_staff_get_what_participants_see(self, editor, address, display):
        response = editor.get(address)
        assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")
        assert response.content == display

    def test_a_width_gives_a_thumbnail(self, editor, address):
        response = editor.get(address, params={"width": 32})
        assert Picture.open(BytesIO(response.content)).size == (32, 24)

    @pytest.mark.parametrize("query", ["", "?width=32"])
    def test_a_browser_that_has_it_is_not_sent_it_again(self, editor, address, query):
        first = editor.get(address + query)
        again = editor.get(address + query, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")

    def test_a_thumbnail_is_not_taken_for_the_whole(self, editor, address):
        tag = editor.get(address + "?width=32").headers["etag"]
        assert editor.get(address, headers={"if-none-match": tag}).status_code == 200

    def test_only_the_browser_of_who_is_logged_in_may_keep_it(self, editor, address):
        assert editor.get(address).headers["cache-control"].startswith("private")

    @pytest.mark.parametrize("number", [999_999, 0, 2**63])
    def test_an_image_that_is_not_there_is_no_bug(self, editor, number):
        assert editor.get(f"/staff/images/{number}/picture").status_code in {404, 422}

    @pytest.mark.parametrize("width", ["15", "2049", "wide"])
    def test_an_unreasonable_width_is_refused(self, editor, address, width):
        assert editor.get(address, params={"width": width}).status_code == 422


class TestPictureCalled:
    @pytest.mark.parametrize("called", ["content_hash", "original_name"])
    def test_an_image_is_found_by_what_it_is_called(self, editor, db, called):
        image = ImageFactory(original_name="real/a.png")
        ImageFactory(original_name="real/ba.png")
        db.commit()
        for name in (getattr(image, called), "a.png"):
            answer = editor.get("/api/images/picture", params={"name": name})
            assert answer.headers["location"] == f"/staff/images/{image.id}/picture"

    @pytest.mark.parametrize("name", ["real\\é.png", "real/e\u0301.png", " é.png "])
    def test_however_its_name_is_spelled(self, editor, db, name):
        image = ImageFactory(original_name="real/é.png")
        db.commit()
        answer = editor.get("/api/images/picture", params={"name": name})
        assert answer.headers["location"] == f"/staff/images/{image.id}/picture"

    @pytest.mark.parametrize("name", ["", "nobody.png", "%", "same.png"])
    def test_a_name_of_none_or_of_several_finds_none(self, editor, db, name):
        ImageFactory(original_name="one/same.png")
        ImageFactory(original_name="two/same.png")
        db.commit()
        assert editor.get("/api/images/picture", params={"name": name}).status_code == 404


class TestSearch:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"name": "FACE_1"}, ["set/face_1.png"]),
            ({"name": "ABC"}, ["set/face_2.png"]),
            ({"name": "%"}, []),
            ({"split": "test"}, ["set/face_2.png"]),
            ({"split": "none"}, ["set/face_1.png", "other.png"]),
            ({"source": "gan", "name": "face"}, ["set/face_1.png"]),
            ({"label": "real"}, ["set/face_2.png", "other.png"]),
        ],
    )
    def test_it_finds_by_name_hash_label_set_and_split(self, editor, db, query, found):
        ImageFactory(original_name="set/face_1.png", label=Label.FAKE, source="gan")
        ImageFactory(original_name="set/face_2.png", content_hash="abc1", split=Split.TEST)
        ImageFactory(original_name="other.png")
        db.commit()
        images = editor.get("/api/images", params=query).json()["images"]
        assert [image["name"] for image in images] == found
        assert len(read(editor.get("/staff/images", params=query)).all(".gallery .figure")) == len(found)


class TestRemoval:
    def test_an_image_that_nothing_uses_goes(self, editor, db):
        image = ImageFactory()
        db.commit()
        assert editor.post(f"/staff/images/{image.id}/remove").headers["location"] == "/staff/images"
        assert db.scalars(select(Image.id)).all() == []

    def test_one_that_a_study_shows_stays_and_the_study_is_named(self, editor, db):
        study = StudyFactory()
        pair = PairFactory(study_id=study.id)
        db.commit()
        refused = editor.delete(f"/api/images/{pair.fake_image_id}")
        assert (refused.status_code, study.slug in refused.json()["detail"]) == (409, True)
        assert db.get(Image, pair.fake_image_id) is not None

    def test_one_of_a_dataset_stays(self, editor, db):
        image, pair = ImageFactory(), PairFactory()
        maps = MapSet(study_id=pair.study_id, version=1, parameters={})
        db.add(maps)
        db.flush()
        facts = {"content_hash": "a", "folder": "f", "parameters": {}, "counts": {}}
        data = Dataset(study_id=pair.study_id, map_set_id=maps.id, **facts)
        db.add(data)
        db.flush()
        db.add(DatasetImage(dataset_id=data.id, image_id=image.id))
        db.commit()
        page = read(editor.post(f"/staff/images/{image.id}/remove", follow_redirects=True))
        assert "belongs to a dataset" in page.text(".notice--danger")


class TestSplit:
    def test_it_changes_while_nothing_has_settled_it(self, editor, db):
        image = ImageFactory()
        db.commit()
        assert editor.put(f"/api/images/{image.id}/split", json={"split": "val"}).json()["split"] == "val"
        editor.post(f"/staff/images/{image.id}/split", data={"split": ""})
        assert editor.get(f"/api/images/{image.id}").json()["split"] is None

    def test_one_that_is_shown_cannot_be_set_aside(self, editor, db):
        pair = PairFactory()
        db.commit()
        data = {"split": "test"}
        page = read(
            editor.post(f"/staff/images/{pair.fake_image_id}/split", data=data, follow_redirects=True)
        )
        assert "cannot be set aside" in page.text(".notice--danger")


@pytest.fixture
def display():
    return jpeg(Picture.fromarray(pixels(width=64, height=48)))


@pytest.fixture
def address(db, blobs, display):
    image = ImageFactory(display_hash=blobs.put(display), display_bytes=len(display))
    return f"/staff/images/{image.id}/picture"


class TestTags:
    def test_they_are_cleaned_shown_and_searched(self, editor, db):
        image, _ = ImageFactory(), ImageFactory()
        db.commit()
        editor.post(f"/staff/images/{image.id}/tags", data={"tags": " Glasses,  glasses, old  man,"})
        assert editor.get(f"/api/images/{image.id}").json()["tags"] == ["glasses", "old man"]
        found = editor.get("/api/images", params={"tag": "Old man"}).json()["images"]
        assert [one["id"] for one in found] == [image.id]
        assert "#old man" in read(editor.get("/staff/images")).text(".gallery")

    def test_all_that_a_filter_finds_are_tagged_on_the_page_and_over_the_api(self, editor, db):
        ours = [ImageFactory(source="gan", tags=["old"]) for _ in range(3)]
        other = ImageFactory(source="camera")
        db.commit()
        assert "Tag all 3 images found" in editor.get("/staff/images?source=gan").text
        form = {"source": "gan", "add": "Blurred, calm", "remove": "old"}
        answer = editor.post("/staff/images/tags", data=form)
        assert answer.headers["location"] == "/staff/images?source=gan"
        asked = {"add": ["seen"], "remove": ["calm"]}
        found = editor.post("/api/images/tags", params={"tag": "blurred"}, json=asked)
        assert found.json() == {"images": 3}
        db.expire_all()
        assert [image.tags for image in (*ours, other)] == [["blurred", "seen"]] * 3 + [[]]

    def test_all_of_them_or_none_are_tagged(self, editor, db):
        free = ImageFactory(tags=[])
        full = ImageFactory(tags=[str(number) for number in range(20)])
        db.commit()
        refused = editor.post("/api/images/tags", json={"add": ["one more"]})
        assert refused.status_code == 422
        assert refused.json()["detail"].startswith(f"{full.original_name}: An image has at most 20 tags")
        db.expire_all()
        assert free.tags == []

    def test_without_a_tag_nothing_is_done(self, editor, db):
        assert editor.post("/api/images/tags", json={}).status_code == 422

    @pytest.mark.parametrize("tags", [["a,b"], ["x" * 51], [str(number) for number in range(21)]])
    def test_what_is_no_tag_is_refused(self, editor, db, tags):
        image = ImageFactory()
        db.commit()
        assert editor.put(f"/api/images/{image.id}/tags", json={"tags": tags}).status_code == 422
        assert editor.get(f"/api/images/{image.id}").json()["tags"] == []

    def test_some_are_added_and_others_removed(self, db):
        image = ImageFactory(tags=["a", "b"])
        change_tags(image, add=["C", "a"], remove=["b", "nothing"])
        assert image.tags == ["a", "c"]


class TestUpload:
    """Without scripts; with them the browser sends each file to the API."""

    def test_files_are_imported_and_the_others_named(self, editor, db):
        page = upload(editor, {"a.png": png(1), "b.png": b"garbage"}, label="fake", source="gan")
        assert "1 imported, 0 already there, 1 refused" in page.text(".notice")
        assert "b.png" in page.text(".notice")
        (image,) = db.scalars(select(Image)).all()
        assert (image.label, image.source, image.original_name) == (Label.FAKE, "gan", "a.png")

    def test_sent_again_they_change_nothing(self, editor):
        for said in ("1 imported, 0 already there", "0 imported, 1 already there"):
            assert said in upload(editor, {"a.png": png(1)}, label="real", source="set").text(".notice")

    @pytest.mark.parametrize("name", ["../../../tmp/evil.png", "/etc/evil.png", "..\\evil.png"])
    def test_a_name_is_a_name_and_no_place(self, editor, db, name, tmp_path):
        upload(editor, {name: png(1)}, label="real", source="set")
        assert not list(tmp_path.glob("**/evil.png"))
        assert len(db.scalars(select(Image)).all()) == 1

    def test_an_archive_is_no_picture(self, editor, db):
        file = BytesIO()
        with ZipFile(file, "w") as archive:
            archive.writestr("real/a.png", png(1))
        assert "1 refused" in upload(editor, {"a.zip": file.getvalue()}, label="real", source="x").text(
            ".notice--danger"
        )
        assert db.scalars(select(Image)).all() == []

    def test_a_manifest_says_what_each_is(self, editor, db):
        table = b"path,label,source,split\na.png,fake,gan,test\nc.png,real,x,"
        said = upload(editor, {"list.csv": table, "a.png": png(1), "b.png": png(2)}).text(".notice")
        assert "1 imported, 0 already there, 1 refused" in said
        assert "list.csv, line 3: c.png is not among the chosen files." in said
        assert "b.png: is left out: list.csv does not name it." in said
        (image,) = db.scalars(select(Image)).all()
        assert (image.label, image.source, image.split) == (Label.FAKE, "gan", Split.TEST)

    def test_a_fault_of_a_manifest_is_named_and_nothing_is_stored(self, editor, db):
        page = upload(editor, {"list.csv": b"path,label,source\na.png,reel,x", "a.png": png(1)})
        assert "list.csv, line 2: the label is 'reel'" in page.text(".notice--danger")
        assert db.scalars(select(Image)).all() == []

    def test_what_they_are_must_be_said(self, editor, db):
        page = upload(editor, {"a.png": png(1)})
        assert "say in the form what it is" in page.text(".notice--danger")
        assert db.scalars(select(Image)).all() == []

    @pytest.mark.parametrize("sent", [{}, {"files": ("", b"")}])
    def test_without_a_file_it_says_so(self, editor, sent):
        said = {"label": "real", "source": "set", "size": "", "faces": ""}
        answer = editor.post("/staff/images/new", data=said, files=sent, follow_redirects=True)
        assert "Choose files" in read(answer).text(".notice--danger")

    def test_the_page_says_the_limit(self, editor, settings):
        page = read(editor.get("/staff/images/new"))
        assert page.text("#largest") == f"{settings.max_body_bytes / 1e6:.0f} MB"


class TestPlan:
    """What a browser asks before it sends a file."""

    def test_it_says_with_which_fields_each_file_is_sent(self, editor, db):
        plan = ask(editor, ["m.csv", "a.png", "b.png"], "path,label,source,x,y,w,h\na.png,real,,1,2,3,4")
        assert plan["files"] == [
            {"file": 1, "name": "a.png", "label": "real", "source": "real", "split": None, "group": None}
            | {"x": 1, "y": 2, "w": 3, "h": 4, "where": "m.csv, line 2"}
        ]
        assert plan["manifest"] == "m.csv"
        assert plan["left_out"] == [{"name": "b.png", "reason": "is left out: m.csv does not name it."}]

    def test_a_manifest_without_its_content_is_refused(self, editor):
        answer = editor.post("/api/images/plan", json={"files": ["m.csv"]})
        assert (answer.status_code, "not in `tables`" in answer.json()["detail"]) == (422, True)

    def test_faults_are_told(self, editor):
        plan = ask(editor, ["m.csv", "a.png"], "path,label,source\na.png,reel,x\na.png,real")
        assert [fault[:14] for fault in plan["faults"]] == ["m.csv, line 2:", "m.csv, line 3:"]

    @pytest.mark.parametrize(("label", "status"), [("real", 201), ("fake", 422)])
    def test_only_a_fake_needs_a_source(self, editor, label, status):
        sent = {"name": "a.png", "label": label}
        answer = editor.post("/api/images", data=sent, files={"file": ("a.png", png(1))})
        assert answer.status_code == status


class TestPlanOfMany:
    """Names that together are longer than a request may be."""

    def test_a_hundred_thousand_names_and_their_manifest_are_one_request(self, editor, settings):
        names = [f"portraits/session-{n // 1000}/face-{n:06}.jpg" for n in range(100_000)]
        lines = "\n".join(f"{name},real,camera,train,{n % 500}" for n, name in enumerate(names))
        table = b64encode(f"path,label,source,split,group\n{lines}".encode()).decode()
        body = json.dumps({"files": ["m.csv", *names], "tables": [{"name": "m.csv", "content": table}]})
        packed = gzip.compress(body.encode(), 1)
        assert len(packed) < settings.max_body_bytes < len(body)
        plan = editor.post(PACKED, files={"packed": packed}).json()
        assert (len(plan["files"]), plan["faults"], plan["missing"]) == (100_000, [], [])
        last = plan["files"][-1]
        assert (last["file"], last["name"], last["group"]) == (100_000, names[-1], "499")

    @pytest.mark.parametrize(
        ("sent", "status", "words"),
        [
            (b"plain", 422, "not packed by gzip"),
            (gzip.compress(b"{}")[:-9], 422, "not all of it has come"),
            (gzip.compress(b"no json"), 422, "Invalid JSON"),
            (gzip.compress(b'{"files": ["a"], "x": 1}'), 422, "x"),
            (gzip.compress(b" " * (MOST_BYTES_OF_NAMES + 1)), 413, "more than 64 MB"),
        ],
        ids=["no gzip", "half", "no json", "unknown field", "bomb"],
    )
    def test_anything_else_is_one_sentence(self, editor, sent, status, words):
        answer = editor.post(PACKED, files={"packed": sent})
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.json()


def ask(client, files, manifest):
    tables = [{"name": "m.csv", "content": b64encode(manifest.encode()).decode()}]
    return client.post("/api/images/plan", json={"files": files, "tables": tables}).json()


def png(seed):
    file = BytesIO()
    Picture.fromarray(pixels(seed)).save(file, "PNG")
    return file.getvalue()


def upload(client, files, **fields):
    sent = [("files", (name, data, "image/png")) for name, data in files.items()]
    return read(client.post("/staff/images/new", files=sent, data=fields, follow_redirects=True))
