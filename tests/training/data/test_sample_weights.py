import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.conftest import fill
from tests.training.test_main import invoke
from tests.training.test_run import begun, config, run, same, weights
from training.config import load_recipe
from training.data.dataset import DatasetFolder, DatasetWriter, Sample, load_dataset
from training.data.judgements import JudgedImage
from training.data.sample_weights import sample_weights
from training.errors import DatasetError

judgement_counts = st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
judged_or_not = st.none() | st.tuples(judgement_counts, st.floats(0, 1e6))
WAYS = [(kind, priority) for kind in ("accuracy", "time") for priority in ("easy", "hard")]


def folder_of(tmp_path, told):
    """A dataset in memory: images real and fake in turns, each with its judgements or None."""
    samples = tuple(
        Sample(f"i{at}", f"images/i{at}.png", ("real", "fake")[at % 2], "s", "train", "", 0)
        for at in range(len(told))
    )
    judged = {}
    for at, one in enumerate(told):
        if one is not None:
            (judgements, correct), time = one
            judged[f"i{at}"] = JudgedImage(f"i{at}", judgements, correct, time)
    return DatasetFolder(tmp_path, "id", "s", "m", {}, samples, judged=judged)


def weigh(dataset, **settings):
    return sample_weights(config(**settings), dataset, dataset.samples)


def oracle(told, kind, priority):
    """The formulas of docs/losses.md, by NumPy."""
    known = np.array([one is not None for one in told])
    n, k, t = (
        np.array([0.0 if one is None else pick(one) for one in told])
        for pick in (lambda one: one[0][0], lambda one: one[0][1], lambda one: one[1])
    )
    if kind == "accuracy":
        ease = (k + 1) / (n + 2)
    else:
        usual = np.median(t[known])
        with np.errstate(invalid="ignore", divide="ignore"):
            ease = np.where(usual + t > 0, usual / (usual + t), 0.5)
    value = ease if priority == "easy" else 1 - ease
    weight = np.ones(len(told))
    for label in (0, 1):
        here = known & (np.arange(len(told)) % 2 == label)
        if here.any() and np.ptp(value[here]):
            weight[here] = value[here] / value[here].mean()
    return weight


