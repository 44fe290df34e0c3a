from collections import Counter
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadStudy
from app.studies.pairing import PairingFace, random_pairs

ids = count(1)


def faces(
    number: int, source: str = "camera", *, size: int = 64, generated: bool = False
) -> list[PairingFace]:
    return [
        PairingFace(next(ids), f"{source}{size}-{n}", source, size, size, generated) for n in range(number)
    ]


class TestRandomPairs:
    def test_each_source_gets_its_number_of_pairs(self):
        gan, diffusion = faces(5, "gan"), faces(3, "diffusion")
        pairs = random_pairs(faces(9), gan + diffusion, per_source=7, seed=0)
        of_gan = {image.id for image in gan}
        assert Counter(fake in of_gan for _, fake in pairs) == {True: 7, False: 7}

    @given(
        real=st.integers(1, 12),
        fake=st.integers(1, 12),
        wanted=st.integers(1, 40),
        seed=st.integers(0, 2**63 - 1),
    )
    def test_pairs_differ_and_images_are_used_evenly(self, real, fake, wanted, seed):
        wanted = min(wanted, real * fake)
        pairs = random_pairs(faces(real), faces(fake, "gan"), per_source=wanted, seed=seed)
        assert len(set(pairs)) == wanted
        assert spread([fake for _, fake in pairs], among=fake) <= 1
        assert spread([real for real, _ in pairs], among=real) <= 1

    def test_real_images_are_used_evenly_over_all_sources(self):
        fake = faces(4, "gan") + faces(4, "diffusion") + faces(4, "flow")
        pairs = random_pairs(faces(12), fake, per_source=4, seed=1)
        assert Counter(Counter(real for real, _ in pairs).values()) == {1: 12}

    def test_the_same_seed_gives_the_same_pairs_whatever_the_order_and_ids(self):
        first = random_pairs(faces(6), faces(6, "gan"), per_source=10, seed=3)
        offset = (
            first[0][0] - random_pairs(real := faces(6), fake := faces(6, "gan"), per_source=10, seed=3)[0][0]
        )
        again = random_pairs(real[::-1], fake[::-1], per_source=10, seed=3)
        assert [(real + offset, fake + offset) for real, fake in again] == first

    def test_another_seed_gives_other_pairs(self):
        real, fake = faces(6), faces(6, "gan")
        assert random_pairs(real, fake, per_source=6, seed=1) != random_pairs(
            real, fake, per_source=6, seed=2
        )

    def test_both_images_of_a_pair_have_one_size(self):
        real = faces(3, size=64) + faces(3, size=128)
        fake = faces(4, "gan", size=64) + faces(4, "gan", size=128)
        sizes = {image.id: image.width for image in real + fake}
        pairs = random_pairs(real, fake, per_source=24, seed=0)
        assert all(sizes[left] == sizes[right] for left, right in pairs)

    def test_every_possible_pair_can_be_had_and_not_one_more(self):
        real, fake = faces(4), faces(3, "gan")
        assert len(set(random_pairs(real, fake, per_source=12, seed=0))) == 12
        with pytest.raises(BadStudy, match=r"gan has 3 fake images, which make 12 pairs .* 13 are wanted"):
            random_pairs(real, fake, per_source=13, seed=0)

    def test_sizes_that_never_meet_are_one_sentence_with_the_remedy(self):
        with pytest.raises(BadStudy) as error:
            random_pairs(faces(2, size=512), faces(2, "gan", size=256), per_source=1, seed=0)
        assert str(error.value) == (
            "No fake image of gan has the size of a real one: fake are 256×256, real are 512×512 pixels; "
            "import them again with `cyborg images import … --size 256`."
        )

    def test_faces_drawn_by_code_are_paired_among_themselves(self):
        real = faces(2) + (drawn := faces(2, "drawn", generated=True))
        pairs = random_pairs(real, faces(2, "doodle", generated=True), per_source=4, seed=0)
        assert {real for real, _ in pairs} == {image.id for image in drawn}

    def test_a_drawn_fake_without_drawn_real_faces_is_refused(self):
        with pytest.raises(BadStudy, match="doodle: faces drawn by code are paired among themselves only"):
            random_pairs(faces(2), faces(2, "doodle", generated=True), per_source=1, seed=0)


def spread(used: list[int], *, among: int) -> int:
    """Most uses of an image minus fewest, where `among` images could be used."""
    uses = Counter(used)
    return max(uses.values()) - (min(uses.values()) if len(uses) == among else 0)
