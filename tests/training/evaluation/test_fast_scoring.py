import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.training.test_run import run
from training.evaluation.fast_scoring import CHECKED, auc_bound, checked_positions, most_ranks
from training.run_folder import RunFolder

scores = arrays(np.float64, st.integers(2, 12), elements=st.floats(-3, 3).map(lambda x: round(x, 1)))


class TestBounds:
    @given(scores, st.floats(0, 1), st.integers(0, 2**32 - 1))
    def test_no_score_that_moves_so_far_changes_order_with_more(self, values, difference, seed):
        moved = values + np.random.default_rng(seed).uniform(-difference, difference, len(values))
        turned = np.sign(values[:, None] - values) * np.sign(moved[:, None] - moved) < 0
        assert turned.sum(axis=1).max() <= most_ranks(values, difference)

    @given(scores, st.floats(0, 1), st.integers(0, 2**32 - 1))
    def test_the_auc_moves_no_further(self, values, difference, seed):
        random = np.random.default_rng(seed)
        fake = np.arange(len(values)) % 2 == 1
        moved = values + random.uniform(-difference, difference, len(values))
        change = abs(area(values, fake) - area(moved, fake))
        assert change <= auc_bound(values, fake, difference) + 1e-12

    def test_without_a_difference_nothing_turns(self):
        values = np.array([0.0, 1.0, 2.0])
        assert most_ranks(values, 0) == 0
        assert auc_bound(values, np.array([False, True, True]), 0) == 0

    def test_one_label_has_no_auc(self):
        assert auc_bound(np.zeros(3), np.ones(3, bool), 1) is None

    @pytest.mark.parametrize("n", [0, 1, 2, CHECKED, CHECKED + 1, 20_000])
    def test_the_checked_images_lie_all_over_the_split(self, n):
        chosen = checked_positions(n)
        assert len(chosen) == len(set(chosen)) == min(n, CHECKED)
        assert not n or (chosen[0], chosen[-1]) == (0, n - 1)


def area(values, fake):
    above = values[fake][:, None] - values[~fake]
    return ((above > 0) + 0.5 * (above == 0)).mean()


def test_a_run_says_what_fast_scoring_may_change(data, tmp_path):
    run(data, tmp_path / "exact")
    run(data, tmp_path / "fast", fast_scoring=True)
    stored = json.loads(RunFolder(tmp_path / "fast").metrics.read_text())
    assert stored["scoring"].keys() == stored["splits"].keys()
    record = stored["scoring"]["test"]
    assert (record["precision"], record["folded_layers"], record["checked_images"]) == ("float32", 6, 8)
    assert 0 <= record["largest_difference"] < 1e-4
    assert record["auc_bound"] < 0.1
    before = json.loads(RunFolder(tmp_path / "exact").metrics.read_text())
    assert "scoring" not in before
    assert stored["splits"]["test"]["auc"] == pytest.approx(before["splits"]["test"]["auc"])
