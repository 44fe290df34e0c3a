import pytest

from training.data.dataset import load_dataset
from training.evaluation.evaluator import Evaluator, evaluate_samples
from training.evaluation.shards import EvaluationParts, Shard
from training.model.backbones import build


@pytest.fixture
def make_parts(data, tmp_path, monkeypatch):
    """The sixteen training images in parts of five; the first has no map."""
    monkeypatch.setattr("training.evaluation.shards.PART", 5)
    (tmp_path / "best").write_text("weights")
    dataset, backbone = load_dataset(data), build("cyborg_tiny", image_size=32)

    def make():
        samples = dataset.of("train")
        evaluator = Evaluator(backbone, "predicted", workers=1)
        return EvaluationParts(evaluator, dataset, samples, tmp_path / "out", tmp_path / "best")

    return make


def evaluate(parts, shard=None):
    return list(parts.evaluate(shard or Shard(), what="evaluate"))


class TestParts:
    def test_together_they_are_the_whole(self, make_parts):
        parts = make_parts()
        evaluate(parts)
        scores, looks = parts.merged()
        *_, (whole, seen) = evaluate_samples(parts.evaluator, parts.dataset, parts.samples, what="")
        assert scores.samples == whole.samples
        assert scores.logits == pytest.approx(whole.logits, abs=1e-6)
        assert looks.human == pytest.approx(seen.human, nan_ok=True)
        assert looks.entropies == pytest.approx(seen.entropies, abs=1e-5)

    def test_shares_do_each_part_once(self, make_parts):
        parts = make_parts()
        evaluate(parts, Shard(1, 3))
        assert parts.missing() == [1, 2]
        evaluate(parts, Shard(3, 3))
        assert parts.missing() == [1]
        evaluate(parts)
        assert parts.missing() == []

    def test_what_is_done_is_not_done_again(self, make_parts, monkeypatch):
        parts = make_parts()
        evaluate(parts, Shard(1, 2))
        seen = []
        monkeypatch.setattr(
            "training.evaluation.shards.evaluate_samples", lambda *a, **k: seen.append(a[2]) or iter(())
        )
        evaluate(parts)
        assert [len(samples) for samples in seen] == [5, 1]

    def test_parts_of_other_weights_are_not_mixed_in(self, make_parts):
        parts = make_parts()
        evaluate(parts)
        parts.checkpoint.write_text("other weights")
        assert len(make_parts().missing()) == 4

    def test_nothing_is_left_of_them(self, make_parts, tmp_path):
        parts = make_parts()
        evaluate(parts)
        parts.remove()
        assert list((tmp_path / "out").iterdir()) == []
