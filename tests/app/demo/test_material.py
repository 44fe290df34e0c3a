from pathlib import Path

import pytest
from rich.progress import Progress

from app.demo.material import Supply, describe_study, find_material, free_slug, listed_items, set_aside
from app.demo.stages import Stage
from app.errors import BadInput
from app.models import Label, Split
from app.stimuli.manifest import Item
from app.studies.service import create_study
from tests.support.factories import ImageFactory, StudyFactory

MANY = Supply(real={"photo": 300}, fake={"stylegan": 300, "diffusion": 280})


def items(count: int = 100, *, group: bool = False) -> list[Item]:
    return [
        Item(Path(f"{n}.jpg"), f"{n}.jpg", label, "s", group=f"g{n // 4}" if group else None)
        for n in range(count)
        for label in Label
    ]


class TestSetAside:
    def test_part_of_every_class_is_kept_from_participants(self):
        splits = {(item.label, item.split) for item in set_aside(items(), seed=0)}
        assert splits == {(label, split) for label in Label for split in (None, Split.VAL, Split.TEST)}

    def test_a_group_stays_together(self):
        splits: dict[str | None, set[Split | None]] = {}
        for item in set_aside(items(group=True), seed=0):
            splits.setdefault(item.group, set()).add(item.split)
        assert all(len(found) == 1 for found in splits.values())

    def test_the_same_seed_sets_the_same_aside(self):
        assert set_aside(items(), seed=3) == set_aside(items(), seed=3)


class TestListedItems:
    def test_splits_that_a_manifest_gives_are_kept(self, tmp_path: Path):
        (tmp_path / "m.csv").write_text("path,label,source,split\na.png,real,p,test\nb.png,fake,g,\n")
        assert [item.split for item in listed_items(tmp_path / "m.csv", seed=0)] == [Split.TEST, None]

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path):
        with pytest.raises(BadInput, match=r"none\.csv"):
            listed_items(tmp_path / "none.csv", seed=0)


class TestFindMaterial:
    def test_it_counts_what_participants_may_see(self, db):
        self.images(db)
        found = find_material(db, items(1), generated=False)
        assert (found.real, found.fake) == ({"s": 1}, {"s": 2})

    def test_drawn_faces_and_photographs_are_not_mixed(self, db):
        self.images(db)
        with pytest.raises(BadInput, match="no real face"):
            find_material(db, items(1), generated=True)

    def images(self, db) -> None:
        ImageFactory(label=Label.REAL, source="s")
        ImageFactory(label=Label.REAL, source="s", split=Split.TEST)
        ImageFactory(label=Label.REAL, source="another")
        for _ in range(2):
            ImageFactory(label=Label.FAKE, source="s")
        ImageFactory(label=Label.FAKE, source="s", generated=True)


class TestDescribeStudy:
    @pytest.mark.parametrize("participants", [2, 13, 40, 400])
    def test_every_simulated_participant_has_a_place(self, participants: int):
        spec = describe_study(MANY, slug="demo", participants=participants, seed=0)
        pairs = spec.pairs.per_source * 2
        places_per_arm = pairs * 2 * spec.judgements
        assert places_per_arm >= (participants // 2 + 2) * spec.trials_per_participant

    def test_an_image_gets_about_two_annotations(self):
        spec = describe_study(MANY, slug="demo", participants=40, seed=0)
        images = 2 * 2 * spec.pairs.per_source
        assert 20 * spec.trials_per_participant / images == pytest.approx(2, abs=0.2)

    def test_a_drawn_world_is_shown_whole_to_the_usual_crowd(self):
        drawn = Supply(real={"camera": 150}, fake={"a": 50, "b": 50, "c": 50})
        assert describe_study(drawn, slug="demo", participants=40, seed=0).pairs.per_source == 50

    def test_few_images_make_short_visits(self):
        few = Supply(real={"photo": 6}, fake={"stylegan": 5})
        spec = describe_study(few, slug="demo", participants=40, seed=0)
        assert (spec.pairs.per_source, spec.trials_per_participant) == (5, 5)

    def test_fewer_real_faces_than_generators_make_visits_in_which_none_comes_again(self, db):
        ImageFactory.create_batch(2, label=Label.REAL, source="s")
        for generator in ("a", "b", "c"):
            ImageFactory.create_batch(2, label=Label.FAKE, source=generator)
        wanted = [Item(Path("x.jpg"), "x.jpg", Label.REAL, source) for source in ("s", "a", "b", "c")]
        spec = describe_study(find_material(db, wanted, generated=False), slug="demo", participants=8, seed=0)
        assert spec.trials_per_participant == 2
        assert create_study(db, spec)

    def test_its_studies_can_be_created(self, db):
        for _ in range(6):
            ImageFactory(label=Label.REAL, source="s")
            ImageFactory(label=Label.FAKE, source="s")
        found = find_material(db, items(1), generated=False)
        study = create_study(db, describe_study(found, slug="demo", participants=8, seed=0))
        assert study.accepts_simulated
        assert "simulated" in study.title


class TestFreeSlug:
    def test_it_is_demo_at_first(self, db):
        StudyFactory(slug="demonstration-of-mine")
        assert free_slug(db) == "demo"

    def test_then_it_is_numbered(self, db):
        for slug in ("demo", "demo-2", "demo-4"):
            StudyFactory(slug=slug)
        assert free_slug(db) == "demo-3"


def test_a_stage_shows_its_progress():
    with Progress(disable=True) as bar:
        bar.add_task("Draw", total=None)
        Stage("Draw", bar).progress(3, 9)
        assert (bar.tasks[0].completed, bar.tasks[0].total) == (3, 9)
