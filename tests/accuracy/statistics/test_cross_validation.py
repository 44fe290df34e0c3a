import numpy as np
import pytest

from accuracy.statistics.cross_validation import cross_validated_auc, fitted_scores, grouped_folds

RANDOM = np.random.default_rng(0)


def classes(n, *, seed=0):
    return np.random.default_rng(seed).permutation(np.arange(n) % 2 == 0)


class TestFolds:
    def test_a_group_is_never_divided(self):
        group = RANDOM.integers(0, 40, 200)
        fold = grouped_folds(group, classes(200), seed=1)
        assert all(len(np.unique(fold[group == one])) == 1 for one in np.unique(group))

    def test_both_classes_are_spread_evenly(self):
        positive = np.arange(100) < 25
        fold = grouped_folds(np.arange(100), positive, seed=0)
        assert np.bincount(fold[positive]).tolist() == [5] * 5
        assert np.bincount(fold[~positive]).tolist() == [15] * 5

    def test_the_seed_decides_them(self):
        folds = [grouped_folds(np.arange(50), classes(50), seed=seed).tolist() for seed in (0, 0, 1)]
        assert folds[0] == folds[1] != folds[2]


class TestAuc:
    def test_of_a_column_that_is_the_class_it_is_one_with_a_lower_bound_below(self):
        positive = classes(60)
        found = cross_validated_auc(positive[:, None].astype(float), positive)
        assert (found.auc, found.high) == (1.0, 1.0)
        assert 0.85 < found.low < 1

    def test_a_constant_column_is_guessing(self):
        found = cross_validated_auc(np.ones((60, 1)), classes(60))
        assert found.auc == 0.5
        assert found.low < 0.5 < found.high

    def test_a_class_in_the_middle_of_the_other_is_found(self):
        positive = classes(200)
        column = np.where(positive, RANDOM.normal(0, 0.3, 200), RANDOM.choice([-2, 2], 200))
        assert cross_validated_auc(column[:, None], positive).auc > 0.95

    def test_the_interval_holds_where_nothing_can_be_told(self):
        inside = 0
        for seed in range(60):
            columns = np.random.default_rng(seed).normal(size=(120, 5))
            found = cross_validated_auc(columns, classes(120, seed=seed), seed=seed)
            inside += found.low <= 0.5 <= found.high
        assert inside >= 52

    def test_the_interval_holds_where_something_can_be_told(self):
        # Two normal classes a distance d apart have an AUC of Φ(d / √2); d = 1 gives .760.
        inside = 0
        for seed in range(60):
            positive = classes(200, seed=seed)
            column = np.random.default_rng(seed).normal(size=200) + positive
            found = cross_validated_auc(column[:, None], positive, seed=seed)
            inside += found.low <= 0.760 <= found.high
        assert inside >= 52

    def test_copies_in_one_group_are_no_further_evidence(self):
        positive, column = classes(40), RANDOM.normal(size=40)
        many = np.repeat(np.arange(40), 10)
        alone = cross_validated_auc(column[many][:, None], positive[many])
        grouped = cross_validated_auc(column[many][:, None], positive[many], many)
        assert alone.high - alone.low < 0.5 * (grouped.high - grouped.low)

    def test_without_two_groups_of_a_class_there_is_none(self):
        positive = np.arange(30) < 10
        assert cross_validated_auc(np.ones((30, 1)), positive, np.where(positive, 0, np.arange(30))) is None
        assert cross_validated_auc(np.ones((30, 1)), np.ones(30, bool)) is None

    def test_the_same_again_is_the_same(self):
        columns, positive = RANDOM.normal(size=(80, 3)), classes(80)
        assert cross_validated_auc(columns, positive) == cross_validated_auc(columns, positive)


class TestClassifier:
    def test_it_is_that_of_statsmodels_where_nothing_is_penalised(self, monkeypatch):
        statsmodels = pytest.importorskip("statsmodels.api")
        monkeypatch.setattr("accuracy.statistics.cross_validation.PENALTY", 0.0)
        column = RANDOM.uniform(-1, 1, size=(300, 1))
        positive = RANDOM.random(300) < 1 / (1 + np.exp(-column[:, 0]))
        z = (column - column.mean()) / column.std()
        design = np.concatenate([np.ones((300, 1)), z, z**2 - 1], axis=1)
        wanted = statsmodels.GLM(positive, design, family=statsmodels.families.Binomial()).fit()
        assert fitted_scores(column, positive, column) == pytest.approx(design @ wanted.params, abs=1e-4)

    def test_a_new_value_far_away_does_not_count_without_limit(self):
        known, positive = RANDOM.normal(size=(100, 1)), classes(100)
        far, farther = fitted_scores(known, positive, np.array([[50.0], [5000.0]]))
        assert far == farther