class TestWeights:
    @pytest.mark.parametrize(("kind", "priority"), WAYS)
    @given(told=st.lists(judged_or_not, min_size=1, max_size=12).filter(any))
    def test_they_are_those_of_the_formula_with_a_mean_of_1(self, tmp_path_factory, kind, priority, told):
        dataset = folder_of(tmp_path_factory.getbasetemp(), told)
        found = weigh(dataset, sample_weights=kind, sample_weight_priority=priority).values
        assert found == pytest.approx(oracle(told, kind, priority), rel=1e-5, abs=1e-6)
        assert found.mean() == pytest.approx(1, abs=1e-5)
        assert (found >= 0).all()

    @pytest.mark.parametrize(("kind", "priority"), WAYS)
    @given(told=judged_or_not.filter(bool), n=st.integers(1, 9))
    def test_images_that_are_judged_alike_weigh_1_exactly(self, tmp_path_factory, kind, priority, told, n):
        dataset = folder_of(tmp_path_factory.getbasetemp(), [told] * n)
        found = weigh(dataset, sample_weights=kind, sample_weight_priority=priority)
        assert (found.values == 1).all()
        assert found.cautions == (
            "Every sample weight is 1: people judged all training images of a label alike.",
        )

    def test_easy_images_weigh_more_or_less(self, tmp_path):
        told = [((10, 9), 1000.0), ((10, 9), 1000.0), ((10, 2), 8000.0), ((10, 2), 8000.0)]
        for kind in ("accuracy", "time"):
            easy = weigh(folder_of(tmp_path, told), sample_weights=kind)
            hard = weigh(folder_of(tmp_path, told), sample_weights=kind, sample_weight_priority="hard")
            assert easy.values[0] > 1 > easy.values[2]
            assert hard.values[0] < 1 < hard.values[2]
            assert easy.cautions == hard.cautions == ()

    def test_one_judgement_says_less_than_many(self, tmp_path):
        once, often, none = ((1, 1), 1.0), ((20, 20), 1.0), ((20, 10), 1.0)
        found = weigh(folder_of(tmp_path, [once, none, often, none, none, none]), sample_weights="accuracy")
        assert found.values[4] < found.values[0] < found.values[2]

    @given(told=st.lists(judged_or_not, min_size=1, max_size=12).filter(any), seed=st.integers(0, 5))
    def test_shuffled_they_are_dealt_out_to_others_of_the_same_label(self, tmp_path_factory, told, seed):
        dataset = folder_of(tmp_path_factory.getbasetemp(), told)
        settings = {"sample_weights": "accuracy", "seed": seed}
        own = weigh(dataset, **settings).values
        dealt = weigh(dataset, **settings, sample_weight_control="shuffled").values
        known = np.array([one is not None for one in told])
        assert (dealt[~known] == 1).all()
        for label in (0, 1):
            here = known & (np.arange(len(told)) % 2 == label)
            assert sorted(dealt[here]) == sorted(own[here])
            if len(set(own[here])) == here.sum() > 1:
                assert (dealt[here] != own[here]).all()

    def test_another_seed_deals_them_out_otherwise(self, tmp_path):
        dataset = folder_of(tmp_path, [((20, k // 2), 1.0) for k in range(40)])
        settings = {"sample_weights": "accuracy", "sample_weight_control": "shuffled"}
        first, again, other = (weigh(dataset, seed=seed, **settings).values for seed in (0, 0, 1))
        assert (first == again).all()
        assert (first != other).any()


def judged_dataset(root, told):
    with DatasetWriter(root, study="s", map_set="m") as writer:
        fill(writer)
        writer.add_judgements((), (JudgedImage(f"train{at:03d}", *one) for at, one in told.items()))
    return root


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    told = {at: (10, at % 11, 900.0 + 100 * at) for at in range(14)}
    return judged_dataset(tmp_path_factory.mktemp("judged") / "data", told)


class TestARun:
    @pytest.mark.parametrize("objective", ["cross_entropy", "cyborg"])
    def test_equal_weights_change_no_bit(self, tmp_path, objective):
        alike = judged_dataset(tmp_path / "alike", dict.fromkeys(range(16), (7, 4, 1500.0)))
        for kind in ("none", "accuracy", "time"):
            run(alike, tmp_path / kind, objective=objective, sample_weights=kind)
        assert same(weights(tmp_path / "accuracy"), weights(tmp_path / "none"))
        assert same(weights(tmp_path / "time"), weights(tmp_path / "none"))

    def test_weights_and_their_control_make_other_networks(self, judged, tmp_path):
        changes = [
            {},
            {"sample_weights": "accuracy"},
            {"sample_weights": "time"},
            {"sample_weights": "time", "sample_weight_priority": "hard"},
            {"sample_weights": "time", "sample_weight_control": "shuffled"},
        ]
        for at, change in enumerate(changes):
            run(judged, tmp_path / str(at), epochs=1, **change)
        networks = [weights(tmp_path / str(at)) for at in range(len(changes))]
        assert not any(same(one, two) for at, one in enumerate(networks) for two in networks[:at])
        kept = [json.loads((tmp_path / str(at) / "run.json").read_text()) for at in range(2)]
        assert kept[0]["sample_weights"] is None
        assert kept[1]["sample_weights"]["judged"] == 14
        assert 0 < kept[1]["sample_weights"]["lowest"] < 1 < kept[1]["sample_weights"]["highest"]

    def test_its_model_card_says_so(self, judged, tmp_path):
        settings = {"sample_weights": "time", "sample_weight_control": "shuffled", "epochs": 1}
        run(judged, tmp_path / "r", **settings)
        invoke("export", tmp_path / "r", tmp_path / "model")
        said = "by how fast they told their pairs, dealt out to other images."
        assert said in (tmp_path / "model/README.md").read_text()

    def test_it_resumes_where_it_was_stopped(self, judged, tmp_path):
        begun(judged, tmp_path / "stopped", sample_weights="accuracy")
        for folder in ("stopped", "whole"):
            run(judged, tmp_path / folder, sample_weights="accuracy")
        assert same(weights(tmp_path / "stopped"), weights(tmp_path / "whole"))

    def test_behind_a_frozen_trunk_too(self, judged, tmp_path):
        settings = {"freeze": "trunk", "objective": "cross_entropy", "epochs": 1}
        for kind in ("none", "accuracy"):
            run(judged, tmp_path / kind, sample_weights=kind, **settings)
        assert not same(weights(tmp_path / "none"), weights(tmp_path / "accuracy"))


class TestRefusals:
    def test_a_dataset_without_judgements(self, data, tmp_path):
        with pytest.raises(DatasetError, match='sample_weights = "time" needs judgements of people, and'):
            run(data, tmp_path / "r", sample_weights="time")
        assert not (tmp_path / "r").exists()

    def test_a_control_of_no_weights(self):
        with pytest.raises(ValueError, match="sample_weight_control needs sample_weights"):
            config(sample_weight_control="shuffled")


def test_scenarios_of_one_recipe_may_differ_in_them():
    recipe = load_recipe("""
name = "r"
architectures = ["cyborg_tiny"]
objectives = ["cross_entropy"]
[[scenarios]]
name = "weighted"
objective = "cross_entropy"
sample_weights = "accuracy"
sample_weight_priority = "hard"
[[scenarios]]
name = "control"
objective = "cross_entropy"
sample_weights = "accuracy"
sample_weight_control = "shuffled"
""")
    told = [(one.scenario, one.sample_weights, one.sample_weight_control) for one in recipe.runs()]
    assert told == [
        ("cross_entropy", "none", "none"),
        ("weighted", "accuracy", "none"),
        ("control", "accuracy", "shuffled"),
    ]


def test_a_batch_takes_its_weights_with_it(judged):
    from training.data.loading import SampleTensors

    parts = (torch.zeros(3, 3, 2, 2), torch.zeros(3), torch.zeros(3, 2, 2), torch.zeros(3))
    whole = SampleTensors(*parts, weights=torch.tensor([1.0, 2.0, 3.0]))
    batch = whole.select(torch.tensor([2, 0]), torch.device("cpu"))
    assert batch.weights.tolist() == [3.0, 1.0]
    copy = batch.clone()
    copy.copy_from(whole.select(torch.tensor([1, 1]), torch.device("cpu")))
    assert (copy.weights.tolist(), batch.weights.tolist()) == ([2.0, 2.0], [3.0, 1.0])
    assert len(load_dataset(judged).judged) == 14
