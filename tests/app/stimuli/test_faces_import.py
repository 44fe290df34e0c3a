"""Faces found at import, found later, and corrected by hand."""

from io import BytesIO

import pytest
from PIL import Image as Picture
from sqlalchemy import select

from app.errors import BadInput
from app.models import FaceOrigin, Image, Label
from app.stimuli.face_boxes import find_faces, set_box
from app.stimuli.face_search import FaceSearch
from app.stimuli.manifest import FaceBox, Item
from app.stimuli.service import import_images
from tests.support.factories import ImageFactory
from tests.support.pages import read
from tests.support.pictures import draw
from tests.support.portraits import draw_portrait


class TestImportImages:
    def test_a_face_without_a_box_is_found(self, session_factory, blobs, portrait):
        report = import_images(session_factory, blobs, [portrait()], faces=FaceSearch.FIND)
        image = only_image(session_factory)
        assert (report.imported, report.remarks, image.face_origin) == (1, (), FaceOrigin.FOUND)
        assert 60 < image.face_x < image.face_x + image.face_width < 260

    def test_a_box_that_is_given_stays(self, session_factory, blobs, portrait):
        import_images(session_factory, blobs, [portrait(face=FaceBox(1, 2, 30, 40))], faces=FaceSearch.FIND)
        image = only_image(session_factory)
        assert (image.face_x, image.face_width, image.face_origin) == (1, 30, None)

    def test_the_box_follows_the_picture_into_its_size(self, session_factory, blobs, portrait):
        import_images(session_factory, blobs, [portrait()], size=160, faces=FaceSearch.FIND)
        image = only_image(session_factory)
        assert 30 < image.face_x < image.face_x + image.face_width < 130

    def test_a_picture_without_a_face_is_imported_and_named(self, session_factory, blobs, tmp_path):
        item = Item(draw(tmp_path / "sky.png"), "sky.png", Label.REAL, "real")
        report = import_images(session_factory, blobs, [item], faces=FaceSearch.FIND)
        assert [str(remark) for remark in report.remarks] == [
            "sky.png: no face was found; give its box by hand."
        ]
        assert only_image(session_factory).face_x is None

    def test_importing_again_says_nothing_of_a_box_that_nobody_gave(self, session_factory, blobs, portrait):
        import_images(session_factory, blobs, [portrait()])
        report = import_images(session_factory, blobs, [portrait()], faces=FaceSearch.FIND)
        assert (report.already_there, report.ignored, report.remarks) == (1, (), ())

    def test_a_turned_head_is_stored_upright_in_one_frame(self, session_factory, blobs, portrait):
        import_images(session_factory, blobs, [portrait(turn_deg=20)], size=224, faces=FaceSearch.ALIGN)
        image = only_image(session_factory)
        assert (image.width, image.height, image.face_origin) == (224, 224, FaceOrigin.FOUND)
        middle = image.face_x + image.face_width / 2, image.face_y + image.face_height / 2
        assert middle == pytest.approx((112, 120), abs=20)

    def test_what_cannot_be_aligned_is_refused(self, session_factory, blobs, tmp_path):
        item = Item(draw(tmp_path / "sky.png"), "sky.png", Label.REAL, "real")
        report = import_images(session_factory, blobs, [item], size=64, faces=FaceSearch.ALIGN)
        assert [str(refusal) for refusal in report.refused] == [
            "sky.png: no face was found, so it cannot be aligned."
        ]

    def test_aligning_needs_a_size(self, session_factory, blobs, portrait):
        with pytest.raises(BadInput, match="need a size"):
            import_images(session_factory, blobs, [portrait()], faces=FaceSearch.ALIGN)


class TestFindFaces:
    def test_images_without_a_box_get_theirs(self, session_factory, blobs, portrait):
        import_images(session_factory, blobs, [portrait()])
        assert find_faces(session_factory, blobs).found == 1
        assert only_image(session_factory).face_origin is FaceOrigin.FOUND
        assert find_faces(session_factory, blobs).found == 0

    def test_a_box_drawn_by_hand_is_never_found_again(self, session_factory, blobs, portrait):
        import_images(session_factory, blobs, [portrait()])
        with session_factory.begin() as session:
            set_box(session.scalars(select(Image)).one(), FaceBox(1, 2, 3, 4), origin=FaceOrigin.CORRECTED)
        assert find_faces(session_factory, blobs, again=True).found == 0
        assert only_image(session_factory).face_width == 3

    def test_a_box_that_was_found_is_found_again_when_asked(self, session_factory, blobs, portrait):
        import_images(session_factory, blobs, [portrait()], faces=FaceSearch.FIND)
        assert find_faces(session_factory, blobs, again=True).found == 1


class TestPage:
    def test_it_shows_the_box_and_what_a_dataset_keeps(self, editor, db, stored):
        set_box(stored, FaceBox(80, 60, 100, 120), origin=FaceOrigin.FOUND)
        db.flush()
        page = read(editor.get(f"/staff/images/{stored.id}"))
        assert page.find("#face rect").get("width") == "100.0"
        crop = editor.get(page.find("#face-crop").get("src"))
        assert Picture.open(BytesIO(crop.content)).size == (224, 224)

    def test_a_correction_is_cut_at_the_edges_and_kept(self, editor, db, stored):
        box = {"x": "-10", "y": "20", "width": "500", "height": "100"}
        assert editor.post(f"/staff/images/{stored.id}/face", data=box).status_code == 303
        db.refresh(stored)
        face = stored.face_x, stored.face_y, stored.face_width, stored.face_height
        assert (face, stored.face_origin) == ((0, 20, 320, 100), FaceOrigin.CORRECTED)

    @pytest.mark.parametrize("change", [{"x": "5000"}, {"width": "0"}, {"width": "nan"}, {"height": ""}])
    def test_a_box_that_is_none_is_refused(self, editor, db, stored, change):
        box = {"x": "1", "y": "2", "width": "30", "height": "40"} | change
        assert editor.post(f"/staff/images/{stored.id}/face", data=box).status_code == 422
        db.refresh(stored)
        assert stored.face_x is None

    def test_the_face_is_found_on_request_and_its_box_removed(self, editor, db, stored):
        editor.post(f"/staff/images/{stored.id}/face/search")
        db.refresh(stored)
        assert stored.face_origin is FaceOrigin.FOUND
        editor.post(f"/staff/images/{stored.id}/face/remove")
        db.refresh(stored)
        assert (stored.face_x, stored.face_origin) == (None, None)

    def test_a_crop_beside_the_picture_is_refused(self, editor, stored):
        beside = {"x": 5000, "y": 0, "width": 10, "height": 10}
        assert editor.get(f"/staff/images/{stored.id}/crop", params=beside).status_code == 422


def only_image(sessions):
    with sessions() as session:
        return session.scalars(select(Image)).one()


@pytest.fixture
def portrait(tmp_path):
    def portrait(*, face=None, turn_deg=0):
        path = tmp_path / "face.png"
        Picture.fromarray(draw_portrait(3, turn_deg=turn_deg).pixels).save(path)
        return Item(path, "face.png", Label.REAL, "real", face=face)

    return portrait


@pytest.fixture
def stored(db, blobs):
    file = BytesIO()
    Picture.fromarray(draw_portrait(3).pixels).save(file, "PNG")
    name = blobs.put(file.getvalue())
    return ImageFactory(width=320, height=320, content_hash=name, display_hash=name)
