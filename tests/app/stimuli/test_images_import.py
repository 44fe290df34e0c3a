from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Picture
from sqlalchemy import func, select

from app.errors import BadInput
from app.models import Image, Label, Split
from app.stimuli import service
from app.stimuli.manifest import FaceBox, Item
from app.stimuli.service import import_images, import_path
from tests.support.pictures import draw, pixels


class TestImport:
    def test_it_records_what_the_manifest_says(self, db, bring_in, item):
        details = {"split": Split.TEST, "group": "twins", "face": FaceBox(1, 2, 30, 40)}
        bring_in(replace(item(1, width=80, height=60), **details))
        image = db.scalars(select(Image)).one()
        assert (image.label, image.source, image.original_name) == (Label.REAL, "camera", "1.png")
        assert (image.width, image.height, image.split, image.group) == (80, 60, Split.TEST, "twins")
        assert (image.face_x, image.face_y, image.face_width, image.face_height) == (1, 2, 30, 40)
        assert not image.generated

    def test_the_master_is_lossless_and_named_after_its_content(self, db, blobs, bring_in, item, opened):
        bring_in(item(1))
        image = db.scalars(select(Image)).one()
        assert opened(image.content_hash).format == "PNG"
        assert np.array_equal(np.asarray(opened(image.content_hash)), pixels(1))

    def test_participants_see_a_jpeg_of_the_recorded_size(self, db, blobs, bring_in, item, opened):
        bring_in(item(1))
        image = db.scalars(select(Image)).one()
        assert opened(image.display_hash).format == "JPEG"
        assert len(blobs.get(image.display_hash)) == image.display_bytes

    def test_both_classes_are_encoded_alike(self, db, bring_in, item, opened):
        real = item(1)
        fake = item(2, suffix="jpg", label=Label.FAKE, quality=60, comment=b"made by a generator")
        bring_in(real, fake)
        shown = [opened(image.display_hash) for image in db.scalars(select(Image))]
        assert shown[0].quantization == shown[1].quantization
        assert [picture.info.keys() for picture in shown] == [
            {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        ] * 2

    def test_a_size_applies_to_every_image(self, db, bring_in, item):
        bring_in(item(1, width=100, height=70), item(2, width=50, height=90), size=48)
        assert set(map(tuple, db.execute(select(Image.width, Image.height)))) == {(48, 48)}

    def test_faces_drawn_by_code_are_marked(self, db, bring_in, item):
        bring_in(item(1), generated=True)
        assert db.scalars(select(Image.generated)).all() == [True]

    def test_bad_files_are_named_and_the_rest_is_imported(self, db, bring_in, item, tmp_path):
        (tmp_path / "empty.jpg").touch()
        empty = Item(tmp_path / "empty.jpg", "empty.jpg", Label.REAL, "camera")
        missing = Item(tmp_path / "missing.jpg", "missing.jpg", Label.REAL, "camera")
        report = bring_in(item(1), empty, missing, item(2))
        assert [str(refusal) for refusal in report.refused] == [
            "empty.jpg: is empty.",
            "missing.jpg: cannot be read: No such file or directory.",
        ]
        assert (report.imported, count(db)) == (2, 2)

    def test_the_same_again_changes_nothing(self, db, bring_in, item):
        bring_in(item(1), item(2))
        before = db.execute(select(Image.id, Image.source, Image.imported_at)).all()
        report = bring_in(item(1), replace(item(2), source="another", split=Split.TEST))
        assert (report.imported, report.already_there, report.refused) == (0, 2, ())
        assert db.execute(select(Image.id, Image.source, Image.imported_at)).all() == before

    def test_what_is_kept_in_place_of_what_is_given_is_said(self, bring_in, item):
        first = replace(item(1), split=Split.TRAIN, group="a", face=FaceBox(1, 2, 30, 40))
        bring_in(first, item(2))
        again = replace(first, source="another", split=Split.TEST, group="b", face=FaceBox(1, 2, 30, 41.5))
        report = bring_in(again, replace(item(2), split=Split.VAL))
        assert [str(line) for line in report.ignored] == [
            "1.png: is there already; its source stays camera, another is not taken.",
            "1.png: is there already; its split stays train, test is not taken.",
            "1.png: is there already; its group stays a, b is not taken.",
            "1.png: is there already; its face box stays 1,2,30,40, 1,2,30,41.5 is not taken.",
            "2.png: is there already; its split stays empty, val is not taken.",
        ]

    def test_what_is_given_again_or_not_given_is_no_contradiction(self, bring_in, item):
        first = replace(item(1), split=Split.TRAIN, group="a", face=FaceBox(1, 2, 30, 40))
        bring_in(first)
        assert bring_in(first, item(1)).ignored == ()

    def test_the_same_picture_twice_in_one_import_counts_once(self, db, bring_in, item):
        report = bring_in(item(1), replace(item(1), name="copy.png"))
        assert (report.imported, report.already_there, count(db)) == (1, 1, 1)

    def test_one_picture_cannot_be_real_and_fake(self, db, bring_in, item):
        bring_in(item(1))
        report = bring_in(replace(item(1), label=Label.FAKE))
        assert [refusal.reason for refusal in report.refused] == [
            "is called fake here, but the same picture is known as real."
        ]
        assert db.scalars(select(Image.label)).all() == [Label.REAL]

    def test_a_contradiction_within_one_import_is_seen_too(self, db, bring_in, item):
        report = bring_in(item(1), replace(item(1), name="b.png", label=Label.FAKE), item(2))
        assert [refusal.name for refusal in report.refused] == ["b.png"]
        assert (report.imported, count(db)) == (2, 2)

    def test_progress_is_told_and_batches_are_kept(self, db, bring_in, item, monkeypatch):
        monkeypatch.setattr(service, "BATCH", 2)
        told = []
        report = bring_in(*map(item, range(5)), on_progress=lambda *seen: told.append(seen))
        assert told == [(2, 5), (4, 5), (5, 5)]
        assert (report.imported, count(db)) == (5, 5)

    def test_the_order_of_the_manifest_is_kept(self, db, bring_in, item):
        bring_in(*map(item, range(30)))
        names = db.scalars(select(Image.original_name).order_by(Image.id)).all()
        assert names == [f"{index}.png" for index in range(30)]

    def test_nothing_to_import_is_an_empty_report(self, bring_in):
        assert bring_in().usable == 0


class TestImportPath:
    def test_a_malformed_line_writes_nothing_at_all(self, db, session_factory, blobs, settings, tmp_path):
        draw(tmp_path / "a.png")
        manifest = tmp_path / "manifest.csv"
        manifest.write_text("path,label,source\na.png,real,camera\na.png,reel,camera\n")
        with pytest.raises(BadInput, match="line 3"):
            import_path(session_factory, blobs, manifest)
        assert count(db) == 0
        assert not (settings.data_dir / "blobs").exists()

    def test_a_folder_reports_misplaced_files_first(self, session_factory, blobs, tmp_path):
        draw(tmp_path / "faces/real/a.png")
        draw(tmp_path / "faces/stray.png")
        (tmp_path / "faces/real/b.png").touch()
        report = import_path(session_factory, blobs, tmp_path / "faces")
        assert [refusal.name for refusal in report.refused] == ["stray.png", "real/b.png"]
        assert report.imported == 1


def count(db) -> int:
    return db.scalar(select(func.count()).select_from(Image))


@pytest.fixture
def item(tmp_path):
    def make(seed: int, *, suffix: str = "png", label: Label = Label.REAL, **options) -> Item:
        name = f"{seed}.{suffix}"
        return Item(draw(tmp_path / name, seed, **options), name, label, "camera")

    return make


@pytest.fixture
def bring_in(session_factory, blobs):
    return lambda *items, **options: import_images(session_factory, blobs, items, **options)


@pytest.fixture
def opened(blobs):
    from io import BytesIO

    return lambda name: Picture.open(BytesIO(blobs.get(name)))
