import numpy as np
import pytest
import torch

from training.data import cache, loading
from training.data.dataset import load_dataset
from training.data.loading import CacheSettings
from training.evaluation.evaluator import Evaluator, evaluate_samples
from training.model.backbones import build
from training.model.network_input import IMAGENET, NetworkInput


@pytest.fixture
def make(tmp_path):
    """Fills an array with ones and counts how often it is asked to."""
    calls = []

    def fill(array):
        calls.append(array.shape)
        array[:] = 1
        yield

    return lambda key="k", shape=(2, 3): (cache.cached_array(tmp_path, key, shape, fill), calls)


class TestKept:
    def test_it_is_made_once(self, make):
        make()
        array, calls = make()
        assert len(calls) == 1
        assert (array == 1).all()

    def test_a_file_of_another_shape_or_none_at_all_is_made_again(self, make, tmp_path):
        make()
        make(shape=(4, 3))
        (tmp_path / "k.npy").write_bytes(b"torn")
        array, calls = make(shape=(4, 3))
        assert (len(calls), array.shape) == (3, (4, 3))

    def test_what_the_caller_changes_stays_with_the_caller(self, make):
        make()[0][:] = 9
        assert (make()[0] == 1).all()

    def test_nothing_is_left_of_an_attempt_that_failed(self, tmp_path):
        def fail(_array):
            raise OSError("disk full")
            yield

        with pytest.raises(OSError, match="disk full"):
            cache.cached_array(tmp_path, "k", (2,), fail)
        assert list(tmp_path.iterdir()) == []


class TestWhere:
    def test_small_sets_stay_in_memory_unless_asked(self, tmp_path):
        assert not cache.goes_to_disk("auto", tmp_path, 1000)
        assert cache.goes_to_disk("auto", tmp_path, cache.SMALL_BYTES)
        assert cache.goes_to_disk("disk", tmp_path, 1000)

    def test_a_full_disk_is_left_alone(self, tmp_path):
        assert not cache.goes_to_disk("disk", tmp_path, 2**60)

    def test_without_a_folder_nothing_is_written(self):
        assert not cache.goes_to_disk("disk", None, cache.SMALL_BYTES)


class TestLoad:
    @pytest.fixture
    def load(self, request, tmp_path):
        dataset = load_dataset(request.getfixturevalue("data"))

        def load_it(where, resize="area"):
            network_input = NetworkInput(24, IMAGENET, resize)
            given = {"network_input": network_input, "map_size": (3, 3), "workers": 1}
            return loading.load(dataset, dataset.of("val"), **given, cache=CacheSettings(where, tmp_path))

        return load_it

    def test_disk_and_memory_hold_the_same_bytes(self, load):
        on_disk, in_memory = load("disk"), load("memory")
        assert torch.equal(on_disk.images, in_memory.images)

    def test_the_second_run_decodes_nothing(self, load, monkeypatch):
        load("disk")
        monkeypatch.setattr(loading, "decode_image", lambda *_: pytest.fail("decoded again"))
        assert load("disk").images.dtype == torch.uint8

    def test_images_of_one_resize_are_not_those_of_another(self, load):
        load("disk")
        assert torch.equal(load("disk", "pil_bilinear").images, load("memory", "pil_bilinear").images)
        assert not torch.equal(load("disk", "pil_bilinear").images, load("disk").images)

    def test_a_batch_can_be_taken_from_disk(self, load):
        batch = load("disk").select(torch.tensor([3, 0]), torch.device("cpu"))
        assert np.array_equal(batch.images[1], load("memory").images[0])


class TestEvaluation:
    @pytest.fixture
    def assess_it(self, request, tmp_path):
        dataset, network = load_dataset(request.getfixturevalue("data")), build("cyborg_tiny", image_size=32)

        def assess_it(where, **options):
            keep = CacheSettings(where, tmp_path / "cache")
            *_, (scores, _) = evaluate_samples(
                Evaluator(network, "true", 3, cache=keep), dataset, dataset.of("test"), what="", **options
            )
            return scores.logits

        return assess_it

    def test_images_from_disk_get_the_scores_of_images_from_memory(self, assess_it):
        assert np.array_equal(assess_it("disk"), assess_it("memory"))

    def test_the_second_network_decodes_nothing(self, assess_it, monkeypatch):
        assess_it("disk")
        monkeypatch.setattr(loading, "decode_image", lambda *_: pytest.fail("decoded again"))
        assert len(assess_it("disk")) == 8

    def test_there_must_be_room_for_all_parts(self, assess_it, tmp_path):
        assess_it("disk", of=2**40)
        assert list((tmp_path / "cache").iterdir()) == []

    def test_a_part_that_is_there_is_used_though_the_disk_is_full_by_now(self, assess_it, monkeypatch):
        assess_it("disk")
        monkeypatch.setattr(loading, "decode_image", lambda *_: pytest.fail("decoded again"))
        assert len(assess_it("disk", of=2**40)) == 8
