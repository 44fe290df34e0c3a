import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from training.data.dataset import Sample
from training.errors import RunError
from training.evaluation.evaluator import SplitLogits, write_scores
from training.evaluation.score_summary import summarise_file, summarise_scores
from training.evaluation.score_table import ImageLabel, ScoreTable, read_score_table, with_other_class

RANDOM = np.random.default_rng(0)
HEADER = "image_id,path,label,source,logit_real,logit_fake,score_sigmoid,score_softmax\n"


def scored(values, fake, sources=None):
    fake = np.array(fake, bool)
    names = sources or ["gan" if flag else "camera" for flag in fake]
    values = np.array(values, float)
    probability = {"score": values} if ((values >= 0) & (values <= 1)).all() else {}
    ids = tuple(str(i) for i in range(len(fake)))
    return ScoreTable(ids, fake, np.array(names, np.str_), {"score": values}, probability)


def measured(values, fake):
    """Of all images, by the one kind of score."""
    return summarise_scores(scored(values, fake)).metrics["all", "score"]


class TestMeasure:
    def test_its_auc_is_the_share_of_pairs_that_are_in_order(self):
        fake = RANDOM.random(200) > 0.5
        values = RANDOM.random(200) * 0.7 + fake * 0.3
        pairs = fake.sum() * (~fake).sum()
        oracle = mannwhitneyu(values[fake], values[~fake]).statistic / pairs
        found = measured(values, fake)
        assert found["auc"] == pytest.approx(oracle, abs=1e-6)
        assert found["auc_low"] < found["auc"] < found["auc_high"]
        assert found["brier"] == pytest.approx(((values - fake) ** 2).mean())

    @pytest.mark.parametrize("values", [[np.nan, 1, 2, 3], [np.inf, 1, 2, 3]])
    def test_a_network_that_diverged_has_no_numbers(self, values):
        found = measured(values, [True, True, False, False])
        assert found.pop("images") == 4
        assert set(found.values()) == {None}

    def test_constant_scores_are_a_coin(self):
        found = measured([0.5] * 4, [True, True, False, False])
        assert (found["auc"], found["eer"], found["tpr_at_fpr_0.001"]) == (0.5, 0.5, 0)

    def test_one_class_has_no_ranking_but_may_be_calibrated(self):
        found = measured([0.9, 0.8], [True, True])
        assert (found["auc"], found["eer"], found["acer"]) == (None, None, None)
        assert found["brier"] == pytest.approx(0.025)

    def test_an_empty_split_has_no_numbers(self):
        assert measured([], [])["auc"] is None

    def test_scores_that_are_no_probabilities_only_rank(self):
        found = measured([7, -3], [True, False])
        assert (found["auc"], found["brier"], found["acer"]) == (1, None, None)


class TestWithOtherClass:
    def test_a_generator_stands_against_all_reals_and_a_camera_against_all_fakes(self):
        sources, fake = np.array(["a", "b", "x", "y"]), np.array([True, True, False, False])
        assert with_other_class(sources == "a", fake).tolist() == [True, False, True, True]
        assert with_other_class(sources == "x", fake).tolist() == [True, True, True, False]

    def test_a_source_of_both_classes_stands_alone(self):
        fake = np.array([True, False, True, False])
        assert with_other_class(np.array([True, True, False, False]), fake).tolist() == [
            True,
            True,
            False,
            False,
        ]


class TestOneSort:
    """The images of a source are taken from the order of all images."""

    @pytest.mark.parametrize("decimals", [0, 1, 12])
    def test_each_source_has_the_numbers_of_its_images_alone(self, decimals):
        fake = RANDOM.random(300) > 0.4
        values = np.round(RANDOM.random(300) * 0.8 + fake * 0.2, decimals)
        names = [f"{'gan' if flag else 'camera'}{i % 3}" for i, flag in enumerate(fake.tolist())]
        found = summarise_scores(scored(values, fake, names))
        for source in found.sources[1:]:
            keep = with_other_class(np.array(names) == source, fake)
            alone = summarise_scores(scored(values[keep], fake[keep]))
            assert found.metrics[source, "score"] == pytest.approx(alone.metrics["all", "score"], abs=1e-14)
            curves = found.curves[source, "score"], alone.curves["all", "score"]
            np.testing.assert_array_equal(curves[0].tpr, curves[1].tpr)
            np.testing.assert_array_equal(curves[0].fpr, curves[1].fpr)

    def test_a_score_that_is_no_number_spoils_the_numbers_of_its_own_source_alone(self):
        fake, names = [True, True, False, False], ["a", "b", "x", "x"]
        found = summarise_scores(scored([np.nan, 1, 0, 0], fake, names)).metrics
        assert {source: numbers["auc"] for (source, _), numbers in found.items()} == {
            "all": None,
            "a": None,
            "b": 1,
            "x": None,
        }


