"""Parquet, masks, arrays and images say what CSV and JSON say; the same data give the same bytes."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from datetime import datetime

import numpy as np
import pyarrow.parquet as pq
import pytest
from pycocotools import mask as coco

from app.exports import dictionary, parquet
from app.exports.archives import SUMS
from app.exports.contents import OPTIONS, Contents
from app.exports.dictionary import ExportField, FieldType
from app.exports.service import export_study, members
from app.models import Annotation, Image, Study
from app.storage import BlobStore
from saliency.files.spreadsheets import original
from saliency.maps.png import decode_numbers
from tests.support.exports import collect_study

EVERYTHING = Contents.everything()
TABLES = [file for file in dictionary.FILES if file.name.endswith(".csv")]

# pycocotools 2.0.11 answers NumPy 2 with an array class of before.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


READERS = {
    FieldType.INTEGER: int,
    FieldType.NUMBER: float,
    FieldType.BOOLEAN: {"true": True, "false": False}.__getitem__,
    FieldType.TIME: datetime.fromisoformat,
    FieldType.TEXTS: lambda cell: cell.split(" "),
}


def typed(cell: str, field: ExportField):
    """A cell of a CSV file as the dictionary says that it is to be read."""
    if not cell and (field.may_be_empty or field.type is FieldType.TEXTS):
        return [] if field.type is FieldType.TEXTS else None
    return READERS.get(field.type, original)(cell)


def lines(data: bytes) -> list[dict]:
    return [json.loads(line) for line in data.decode().splitlines()]


class TestParquet:
    @pytest.mark.parametrize("file", TABLES, ids=lambda file: file.name)
    def test_a_table_says_there_what_it_says_as_csv(self, files, file):
        rows = list(csv.DictReader(io.StringIO(files[file.name].decode())))
        read = pq.read_table(io.BytesIO(files[file.name.replace(".csv", ".parquet")])).to_pylist()
        assert rows
        assert read == [{one.name: typed(row[one.name], one) for one in file.fields} for row in rows]

    def test_annotations_have_their_strokes_as_numbers(self, files):
        told = lines(files["annotations.jsonl"])
        for line in told:
            line["decided_at"] = datetime.fromisoformat(line["decided_at"])
        read = pq.read_table(io.BytesIO(files["annotations.parquet"])).to_pylist()
        assert read == told
        assert read[0]["strokes"][1]["points"] == [[0.1, 63.5, 12.5], [12.0, 10.100000000000001, 1e-07]]

    def test_a_column_has_the_type_and_the_meaning_of_the_dictionary(self, files):
        schema = pq.read_schema(io.BytesIO(files["decisions.parquet"]))
        types = [str(schema.field(name).type) for name in ("left_image_id", "correct", "decided_at")]
        assert types == ["int64", "bool", "timestamp[us, tz=UTC]"]
        assert b"by the server's clock" in schema.field("decided_at").metadata[b"meaning"]

    def test_rows_are_written_group_by_group(self, db, blobs, study, monkeypatch):
        monkeypatch.setattr(parquet, "ROWS_IN_A_GROUP", 2)
        monkeypatch.setattr(parquet, "LINE_BYTES_IN_A_GROUP", 1)
        monkeypatch.setattr("app.exports.annotations.LINES_AT_A_TIME", 1)
        made = {one.name: b"".join(one.chunks) for one in members(db, blobs, study, EVERYTHING)}
        for name, rows, groups in (
            ("participants", 5, 3),
            ("annotations", 1, 1),
            ("other_annotations", 9, 9),
        ):
            found = pq.ParquetFile(io.BytesIO(made[f"{name}.parquet"])).metadata
            assert (found.num_rows, found.num_row_groups) == (rows, groups)


class TestMasks:
    def test_a_picture_is_white_where_somebody_painted(self, files, db):
        annotation = db.query(Annotation).first()
        white, _ = decode_numbers(files[f"masks/{annotation.id}.png"])
        assert (white.dtype, set(np.unique(white))) == (np.uint8, {0, 255})
        assert white[7, 12:19].all()

    def test_run_lengths_are_the_same_pixels(self, files):
        document = json.loads(files["masks.coco.json"])
        assert len(document["annotations"]) == 10
        for one in document["annotations"]:
            white, _ = decode_numbers(files[f"masks/{one['id']}.png"])
            mask = coco.decode(one["segmentation"])
            assert np.array_equal(mask * 255, white)
            assert one["area"] == mask.sum()
            assert one["bbox"] == coco.toBbox(one["segmentation"]).tolist()

    def test_they_name_the_images_that_they_lie_on(self, files):
        document = json.loads(files["masks.coco.json"])
        told = {line["annotation_id"]: line["image_id"] for line in lines(files["annotations.jsonl"])}
        found = {one["id"]: one["image_id"] for one in document["annotations"]}
        assert told.items() <= found.items()
        assert set(found.values()) <= {image["id"] for image in document["images"]}


class TestMapsAndImages:
    def test_an_array_has_the_values_of_the_picture(self, files):
        arrays = [name for name in files if name.endswith(".npy")]
        assert len(arrays) == 2
        for name in arrays:
            stored, white = decode_numbers(files[name.replace(".npy", ".png")])
            array = np.load(io.BytesIO(files[name]))
            assert (array.dtype, array.shape) == (np.float32, stored.shape)
            assert np.array_equal(np.round(array * white), stored)

    def test_an_image_is_the_stored_one(self, files, db):
        names = [name for name in files if name.startswith("images/")]
        assert len(names) == 6
        for name in names:
            image = db.get_one(Image, int(name[7:-4]))
            assert hashlib.sha256(files[name]).hexdigest() == image.content_hash

    def test_a_heat_map_of_the_advice_is_with_the_images(self, files):
        assert len([name for name in files if name.startswith("advice/")]) == 1


class TestSums:
    def test_every_file_is_in_them_and_is_what_they_say(self, files):
        told = dict(reversed(line.split("  ")) for line in files[SUMS].decode().splitlines())
        assert told == {
            name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != SUMS
        }

    def test_another_process_writes_the_same_bytes(self, own_database, tmp_path):
        settings, sessions = own_database
        with sessions() as session:
            blobs = BlobStore(settings.blobs_url)
            study = collect_study(session, blobs)
            export_study(session, blobs, study, tmp_path / "here", contents=EVERYTHING)
        command = [
            sys.executable,
            "-c",
            "from app.cli import run; run()",
            "export",
            "faces",
            tmp_path / "there",
        ]
        environment = os.environ | {
            "CYBORG_DATABASE_URL": settings.database_url,
            "CYBORG_DATA_DIR": str(settings.data_dir),
            "PYTHONHASHSEED": "7",
        }
        subprocess.run(
            [*command, *(f"--{name}" for name in OPTIONS)], check=True, env=environment, timeout=120
        )
        # Every other file is in the sums.
        assert (tmp_path / "there" / SUMS).read_bytes() == (tmp_path / "here" / SUMS).read_bytes()


class TestDownload:
    def test_what_is_asked_for_is_in_the_archive(self, viewer, study):
        plain = viewer.get(f"/staff/studies/{study.slug}/export.zip").content
        full = viewer.get(f"/staff/studies/{study.slug}/export.zip?parquet=true&coco=true").content
        assert b"decisions.parquet" in full
        assert b"masks.coco.json" in full
        assert b"decisions.parquet" not in plain

    def test_the_page_offers_every_choice(self, viewer, study):
        page = viewer.get(f"/staff/studies/{study.slug}/export").text
        assert all(f'name="{name}"' in page for name in OPTIONS)

    def test_what_there_is_not_is_refused(self, viewer, study):
        assert viewer.get(f"/staff/studies/{study.slug}/export.zip?exe=true").status_code == 422


@pytest.fixture
def study(db, blobs) -> Study:
    return collect_study(db, blobs)


@pytest.fixture
def files(db, blobs, study) -> dict[str, bytes]:
    """Everything that an export may hold, by name."""
    return {one.name: b"".join(one.chunks) for one in members(db, blobs, study, EVERYTHING)}
