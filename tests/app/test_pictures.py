import io

import numpy as np
import pytest
from PIL import Image as Picture
from sqlalchemy import update

from app.models import Image, Label
from app.trials.pictures import pad_jpeg
from tests.app.worlds import Visitor, make_study


def jpeg(seed: int, *, noise: int = 40) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, noise, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Picture.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def pixels(data: bytes):
    return np.asarray(Picture.open(io.BytesIO(data)))


class TestPadding:
    @pytest.mark.parametrize("extra", [0, 4, 5, 4096, 65_536, 65_537, 65_538, 65_541, 200_000])
    def test_it_gives_exactly_the_size_and_the_same_pixels(self, extra):
        data = jpeg(1)
        padded = pad_jpeg(data, len(data) + extra)
        assert len(padded) == len(data) + extra
        np.testing.assert_array_equal(pixels(padded), pixels(data))

    @pytest.mark.parametrize("extra", [-1, 1, 3])
    def test_a_size_that_cannot_be_reached_is_an_error(self, extra):
        with pytest.raises(ValueError, match="cannot pad"):
            pad_jpeg(jpeg(1), len(jpeg(1)) + extra)


class TestPicture:
    @pytest.fixture
    def visitor(self, client, db, blobs):
        study = make_study(db)
        for label, noise in ((Label.REAL, 10), (Label.FAKE, 200)):
            name = blobs.put(jpeg(2, noise=noise))
            db.execute(update(Image).where(Image.label == label).values(display_hash=name))
        db.commit()
        visitor = Visitor(client, study.slug)
        visitor.consent()
        return visitor

    @pytest.fixture
    def served(self, client, db, visitor):
        from app.models import Pair

        db.execute(update(Pair).values(served_bytes=16_384))
        db.commit()
        trial = visitor.next().json()["trial"]
        return [client.get(trial[side]["url"]) for side in ("left", "right")]

    def test_both_of_a_pair_have_one_length_whatever_they_show(self, served):
        assert [len(answer.content) for answer in served] == [16_384, 16_384]

    def test_their_headers_are_the_same_but_for_the_request_id(self, served):
        left, right = ({**answer.headers, "x-request-id": ""} for answer in served)
        assert left == right

    def test_an_unknown_token_is_not_found(self, client):
        assert client.get("/i/nonsense").status_code == 404

    def test_two_participants_never_share_an_address(self, client, visitor):
        other = Visitor(client, visitor.study)
        other.consent()
        urls = [
            {answer["trial"][side]["url"] for side in ("left", "right")} | set(answer["preload"])
            for answer in (visitor.next().json(), other.next().json())
        ]
        assert not urls[0] & urls[1]
