import hashlib
import json

import pytest

from tests.training.conftest import fill
from training.data.dataset import DatasetWriter, load_dataset
from training.data.judgements import JudgedImage, ShownPair
from training.errors import DatasetError

PAIRS = [ShownPair("train002", "train003", 5, 3), ShownPair("train000", "train001", 0, 0)]
JUDGED = [JudgedImage("train002", 5, 3, 2100.5), JudgedImage("train003", 5, 3, 2100.5)]


@pytest.fixture
def write(tmp_path):
    def write(name="d", pairs=PAIRS, judged=JUDGED):
        with DatasetWriter(tmp_path / name, study="s", map_set="m") as writer:
            writer.add_judgements(pairs, judged)
            fill(writer)
        return tmp_path / name

    return write


def test_what_is_written_is_read_back(write):
    folder = load_dataset(write(), verify=True)
    assert folder.pairs == tuple(sorted(PAIRS))
    assert folder.judged == {one.image_id: one for one in JUDGED}


def test_those_of_images_that_it_does_not_hold_are_left_out(write):
    strangers = [ShownPair("train002", "gone", 1, 1)], [JudgedImage("gone", 1, 1, 10.0)]
    assert (
        load_dataset(write("more", PAIRS + strangers[0], JUDGED + strangers[1])).id
        == load_dataset(write()).id
    )


def test_a_dataset_without_any_has_the_id_and_files_that_it_always_had(write, data):
    folder = write(pairs=[], judged=[])
    assert load_dataset(folder).id == load_dataset(data).id
    assert sorted(path.name for path in folder.iterdir()) == ["dataset.json", "images", "maps", "samples.csv"]


@pytest.mark.parametrize("change", [{"pairs": PAIRS[:1]}, {"judged": JUDGED[:1]}])
def test_other_judgements_make_another_dataset(write, change):
    assert load_dataset(write("other", **change)).id != load_dataset(write()).id


@pytest.mark.parametrize("name", ["pairs.csv", "judgements.csv"])
def test_what_was_changed_or_removed_is_told(write, name):
    root = write()
    table = root / name
    content = table.read_text()
    table.write_text(content.replace("5,3", "5,5"))
    with pytest.raises(DatasetError, match=f"{name} was changed after"):
        load_dataset(root)
    table.unlink()
    with pytest.raises(DatasetError, match=f"{name} is missing"):
        load_dataset(root)


def test_a_table_that_the_description_does_not_list_is_no_part_of_it(data, tmp_path, write):
    root = write(pairs=[], judged=[])
    (root / "pairs.csv").write_text("whatever")
    assert load_dataset(root, verify=True).pairs == ()


@pytest.mark.parametrize(
    ("pairs", "judged", "reason"),
    [
        ([ShownPair("train001", "train000", 1, 1)], [], "line 2: a real and a fake image of the dataset"),
        ([ShownPair("train000", "train001", 1, 2)], [], "line 2: 2 of 1 judgements cannot be correct"),
        ([ShownPair("train000", "train001", 1, n) for n in (0, 1)], [], "line 3: .* are a pair already"),
        ([], [JudgedImage("train000", 0, 0, 1.0)], "line 2: 0 of 0 judgements cannot be correct"),
        ([], [JudgedImage("train000", 1, 1, float("nan"))], "decision_ms must be 0 or more, not 'nan'"),
        ([], [JudgedImage("train000", 1, 1, -1.0)], "decision_ms must be 0 or more"),
        ([], [JudgedImage("train000", n, 1, 1.0) for n in (1, 2)], "'train000' is twice in this table"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(write, tmp_path, pairs, judged, reason):
    with pytest.raises(DatasetError, match=reason):
        write(pairs=pairs, judged=judged)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("pairs.csv", "real,fake\n", "must begin with the header real,fake,judgements,correct"),
        ("pairs.csv", "", "must begin with the header"),
        ("pairs.csv", "real,fake,judgements,correct\ntrain000,train001,1\n", "line 2: 4 fields are wanted"),
        ("pairs.csv", "real,fake,judgements,correct\ntrain000,train001,x,1\n", "line 2: a number is wanted"),
        ("judgements.csv", "image_id,judgements,correct,decision_ms\nzz,1,1,1\n", "'zz' is no image of the"),
    ],
)
def test_a_table_that_somebody_else_wrote_badly(write, name, text, reason):
    root = write()
    (root / name).write_text(text)
    head = json.loads((root / "dataset.json").read_text())
    head["files"][name] = hashlib.sha256(text.encode()).hexdigest()
    (root / "dataset.json").write_text(json.dumps(head))
    with pytest.raises(DatasetError, match=reason):
        load_dataset(root)
