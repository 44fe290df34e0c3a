import tomllib

import pytest
from hypothesis import given, settings
from sqlalchemy import select

from app.errors import BadStudy
from app.models import Advice, Arm, Image, ImageAdvice
from app.studies.schemas import StudySpec, load_study, parse_study
from app.studies.service import create_study
from app.studies.toml import to_toml, toml_of, written
from tests.support.descriptions import descriptions
from tests.support.factories import ArmFactory, ImageFactory, StudyFactory

MINIMAL = 'slug = "faces"\ntitle = "T"\n[pairs]\nper_source = 10\n'


class TestRoundTrip:
    @given(descriptions())
    @settings(max_examples=50, deadline=None)
    def test_a_study_written_as_toml_and_read_again_is_the_same_study(self, spec):
        again = StudySpec.model_validate(tomllib.loads(to_toml(spec)))
        assert again == spec
        assert again.model_dump(mode="json") == spec.model_dump(mode="json")

    def test_defaults_are_written_out(self):
        said = tomllib.loads(to_toml(parse_study(MINIMAL, {})))
        assert (said["judgements"], said["device"]["min_width"]) == (5, 320)
        assert "debrief" not in said

    def test_keys_stand_in_the_order_of_the_reference_whatever_the_database_makes_of_it(self):
        stored = parse_study(MINIMAL, {}).model_dump(mode="json")
        upside_down = dict(reversed(stored.items()))
        assert written(upside_down) == written(stored)
        assert written(stored).startswith('slug = "faces"\ntitle = "T"\n')

    def test_texts_are_written_over_several_lines(self):
        assert 'consent = """\n## Taking part in this study\n\n' in to_toml(parse_study(MINIMAL, {}))

    def test_ends_of_lines_of_a_browser_are_those_of_everybody(self):
        spec = StudySpec.model_validate(tomllib.loads(MINIMAL) | {"consent": "one\r\ntwo"})
        assert spec.consent == "one\ntwo"


class TestFilesOfADescription:
    NAMED = MINIMAL.replace("per_source = 10", 'file = "pairs.csv"')

    def test_they_come_with_it(self):
        spec = parse_study(self.NAMED, {"pairs.csv": "real,fake\na.png,b.png\n"})
        assert [(pair.real, pair.fake, pair.where) for pair in spec.pairs.listed] == [
            ("a.png", "b.png", "pairs.csv, line 2")
        ]

    def test_one_that_does_not_come_is_named(self):
        with pytest.raises(BadStudy, match=r"names pairs\.csv; choose that file together with it"):
            parse_study(self.NAMED, {})

    def test_listed_pairs_are_written_into_the_description(self):
        spec = parse_study(self.NAMED, {"pairs.csv": "real,fake\na.png,b.png\n"})
        again = parse_study(to_toml(spec), {})
        assert again.model_dump() == spec.model_dump()


class TestMapsOfAdvice:
    def test_they_are_written_by_the_name_they_are_kept_under(self, db, advised):
        kept = db.scalars(select(ImageAdvice.map_hash)).all()
        assert all(f'map = "{name}"' in toml_of(db, advised) for name in kept)

    def test_a_copy_shows_the_same_maps(self, db, advised):
        toml = toml_of(db, advised).replace('slug = "faces"', 'slug = "again"')
        copy = create_study(db, parse_study(toml, {}))
        maps = select(ImageAdvice.image_id, ImageAdvice.map_hash).order_by(ImageAdvice.image_id)
        same = [db.execute(maps.where(ImageAdvice.study_id == one.id)).all() for one in (advised, copy)]
        assert same[0] == same[1]

    def test_a_map_of_another_image_is_refused(self, db, advised):
        one, other = db.scalars(select(ImageAdvice.map_hash).distinct()).all()
        toml = toml_of(db, advised).replace('slug = "faces"', 'slug = "again"')
        with pytest.raises(BadStudy, match="is not kept here"):
            create_study(db, parse_study(toml.replace(one, other), {}))

    def test_a_study_of_an_earlier_version_names_no_file(self, db):
        study = StudyFactory(spec={"advice": {"listed": [{"image": "a", "score": 1, "map": "maps/a.png"}]}})
        ArmFactory(study_id=study.id, advice=Advice.BOTH)
        image = ImageFactory()
        db.add(ImageAdvice(study_id=study.id, image_id=image.id, score=0.5, map_hash="a" * 64, map_bytes=1))
        db.flush()
        assert tomllib.loads(toml_of(db, study))["advice"]["listed"] == [
            {"image": image.content_hash, "score": 0.5, "map": "a" * 64}
        ]


@pytest.fixture
def advised(db, blobs, tmp_path):
    """A study of two images, with a map of its own for each."""
    import cv2
    import numpy as np

    lines = ["image,score,map"]
    for number, label in enumerate(("real", "fake")):
        image = ImageFactory(label=label, source="x", width=8, height=8, original_name=f"{label}.png")
        cv2.imwrite(str(tmp_path / f"{label}-map.png"), np.full((8, 8), 100 * number + 50, np.uint8))
        lines.append(f"{image.original_name},0.5,{label}-map.png")
    (tmp_path / "advice.csv").write_text("\n".join(lines))
    (tmp_path / "study.toml").write_text(
        'slug = "faces"\ntitle = "T"\ntrials_per_participant = 1\npairs = {per_source = 1}\n'
        'arms = [{name = "helped", annotate = true, advice = "both"}]\nadvice = {file = "advice.csv"}\n'
    )
    study = create_study(db, load_study(tmp_path / "study.toml"), blobs=blobs)
    assert db.scalar(select(Arm.advice).where(Arm.study_id == study.id)) is Advice.BOTH
    assert db.scalar(select(Image.width)) == 8
    return study
