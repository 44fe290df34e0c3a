from io import BytesIO

import pytest
from PIL import Image as Picture

from app.stimuli.encode import jpeg
from tests.support.factories import ImageFactory
from tests.support.pictures import pixels


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

    @pytest.mark.parametrize("name", ["", "nobody.png", "%", "same.png"])
    def test_a_name_of_none_or_of_several_finds_none(self, editor, db, name):
        ImageFactory(original_name="one/same.png")
        ImageFactory(original_name="two/same.png")
        db.commit()
        assert editor.get("/api/images/picture", params={"name": name}).status_code == 404


@pytest.fixture
def display():
    return jpeg(Picture.fromarray(pixels(width=64, height=48)))


@pytest.fixture
def address(db, blobs, display):
    image = ImageFactory(display_hash=blobs.put(display), display_bytes=len(display))
    return f"/staff/images/{image.id}/picture"