class TestNumbers:
    def test_curves_are_there_per_generator_and_in_both_directions(self):
        found = summarise_scores(scored([3, 1, 2, 0], [True, True, False, False], ["a", "b", "x", "x"]))
        assert found.generators == ("a", "b")
        curve = found.curves["all", "score"]
        assert (curve.tpr[0], curve.tpr[-1], curve.fpr[0], curve.fpr[-1]) == (0, 1, 0, 0.5)

    def test_images_are_counted_by_source_and_label(self):
        found = summarise_scores(scored([3, 1, 2, 0], [True, True, False, False], ["a", "b", "x", "x"]))
        assert found.images == {"a": (0, 1), "b": (0, 1), "x": (2, 0)}

    def test_several_sources_of_real_images_stand_apart(self):
        fake = [True, True, False, False]
        assert summarise_scores(scored([3, 1, 2, 0], fake, ["a", "b", "x", "y"])).cameras == ("x", "y")
        assert summarise_scores(scored([3, 1, 2, 0], fake, ["a", "b", "x", "x"])).cameras == ()

    def test_scores_that_are_no_numbers_have_no_curve(self):
        assert summarise_scores(scored([np.nan, 1], [True, False])).curves == {}

    def test_a_file_is_read_again_when_it_has_changed(self, tmp_path):
        path = tmp_path / "test.csv"
        path.write_text(HEADER + "a,p,real,c,0,0.1,0,0\nb,p,fake,g,0,0.9,0,0\n")
        assert summarise_file(path).metrics["all", "sigmoid"]["auc"] == 1
        path.write_text(HEADER + "a,p,real,c,0,0.123,0,0\nb,p,fake,g,0,0.01,0,0\n")
        assert summarise_file(path).metrics["all", "sigmoid"]["auc"] == 0

    def test_a_spreadsheet_takes_no_source_for_a_formula(self, tmp_path):
        samples = (Sample("a", "images/a.png", "fake", "=cmd()", "test", "", 0),)
        write_scores(tmp_path / "test.csv", SplitLogits(samples, np.array([[0.0, 1.0]])))
        assert ",'=cmd()," in (tmp_path / "test.csv").read_text()
        assert read_score_table(tmp_path / "test.csv").truth == [ImageLabel("a", "fake", "=cmd()")]

    def test_names_stay_as_they_were_written(self, tmp_path):
        path = tmp_path / "test.csv"
        path.write_text(HEADER + "007,p,real,NA,1,2,3,4\nnan,p,fake,1e3,1,2,3,4\n")
        assert read_score_table(path).truth == [
            ImageLabel("007", "real", "NA"),
            ImageLabel("nan", "fake", "1e3"),
        ]

    def test_logits_keep_every_digit(self, tmp_path):
        path = tmp_path / "test.csv"
        logits = RANDOM.normal(size=1000) * 10.0 ** RANDOM.integers(-20, 20, 1000)
        path.write_text(
            HEADER + "".join(f"i{i},p,real,c,0,{x!r},0,0\n" for i, x in enumerate(logits.tolist()))
        )
        np.testing.assert_array_equal(read_score_table(path).ranking["sigmoid"], logits)

    @pytest.mark.parametrize(
        "text",
        [
            None,
            "nonsense",
            HEADER + "a,p,real,c\n",
            HEADER + 'a,"p\n',
            "",
            HEADER + "a,p,real,c,zero,0.1,0,0\n",
        ],
    )
    def test_what_cannot_be_read_is_named(self, tmp_path, text):
        path = tmp_path / "test.csv"
        if text is not None:
            path.write_text(text)
        with pytest.raises(RunError, match=r"test\.csv cannot be read"):
            read_score_table(path)

    def test_nan_in_a_file_is_no_crash(self, tmp_path):
        path = tmp_path / "test.csv"
        path.write_text(HEADER + "a,p,real,c,nan,nan,nan,nan\nb,p,fake,g,inf,inf,1,nan\n")
        assert summarise_file(path).metrics["all", "softmax"]["auc"] is None
