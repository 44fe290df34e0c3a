"""The generated benchmark: what its worlds promise, how its numbers are made, and, slowly, its claim."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from app.demo.artefacts import SEEN, UNSEEN, spoil
from benchmarks.human_maps import few_maps
from benchmarks.human_maps.annotation_efficiency import fewer_maps, matching_size, more_data
from benchmarks.human_maps.annotators import annotate, parameters
from benchmarks.human_maps.design import REGIMES, Design, changed
from benchmarks.human_maps.execution import BenchmarkSettings, run_all
from benchmarks.human_maps.faces import Faces, draw_face, read_faces, write_photos
from benchmarks.human_maps.networks import CyborgTinyWide
from benchmarks.human_maps.scenarios import (
    HUMAN,
    BenchmarkRun,
    BenchmarkScenario,
    designs,
    guided,
    other_objectives,
    run_folder,
    the_claim,
)
from benchmarks.human_maps.shortcut_scores import PairedScores, summary
from benchmarks.human_maps.table import claim, gap, show
from benchmarks.human_maps.world import (
    FinishedPicture,
    PicturePlan,
    add_shortcut,
    is_painted,
    make,
    plans,
    shortcut_place,
    write_world,
)
from saliency import build_image_map
from training.config import OBJECTIVES, CrossEntropy, Cyborg
from training.model.backbones import CyborgTiny

DEFAULT = Design()
SMALL = replace(DEFAULT, train=16, val=4, test=8)
HEAD = (16.0, 12.0, 30.0, 40.0)


@pytest.fixture(scope="module")
def faces() -> Faces:
    drawn = [draw_face(number, seed=0, size=SMALL.size) for number in range(28)]
    return Faces(*(np.stack([np.asarray(one[i]) for one in drawn]) for i in range(3)))


def world(faces: Faces, design: Design, *, seed: int = 0) -> list[FinishedPicture]:
    order = plans(design, np.random.default_rng([seed, 0]))
    return [made for plan in order for made in make(plan, faces, design, seed=seed)]


class TestFaces:
    def test_a_face_is_a_function_of_seed_and_number(self, faces):
        again, _, _ = draw_face(3, seed=0, size=SMALL.size)
        other, _, _ = draw_face(3, seed=1, size=SMALL.size)
        assert np.array_equal(again, faces.pictures[3])
        assert not np.array_equal(other, faces.pictures[3])

    def test_every_place_for_an_artefact_is_in_the_frame(self, faces):
        assert ((faces.parts > 0) & (faces.parts < SMALL.size)).all()


class TestPhotos:
    def test_images_of_a_manifest_become_faces(self, tmp_path):
        for number in range(3):
            cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((90, 70, 3), 60 * number, np.uint8))
        lines = ["path,label,source", *(f"{number}.png,real,camera" for number in range(3))]
        (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
        assert write_photos(tmp_path / "kept" / "p.npz", tmp_path / "manifest.csv", size=64) == 3
        kept = read_faces(tmp_path / "kept" / "p.npz")
        assert kept.pictures.shape == (3, 64, 64, 3)
        assert kept.pictures[2].max() == 120
        assert ((kept.parts > 0) & (kept.parts < 64)).all()

    def test_too_few_of_them_are_said(self, tmp_path):
        cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), np.uint8))
        (tmp_path / "manifest.csv").write_text("path\na.png\n")
        settings = BenchmarkSettings(tmp_path / "out", (0,), 1, photos=tmp_path / "manifest.csv")
        with pytest.raises(ValueError, match="lists 1 images; this world needs 28"):
            run_all(settings, [BenchmarkScenario("x", CrossEntropy(), SMALL)])


class TestArtefacts:
    @pytest.mark.parametrize("name", [*SEEN, *UNSEEN])
    def test_a_texture_stays_within_the_place_it_is_said_to_be_in(self, name):
        clean = np.full((64, 64, 3), 128, np.float32)
        spoiled = clean.copy()
        rng = np.random.default_rng(0)
        x, y, w, h = spoil(spoiled, (30, 34), (SEEN | UNSEEN)[name], rng, radius=0.12, strength=20)
        rows, columns = np.nonzero(np.abs(spoiled - clean).max(axis=2) > 1e-3)
        assert columns.min() + 1 > x
        assert columns.max() < x + w
        assert rows.min() + 1 > y
        assert rows.max() < y + h

    def test_no_generator_of_the_test_is_met_in_training(self, faces):
        made = world(faces, SMALL)
        strange = {one.plan.generator for one in made if one.plan.strange}
        trained = {one.plan.generator for one in made if one.plan.split != "test"}
        assert strange - {""} <= set(UNSEEN)
        assert trained - {""} <= set(SEEN)
        assert not set(SEEN) & set(UNSEEN)


class TestWorld:
    def test_half_of_every_split_is_fake_and_no_face_is_in_two(self):
        order = plans(SMALL, np.random.default_rng(0))
        assert len({plan.number for plan in order}) == len(order) == 28
        for split in ("train", "val", "test"):
            labels = [plan.label for plan in order if plan.split == split]
            assert labels.count("fake") * 2 == len(labels)

    def test_the_mark_follows_the_label_as_often_as_the_design_says(self, faces):
        marked = {}
        for follows in (0.0, 1.0):
            design = replace(SMALL, follows=follows)
            made = [one for one in world(faces, design) if one.plan.split == "train"]
            marked[follows] = [(one.plan.label == "fake") == one.image_id.endswith("marked") for one in made]
        assert all(marked[1.0])
        assert not any(marked[0.0])

    def test_the_two_pictures_of_a_test_face_differ_in_the_mark_alone(self, faces):
        design = replace(SMALL, shortcut="corner")
        plain, marked = make(PicturePlan(0, "test", "", strange=False), faces, design, seed=0)
        different = np.abs(plain.picture.astype(int) - marked.picture).max(axis=2) > 0
        rows, columns = np.nonzero(different)
        assert 0 < different.sum() < 80
        assert rows.min() > 0.8 * SMALL.size
        assert columns.max() < 0.2 * SMALL.size

    def test_a_frame_without_a_shortcut_has_none(self, faces):
        design = replace(SMALL, shortcut="none")
        plain, marked = make(PicturePlan(0, "test", "rings", strange=True), faces, design, seed=0)
        assert np.array_equal(plain.picture, marked.picture)

    @pytest.mark.parametrize("where", ["apart", "face", "corner", "background", "inside", "frame"])
    def test_every_shortcut_is_visible_wherever_it_falls(self, where, faces):
        design, rng = replace(SMALL, shortcut=where), np.random.default_rng(0)
        for number in range(8):
            parts = faces.parts[number]
            at = shortcut_place(design, rng, head=faces.heads[number], parts=parts, spot=parts[0])
            picture = np.full((64, 64, 3), 128, np.float32)
            add_shortcut(picture, at, design)
            assert (picture != 128).any()

    def test_the_same_seed_gives_the_same_dataset_and_another_one_another(self, faces, tmp_path):
        ids = [
            write_world(tmp_path / name, faces, SMALL, seed=seed).id
            for name, seed in (("a", 0), ("b", 0), ("c", 1))
        ]
        assert ids[0] == ids[1] != ids[2]

    def test_validation_has_no_maps_and_both_pictures_of_a_test_face_have_the_same(self, faces, tmp_path):
        dataset = write_world(tmp_path / "w", faces, replace(SMALL, accuracy=1.0), seed=0)
        assert not any(sample.map for sample in dataset.of("val"))
        plain, marked = dataset.of("test")[:2]
        assert plain.map
        assert (dataset.root / plain.map).read_bytes() == (dataset.root / marked.map).read_bytes()


class TestDesign:
    def test_it_is_changed_by_name_and_value(self):
        assert changed(DEFAULT, ["cue=12", "shortcut=face", "train=20"]) == replace(
            DEFAULT, cue=12.0, shortcut="face", train=20
        )

    @pytest.mark.parametrize(
        "change", ["colour=3", "cue=red", "shortcut=sky", "train=1.5", "cue=-1", "cue=inf"]
    )
    def test_nonsense_is_refused_by_name(self, change):
        with pytest.raises(ValueError, match=change.split("=")[0]):
            changed(DEFAULT, [change])


class TestAnnotators:
    def test_those_who_find_a_fake_out_paint_its_artefact(self):
        inside, outside = self.brightness(replace(DEFAULT, hits=1.0, accuracy=1.0))
        assert inside > 5 * outside

    def test_those_who_do_not_find_it_paint_elsewhere(self):
        inside, _ = self.brightness(replace(DEFAULT, hits=1.0, accuracy=1.0))
        missed, _ = self.brightness(replace(DEFAULT, hits=0.0, accuracy=1.0))
        assert missed < inside / 3

    def test_nobody_right_means_no_map(self):
        design = replace(DEFAULT, accuracy=0.0)
        item = annotate("1", np.random.default_rng(0), design, head=HEAD, artefact=None)
        assert build_image_map(item, parameters(design)) is None

    @staticmethod
    def brightness(design: Design) -> tuple[float, float]:
        """Of the maps of twenty fakes, within the artefact and outside of it."""
        inside, outside = [], []
        for seed in range(20):
            item = annotate(
                "1", np.random.default_rng(seed), design, head=HEAD, artefact=(20.0, 30.0, 12.0, 12.0)
            )
            built = build_image_map(item, parameters(design))
            assert built is not None
            within = np.zeros((64, 64), bool)
            within[30:42, 20:32] = True
            inside.append(built.values[within].mean())
            outside.append(built.values[~within].mean())
        return float(np.mean(inside)), float(np.mean(outside))


class TestNetworks:
    def test_the_wide_network_sees_the_shortcut_from_everywhere_and_the_usual_one_does_not(self):
        assert self.reach(CyborgTiny()) < 64
        assert self.reach(CyborgTinyWide()) == 64

    @staticmethod
    def reach(net: CyborgTiny) -> int:
        """Pixels, along a line, that can change the middle cell of the features."""
        image = torch.rand(1, 3, 64, 64, requires_grad=True)
        features = net.eval().forward_features(image)
        (gradient,) = torch.autograd.grad(features[0, :, 4, 4].sum(), image)
        return int((gradient[0].abs().sum(dim=(0, 1)) > 0).sum())


class TestOutcome:
    def test_a_detector_of_the_mark_is_right_only_while_the_mark_follows(self):
        found = summary(self.answers(plain=np.zeros(40), marked=np.ones(40)))
        assert found["unseen/follows"] == 1
        assert found["unseen/reversed"] == 0
        assert found["unseen/absent"] == 0.5
        assert found["shortcut"] == 1

    def test_a_detector_of_the_artefact_does_not_care(self):
        truth = (np.arange(40) % 2).astype(float)
        found = summary(self.answers(plain=truth, marked=truth))
        assert {found[f"unseen/{name}"] for name in ("absent", "random", "follows", "reversed")} == {1.0}
        assert found["shortcut"] == 0.5

    @staticmethod
    def answers(*, plain: np.ndarray, marked: np.ndarray) -> PairedScores:
        return PairedScores(plain, marked, np.arange(40) % 2 == 1, np.arange(40) < 20)


class TestTable:
    def test_a_gain_beyond_two_standard_errors_wins(self):
        assert gap(results(0.5, [0.30, 0.31, 0.29]), HUMAN).verdict == "wins"
        assert gap(results(0.5, [-0.30, -0.31, -0.29]), HUMAN).verdict == "loses"
        assert gap(results(0.5, [0.30, -0.31, 0.02]), HUMAN).verdict == "no difference"

    def test_one_seed_says_nothing(self):
        assert gap(results(0.5, [0.4]), HUMAN).verdict == ""

    def test_the_claim_sets_human_maps_against_none_and_against_both_controls(self):
        runs = results(0.5, [0.30, 0.31, 0.29])
        controls = [
            replace(one, scenario=f"{HUMAN}, {maps} maps")
            for one in runs
            if one.scenario == "cross_entropy"
            for maps in ("shuffled", "ellipse")
        ]
        assert claim([*runs, *controls]) == (
            "human - none +0.300 ± 0.006; shuffled - none +0.000 ± 0.000; human - shuffled +0.300 ± 0.006; "
            "ellipse - none +0.000 ± 0.000; human - ellipse +0.300 ± 0.006"
        )

    def test_it_has_a_row_for_every_scenario(self):
        assert show(results(0.5, [0.1, 0.2]), title="t").row_count == 2


class TestAnnotationEfficiency:
    def test_it_says_how_many_images_match_the_maps(self):
        assert f"needs about {DEFAULT.train * 2**0.5:.0f} images" in self.sentence(
            0.65, [0.5, 0.8, 0.9, 0.95]
        )

    def test_it_says_when_no_number_of_images_does(self):
        assert "no more than 0.600" in self.sentence(0.9, [0.5, 0.5, 0.6, 0.6])

    def test_it_says_when_maps_add_nothing(self):
        assert "no map" in self.sentence(0.5, [0.6, 0.7, 0.8, 0.9])

    @staticmethod
    def sentence(full: float, classical: list[float]) -> str:
        maps, data = fewer_maps(DEFAULT), more_data(DEFAULT)
        found = [*zip(data, classical, strict=True), (maps[-1], full)]
        runs = [BenchmarkRun(scenario.name, 0, {"unseen/random": auc}, 0.0) for scenario, auc in found]
        return matching_size(runs, maps, data)


class TestFewMaps:
    def test_who_is_painted_of_a_smaller_share_is_of_a_larger_one_too(self):
        def painted(share):
            design = replace(DEFAULT, painted=share)
            plans_ = plans(design, np.random.default_rng([0, 0]))
            return {one.number for one in plans_ if is_painted(one, design, seed=0) and one.split == "train"}

        assert painted(0.0) == set()
        assert painted(0.2) < painted(0.6) < painted(1.0)
        assert len(painted(0.2)) == pytest.approx(0.2 * DEFAULT.train, rel=0.3)

    def test_a_student_differs_from_the_teacher_in_its_maps_alone(self):
        teacher = few_maps.few(DEFAULT)
        for student in few_maps.students(DEFAULT):
            same = replace(student, name=teacher.name, maps="human", teacher=None)
            assert same == teacher
            assert ("shuffled" in student.name) == (student.maps == "human_or_shuffled_teacher")

    def test_a_gain_has_its_paired_interval(self):
        runs = [
            replace(one, scenario=few_maps.FEW)
            for one in results(0.5, [0.1, 0.2, 0.3])
            if one.scenario == HUMAN
        ]
        runs += [one for one in results(0.5, [0, 0, 0]) if one.scenario == HUMAN]
        interval = "-0.200 (-0.448 to +0.048)"
        assert list(few_maps.gains(runs)) == [f"{HUMAN} - {few_maps.FEW}: {interval}"]
        runs += [replace(one, scenario=f"{HUMAN}, shuffled") for one in runs if one.scenario == HUMAN]
        assert list(few_maps.gains(runs))[-1] == f"{HUMAN} - {HUMAN}, shuffled: +0.000"


class TestPlan:
    def test_another_design_or_objective_never_finds_an_earlier_run(self, tmp_path):
        scenario = BenchmarkScenario("a", CrossEntropy(), DEFAULT)
        others = [
            replace(scenario, design=replace(DEFAULT, cue=1.0)),
            replace(scenario, objective=Cyborg()),
            replace(scenario, epochs=3),
            scenario,
        ]
        assert len({run_folder(tmp_path, one, seed=0) for one in others}) == 4

    def test_a_world_that_several_scenarios_need_is_made_once(self):
        assert designs([*the_claim(DEFAULT), *other_objectives(DEFAULT)]) == [DEFAULT]

    def test_every_objective_that_uses_human_maps_has_both_controls(self):
        every = {one.name: one for one in [*the_claim(DEFAULT), *other_objectives(DEFAULT)]}
        assert set(OBJECTIVES) <= set(every)
        for name in (name for name in (*OBJECTIVES, HUMAN) if every[name].objective.needs_maps):
            for maps in ("shuffled", "ellipse"):
                assert every[f"{name}, {maps} maps"] == replace(
                    every[name], name=f"{name}, {maps} maps", maps=maps
                )

    def test_the_claim_alone_stays_within_its_minutes(self):
        assert len(the_claim(DEFAULT)) == 9

    def test_every_regime_differs_from_the_default_in_what_its_name_says(self):
        assert REGIMES["default"].design == DEFAULT
        assert len({repr(regime) for regime in REGIMES.values()}) == len(REGIMES)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_human_maps_beat_none_and_shuffled_maps_where_a_shortcut_tempts(tmp_path):
    scenarios = [the_claim(DEFAULT)[0], guided(DEFAULT), guided(DEFAULT, "shuffled")]
    found = run_all(BenchmarkSettings(tmp_path, (0, 1, 2)), scenarios)
    human, shuffled = gap(found, HUMAN), gap(found, f"{HUMAN}, shuffled maps")
    assert human.verdict == "wins"
    assert shuffled.mean < human.mean / 2


def results(base: float, gains: list[float]) -> list[BenchmarkRun]:
    keys = ("unseen/absent", "unseen/random", "unseen/follows", "unseen/reversed", "seen/random", "shortcut")
    runs = []
    for seed, gain in enumerate(gains):
        for name, value in (("cross_entropy", base), (HUMAN, base + gain)):
            runs.append(BenchmarkRun(name, seed, dict.fromkeys((*keys, "agreement"), value), 1.0))
    return runs
