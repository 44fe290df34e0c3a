from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.conftest import fill
from tests.training.test_run import begun, config, run, same, weights
from training.config import load_recipe
from training.data.batches import paired_batches, shuffled_batches
from training.data.dataset import DatasetWriter, load_dataset
from training.data.judgements import ShownPair
from training.data.pairing import pairs_of
from training.errors import DatasetError, RecipeError
from training.run_folder import RunFolder


class TestShuffledBatches:
    def test_every_image_comes_once(self):
        batches = shuffled_batches(23, batch_size=5, seed=0, epoch=1)
        assert sorted(torch.cat(batches).tolist()) == list(range(23))

    def test_the_order_depends_on_seed_and_epoch_alone(self):
        first = shuffled_batches(50, batch_size=5, seed=0, epoch=1)
        torch.rand(3)
        again = shuffled_batches(50, batch_size=5, seed=0, epoch=1)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
        assert not torch.equal(first[0], shuffled_batches(50, batch_size=5, seed=0, epoch=2)[0])
        assert not torch.equal(first[0], shuffled_batches(50, batch_size=5, seed=1, epoch=1)[0])

    def test_no_batch_has_one_image_only(self):
        sizes = [len(batch) for batch in shuffled_batches(1821, batch_size=20, seed=0, epoch=1)]
        assert sizes == [20] * 90 + [21]


@st.composite
def pairings(draw):
    """Numbers of real and fake images, and pairs of them: reals first, then fakes."""
    real, fake = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    one = st.tuples(st.integers(0, real - 1), st.integers(real, real + fake - 1))
    return real + fake, draw(st.lists(one, unique=True, max_size=30))


class TestPairedBatches:
    @given(pairings(), st.integers(1, 5), st.integers(0, 3))
    def test_every_image_comes_once_and_no_pair_is_left_that_could_be_together(self, drawn, half, epoch):
        n, pairs = drawn
        batches = paired_batches(n, pairs, batch_size=2 * half, seed=0, epoch=epoch)
        assert sorted(torch.cat(batches).tolist()) == list(range(n))
        together = {frozenset(two) for batch in batches for two in pairwise(batch.tolist())}
        kept = [set(pair) for pair in pairs if frozenset(pair) in together]
        taken = set().union(*kept)
        assert all(taken & set(pair) for pair in pairs)

    @given(pairings(), st.integers(1, 5))
    def test_there_are_as_many_batches_of_the_same_sizes_as_of_shuffled_ones(self, drawn, half):
        n, pairs = drawn
        settings = {"batch_size": 2 * half, "seed": 3, "epoch": 2}
        sizes = [len(batch) for batch in shuffled_batches(n, **settings)]
        assert [len(batch) for batch in paired_batches(n, pairs, **settings)] == sizes

    def test_an_image_of_several_pairs_has_another_partner_in_another_epoch(self):
        pairs = [(0, fake) for fake in range(1, 5)]

        def partner(epoch):
            order = torch.cat(paired_batches(5, pairs, batch_size=2, seed=0, epoch=epoch)).tolist()
            return order[order.index(0) ^ 1]

        assert {partner(epoch) for epoch in range(20)} == {1, 2, 3, 4}

    def test_the_order_depends_on_seed_and_epoch_alone(self):
        pairs = [(i, i + 25) for i in range(20)]
        order = lambda **how: torch.cat(paired_batches(50, pairs, batch_size=8, **how)).tolist()  # noqa: E731
        first = order(seed=0, epoch=1)
        torch.rand(3)
        assert order(seed=0, epoch=1) == first
        assert first not in (order(seed=0, epoch=2), order(seed=1, epoch=1))

    def test_images_without_a_pair_are_spread_over_the_batches(self):
        batches = paired_batches(400, [(i, i + 100) for i in range(100)], batch_size=20, seed=0, epoch=1)
        assert all(0 < int((batch >= 200).sum()) < 20 for batch in batches)


@pytest.fixture(scope="module")
def paired(tmp_path_factory):
    """Real and fake images in pairs, but for the first two; one pair has its fake image in validation."""
    root = tmp_path_factory.mktemp("paired") / "data"
    with DatasetWriter(root, study="s", map_set="m") as writer:
        fill(writer)
        shown = [(f"train{i:03d}", f"train{i + 1:03d}") for i in range(2, 16, 2)]
        writer.add_judgements([ShownPair(*pair, 1, 1) for pair in [*shown, ("train000", "val001")]], ())
    return root


class TestARun:
    def test_its_batches_hold_both_images_of_each_pair_of_training_images(self, paired):
        dataset = load_dataset(paired)
        pairs = pairs_of(config(batches="pairs"), dataset, dataset.of("train"))
        assert pairs == [(i, i + 1) for i in range(2, 16, 2)]

    def test_it_resumes_where_it_was_stopped(self, paired, tmp_path):
        begun(paired, tmp_path / "stopped", batches="pairs")
        for folder in ("stopped", "whole"):
            run(paired, tmp_path / folder, batches="pairs")
        assert same(weights(tmp_path / "stopped"), weights(tmp_path / "whole"))
        assert RunFolder(tmp_path / "whole").record()["pairs"] == 7

    def test_pairs_make_other_weights_than_shuffled_images(self, paired, tmp_path):
        for batches in ("pairs", "shuffled"):
            run(paired, tmp_path / batches, batches=batches)
        assert not same(weights(tmp_path / "pairs"), weights(tmp_path / "shuffled"))

    def test_behind_a_frozen_trunk_the_same_features_serve_both(self, paired, tmp_path):
        settings = {"freeze": "trunk", "cache": "disk", "objective": "cross_entropy"}
        for batches in ("shuffled", "pairs"):
            run(paired, tmp_path / "shared" / batches, batches=batches, **settings)
        kept = sorted((tmp_path / "shared/.cache").iterdir())
        run(paired, tmp_path / "alone/pairs", batches="pairs", **settings)
        assert same(weights(tmp_path / "shared/pairs"), weights(tmp_path / "alone/pairs"))
        assert len(kept) == len(list((tmp_path / "alone/.cache").iterdir()))


class TestRefusals:
    def test_a_dataset_without_pairs(self, data, tmp_path):
        with pytest.raises(DatasetError, match=r'makes no batches = "pairs": it keeps no pairs; a dataset'):
            run(data, tmp_path / "r", batches="pairs")
        assert not (tmp_path / "r").exists()

    def test_pairs_of_which_none_is_trained_on(self, paired, tmp_path):
        with pytest.raises(DatasetError, match="of its 8 pairs none has both images in training"):
            run(paired, tmp_path / "r", batches="pairs", limit=2)

    def test_an_odd_batch_would_cut_a_pair(self):
        with pytest.raises(ValueError, match='batches = "pairs" needs an even batch_size, not 5'):
            config(batches="pairs", batch_size=5)


class TestRecipe:
    RECIPE = """
name = "r"
architectures = ["cyborg_tiny"]
[[scenarios]]
name = "shuffled"
objective = "cyborg"
batches = "shuffled"
[[scenarios]]
name = "as_run_says"
objective = "cyborg"
[run]
batches = "pairs"
"""

    def test_a_scenario_may_have_its_own(self):
        told = {one.scenario: one.batches for one in load_recipe(self.RECIPE).runs()}
        assert told == {"shuffled": "shuffled", "as_run_says": "pairs"}

    def test_a_misspelt_one_is_refused(self):
        with pytest.raises(RecipeError, match=r"run\.batches: Input should be 'shuffled' or 'pairs'"):
            load_recipe(self.RECIPE.replace('"pairs"', '"couples"'))
