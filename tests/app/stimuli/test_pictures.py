import base64
import io
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image as Picture
from sqlalchemy import event, select, update

from app.models import Image, ImageAdvice, Label, Trial
from app.trials.addresses import SEALED_CHARACTERS, PictureSlot, Seal, SealedPicture
from app.trials.picture_server import PictureCache
from app.trials.pictures import pad_jpeg
from tests.support.worlds import Visitor, make_study

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
BLOB = "ab" * 32


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

    @pytest.mark.parametrize("address", ["nonsense", "A" * SEALED_CHARACTERS, "é" * SEALED_CHARACTERS])
    def test_an_unknown_address_is_not_found(self, client, address):
        assert client.get(f"/i/{address}").status_code == 404

    def test_two_participants_never_share_an_address(self, client, visitor):
        other = Visitor(client, visitor.study)
        other.consent()
        urls = [
            {answer["trial"][side]["url"] for side in ("left", "right")} | set(answer["preload"])
            for answer in (visitor.next().json(), other.next().json())
        ]
        assert not urls[0] & urls[1]

    def test_it_is_served_without_the_database(self, client, engine, visitor):
        trial = visitor.next().json()["trial"]
        client.get(trial["left"]["url"])  # the key is read once
        statements = []
        event.listen(engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
        assert client.get(trial["right"]["url"]).status_code == 200
        assert statements == []

    def test_one_that_was_asked_for_is_not_read_again(self, client, blobs, visitor):
        url = visitor.next().json()["trial"]["left"]["url"]
        first = client.get(url).content
        for blob in (blobs.folder).rglob("*"):
            if blob.is_file():
                blob.unlink()
        assert client.get(url).content == first

    def test_one_whose_file_is_gone_is_not_found(self, client, blobs, visitor):
        for blob in (blobs.folder).rglob("*"):
            if blob.is_file():
                blob.unlink()
        assert client.get(visitor.next().json()["trial"]["left"]["url"]).status_code == 404

    def test_an_address_is_the_same_when_it_is_asked_for_again(self, visitor):
        assert visitor.next().json() == visitor.next().json()

    def test_an_address_of_an_earlier_version_still_works(self, client, db, visitor):
        trial = visitor.next().json()["trial"]
        db.execute(update(Trial).where(Trial.id == trial["id"]).values(left_token="an-old-address"))
        db.commit()
        assert client.get("/i/an-old-address").content == client.get(trial["left"]["url"]).content

    def test_withdrawal_leaves_the_address_to_lapse_and_nothing_that_tells_whose_it_was(
        self, client, db, visitor
    ):
        trial = visitor.next().json()["trial"]
        client.post("/api/participant/withdraw", headers=visitor.headers)
        assert client.get(trial["left"]["url"]).status_code == 200
        assert db.scalar(select(Trial).where(Trial.id == trial["id"])) is None
        assert visitor.next().status_code == 401


class TestHeatMap:
    @pytest.fixture
    def trial(self, client, db, blobs):
        """A trial whose two faces have heat maps of different length."""
        study = make_study(db, arms=(True,))
        maps = [blobs.put(png(side)) for side in (8, 64)]
        visitor = Visitor(client, study.slug)
        visitor.consent()
        shown = db.scalars(select(Trial).order_by(Trial.position)).first()
        for image, name in zip((shown.left_image_id, shown.right_image_id), maps, strict=True):
            size = len(blobs.get(name))
            db.add(ImageAdvice(study_id=study.id, image_id=image, score=0.5, map_hash=name, map_bytes=size))
        said = {"decision": "left", "confidence": 0.9, "left_map": maps[0], "right_map": maps[1]}
        db.execute(update(Trial).where(Trial.id == shown.id).values(advice=said))
        db.commit()
        return visitor.next().json()["trial"]

    def test_both_of_a_pair_have_one_length(self, client, trial):
        served = [client.get(trial["advice"][f"{side}_map"]) for side in ("left", "right")]
        assert {answer.headers["content-type"] for answer in served} == {"image/png"}
        assert len({len(answer.content) for answer in served}) == 1
        assert [pixels(answer.content).shape for answer in served] == [(8, 8), (64, 64)]

    def test_their_addresses_are_as_long_as_those_of_faces(self, trial):
        addresses = [trial["left"]["url"], trial["advice"]["left_map"], trial["advice"]["right_map"]]
        assert len({len(address) for address in addresses}) == 1

    def test_an_address_of_an_earlier_version_still_works(self, client, db, trial):
        db.execute(update(Trial).where(Trial.id == trial["id"]).values(right_token="an-old-address"))
        db.commit()
        new = client.get(trial["advice"]["right_map"])
        assert client.get("/i/an-old-address/map").content == new.content


class TestSeal:
    @pytest.fixture
    def seal(self):
        return Seal(bytes(range(64)))

    @pytest.fixture
    def address(self, seal):
        def make(trial=None, place=PictureSlot.LEFT, *, blob=BLOB, size=65_536, at=NOW):
            return seal.address(trial or uuid4(), place, blob=blob, size=size, at=at)

        return make

    @pytest.mark.parametrize("place", PictureSlot)
    def test_what_is_sealed_comes_back(self, seal, address, place):
        assert seal.open(address(place=place), at=NOW) == SealedPicture(BLOB, 65_536, place.is_map)

    def test_every_address_is_as_long(self, address):
        made = {
            address(place=place, blob=blob, size=size)
            for place in PictureSlot
            for blob in (BLOB, "00" * 32)
            for size in (1, 2**31)
        }
        assert {len(one) for one in made} == {SEALED_CHARACTERS}

    def test_the_same_picture_has_another_address_in_every_trial(self, address):
        assert len({address() for _ in range(100)}) == 100

    def test_addresses_of_one_picture_have_no_more_in_common_than_those_of_two(self, address):
        one, same, other = (as_bits(address(blob=blob)) for blob in (BLOB, BLOB, "cd" * 32))
        assert abs((one == same).mean() - 0.5) < 0.1
        assert abs((one == other).mean() - 0.5) < 0.1

    def test_a_changed_letter_opens_nothing(self, seal, address):
        made = address()
        changed = [
            f"{made[:at]}{'B' if made[at] != 'B' else 'C'}{made[at + 1 :]}" for at in range(len(made) - 1)
        ]
        assert not any(seal.open(one, at=NOW) for one in changed)

    def test_another_installations_key_opens_nothing(self, address):
        assert Seal(bytes(64)).open(address(), at=NOW) is None

    @pytest.mark.parametrize(
        ("later", "works"),
        [(timedelta(days=6.9), True), (timedelta(days=14.1), False), (-timedelta(minutes=5), True)],
    )
    def test_it_lapses_within_two_weeks(self, seal, address, later, works):
        made = [address(at=NOW) for _ in range(20)]
        assert {seal.open(one, at=NOW + later) is not None for one in made} == {works}

    def test_their_weeks_end_at_different_times(self, address):
        trials = [uuid4() for _ in range(50)]
        changed = [address(one, at=NOW) != address(one, at=NOW + timedelta(days=3.5)) for one in trials]
        assert 5 < sum(changed) < 45


class TestMemory:
    def test_it_holds_so_many_bytes_and_forgets_what_was_asked_for_longest_ago(self):
        memory = PictureCache(limit=100)
        first, second, third = (SealedPicture(name * 64, 40, is_map=False) for name in "abc")
        memory.add(first, bytes(40))
        memory.add(second, bytes(40))
        assert memory.get(first) is not None
        memory.add(third, bytes(40))
        assert [memory.get(one) is not None for one in (first, second, third)] == [True, False, True]
        assert memory.size == 80

    def test_it_keeps_nothing_that_is_larger_than_all_of_it(self):
        memory = PictureCache(limit=10)
        memory.add(SealedPicture(BLOB, 40, is_map=False), bytes(40))
        assert memory.size == 0


def as_bits(address: str) -> np.ndarray:
    return np.unpackbits(np.frombuffer(base64.urlsafe_b64decode(address + "="), np.uint8))


def png(side: int) -> bytes:
    buffer = io.BytesIO()
    values = np.random.default_rng(side).integers(0, 256, (side, side), dtype=np.uint8)
    Picture.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()
