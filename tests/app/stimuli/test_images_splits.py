"""Splits that are set after the import, and images that nobody was shown."""

import pytest
from sqlalchemy import select

from app.errors import BadInput, BadStudy, Conflict, WrongState
from app.models import Dataset, DatasetImage, Image, Label, MapSet, Pair, RegionCheck, Split
from app.stimuli import setting_aside
from app.stimuli.setting_aside import deal_splits, set_aside_unshown
from app.studies import building
from app.studies.schemas import StudySpec
from app.studies.service import create_study
from tests.support.factories import SESSION_HOLDER, ImageFactory, PairFactory, StudyFactory

TRAIN, VAL, TEST = Split.TRAIN, Split.VAL, Split.TEST


def set_splits(session, path):
    return setting_aside.set_splits(session, path.read_bytes(), called=str(path))


class TestSetSplits:
    def test_images_are_named_as_they_were_imported(self, db, listed):
        whole, last, content = (ImageFactory(original_name=f"real/{name}.png") for name in "abc")
        report = set_splits(
            db, listed("real/a.png,test", "b.png,val", f"{content.content_hash},train", header="path,split")
        )
        assert [splits(db)[image.id] for image in (whole, last, content)] == [TEST, VAL, TRAIN]
        assert (report.changed, report.unchanged) == ({"test": 1, "val": 1, "train": 1}, 0)

    def test_the_manifest_itself_will_do_and_an_empty_split_takes_one_away(self, db, listed):
        image = ImageFactory(original_name="a.png", split=TEST)
        set_splits(db, listed("a.png,real,camera,,", header="path,label,source,split,group"))
        assert splits(db)[image.id] is None

    def test_names_are_compared_as_systems_write_them(self, db, listed):
        image = ImageFactory(original_name="r/Zoe\u0308.png")
        set_splits(db, listed("r\\Zo\u00eb.png;test", header="path;split"))
        assert splits(db)[image.id] is TEST

    def test_what_is_so_already_is_counted_and_no_obstacle(self, db, listed, frozen):
        image = frozen(ImageFactory(original_name="a.png", split=TEST))
        report = set_splits(db, listed("a.png,test"))
        assert (splits(db)[image.id], report.changed, report.unchanged) == (TEST, {}, 1)

    def test_an_image_of_a_frozen_dataset_keeps_its_split(self, db, listed, frozen):
        ImageFactory(original_name="a.png"), frozen(ImageFactory(original_name="b.png", split=TEST))
        with pytest.raises(WrongState, match=r"line 3: b\.png is in dataset \d+; its split stays test"):
            set_splits(db, listed("a.png,val", "b.png,train"))

    @pytest.mark.parametrize("shown", ["real", "fake", "region"])
    def test_an_image_that_a_study_shows_is_not_set_aside(self, db, listed, shown):
        study, image = StudyFactory(slug="faces"), ImageFactory(original_name="a.png", label=Label.REAL)
        other = ImageFactory(label=Label.FAKE)
        if shown == "region":
            region = {"prompt": "", "region": [], "min_iou": 0.5, "served_bytes": 1}
            db.add(RegionCheck(study_id=study.id, image_id=image.id, **region))
        else:
            pair = (image, other) if shown == "real" else (other, image)
            PairFactory(study_id=study.id, real_image_id=pair[0].id, fake_image_id=pair[1].id)
        with pytest.raises(
            WrongState, match="is shown in the study faces, so it cannot be set aside for val"
        ):
            set_splits(db, listed("a.png,val"))
        set_splits(db, listed("a.png,train"))  # it is trained on anyway
        assert splits(db)[image.id] is TRAIN

    @pytest.mark.parametrize(
        ("lines", "complaint"),
        [
            (["c.png,test"], r"line 2: there is no image c\.png"),
            (["a.png,testing"], "line 2: the split is 'testing'"),
            (["twice.png,test"], r"line 2: 2 images are called twice\.png; give the content hash"),
            (["a.png,test", "real/a.png,val"], r"line 3: real/a\.png has another split in .*line 2"),
            (["a.png,test", "b.png,train"], "The group twins would be in several splits: test and train"),
            (["a.png,test"], "The group twins would be in several splits: none and test"),
            ([], "lists no image"),
        ],
    )
    def test_what_cannot_be_done_changes_nothing(self, db, listed, lines, complaint):
        for name in ("real/a.png", "real/b.png"):
            ImageFactory(original_name=name, group="twins")
        for folder in "xy":
            ImageFactory(original_name=f"{folder}/twice.png")
        with pytest.raises(BadInput, match=complaint), db.begin_nested():
            set_splits(db, listed(*lines))
        db.expire_all()
        assert set(splits(db).values()) == {None}

    def test_a_group_is_moved_as_a_whole(self, db, listed):
        for name in ("a.png", "b.png"):
            ImageFactory(original_name=name, group="twins")
        set_splits(db, listed("a.png,test", "b.png,test"))
        assert set(splits(db).values()) == {TEST}


class TestDealSplits:
    def test_fractions_of_every_source_are_set_aside(self, db):
        for source, label in (("camera", Label.REAL), ("gan", Label.FAKE)):
            for _ in range(20):
                ImageFactory(label=label, source=source)
        report = deal_splits(db, val=0.1, test=0.25, seed=0)
        assert report.changed == {"val": 4, "test": 10}
        for source in ("camera", "gan"):
            own = db.scalars(select(Image.split).where(Image.source == source)).all()
            assert (own.count(VAL), own.count(TEST), own.count(None)) == (2, 5, 13)

    def test_images_that_are_shown_or_have_a_split_are_left_alone(self, db):
        study = StudyFactory()
        shown = [(ImageFactory(label=Label.REAL), ImageFactory(label=Label.FAKE)) for _ in range(9)]
        for real, fake in shown:
            PairFactory(study_id=study.id, real_image_id=real.id, fake_image_id=fake.id)
        twin = ImageFactory(label=Label.REAL, group="twins")
        ImageFactory(label=Label.REAL, group="twins", split=TRAIN)
        free = [ImageFactory(label=label) for label in Label for _ in range(4)]
        deal_splits(db, val=0, test=0.5, seed=0)
        aside = {image_id for image_id, split in splits(db).items() if split is TEST}
        assert len(aside) == 4
        assert aside < {image.id for image in free}
        assert splits(db)[twin.id] is None

    def test_nothing_to_deal_is_one_sentence(self, db):
        ImageFactory(split=TRAIN)
        with pytest.raises(BadInput, match="No image is left to set aside"):
            deal_splits(db, val=0.1, test=0.2, seed=0)


class TestUnshown:
    def test_images_that_no_study_shows_become_test_images(self, db, study):
        free = [ImageFactory(label=label) for label in Label]
        kept = ImageFactory(label=Label.REAL, split=TRAIN)
        assert set_aside_unshown(db, study) == 2
        assert [splits(db)[image.id] for image in free] == [TEST, TEST]
        assert splits(db)[kept.id] is TRAIN
        assert sum(split is None for split in splits(db).values()) == 2  # those that the study shows

    def test_another_picture_of_a_person_who_was_shown_stays_out(self, db, study):
        real = db.scalars(select(Image).where(Image.label == Label.REAL)).one()
        real.group = "someone"
        twin = ImageFactory(label=Label.REAL, group="someone")
        [ImageFactory(label=label) for label in Label]
        assert set_aside_unshown(db, study) == 2
        assert splits(db)[twin.id] is None

    def test_drawn_faces_and_photographs_are_not_mixed(self, db, study):
        drawn = [ImageFactory(label=label, generated=True) for label in Label]
        [ImageFactory(label=label) for label in Label]
        set_aside_unshown(db, study)
        assert [splits(db)[image.id] for image in drawn] == [None, None]

    def test_a_test_of_one_kind_is_refused(self, db, study):
        ImageFactory(label=Label.REAL)
        with pytest.raises(BadInput, match="there is no fake image that no study shows"):
            set_aside_unshown(db, study)
        assert TEST not in splits(db).values()

    def test_no_study_shows_them_later(self, db, study):
        [ImageFactory(label=label) for label in Label for _ in range(3)]
        set_aside_unshown(db, study)
        shown = {image_id for image_id, split in splits(db).items() if split is None}
        later = create_study(db, description("later"))
        pairs = db.scalars(select(Pair).where(Pair.study_id == later.id))
        assert {image for pair in pairs for image in (pair.real_image_id, pair.fake_image_id)} <= shown


class TestAtTheSameTime:
    def test_an_image_set_aside_while_a_study_is_made_is_not_shown(self, own, monkeypatch):
        """It is chosen first, then set aside by a transaction that ends before the pairs are written."""

        def set_aside(*_args, **_options):
            with own.begin() as other:
                other.scalars(select(Image).where(Image.label == Label.REAL)).one().split = TEST

        monkeypatch.setattr(building, "check_pairs", set_aside)
        with pytest.raises(BadStudy, match=r"real\.png was set aside meanwhile"), own.begin() as session:
            create_study(session, description("faces"))

    @pytest.mark.parametrize("at_work", ["a study", "a freeze"])
    def test_images_that_somebody_works_with_are_not_changed(self, own, tmp_path, at_work):
        (tmp_path / "splits.csv").write_text("path,split\nreal.png,test\n")
        with own() as working, own() as session:
            if at_work == "a study":
                create_study(working, description("faces"))
            else:
                working.scalars(select(Image).with_for_update(read=True)).all()
            with pytest.raises(Conflict, match="are being put into a study or a dataset; try again"):
                set_splits(session, tmp_path / "splits.csv")


def splits(db) -> dict[int, Split | None]:
    return dict(db.execute(select(Image.id, Image.split)).all())


@pytest.fixture
def listed(tmp_path):
    def write(*lines: str, header: str = "path,split"):
        path = tmp_path / "splits.csv"
        path.write_text("\n".join([header, *lines]), encoding="utf-8")
        return path

    return write


@pytest.fixture
def study(db):
    """It shows one real and one fake image."""
    study = StudyFactory()
    real, fake = (ImageFactory(label=label) for label in Label)
    PairFactory(study_id=study.id, real_image_id=real.id, fake_image_id=fake.id)
    return study


@pytest.fixture
def frozen(db):
    """Put an image into a dataset."""

    def freeze(image: Image) -> Image:
        study = StudyFactory()
        map_set = MapSet(study_id=study.id, version=1, parameters={})
        db.add(map_set)
        db.flush()
        dataset = Dataset(
            content_hash="0" * 64,
            study_id=study.id,
            map_set_id=map_set.id,
            folder="",
            parameters={},
            counts={},
        )
        db.add(dataset)
        db.flush()
        db.add(DatasetImage(dataset_id=dataset.id, image_id=image.id))
        db.flush()
        return image

    return freeze


@pytest.fixture
def own(own_database):
    """Sessions of a database with one real and one fake image."""
    _, sessions = own_database
    with sessions() as session:
        SESSION_HOLDER["session"] = session
        for label in Label:
            ImageFactory(label=label, original_name=f"{label}.png")
    return sessions


def description(slug: str) -> StudySpec:
    pairs = {"per_source": 1}
    return StudySpec.model_validate({"slug": slug, "title": "T", "trials_per_participant": 1, "pairs": pairs})
