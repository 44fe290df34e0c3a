"""Exports as other tools read them: Croissant, Psych-DS, ImageFolder, a citation file."""

import csv
import io
import json
import re
from collections import Counter
from pathlib import Path

import mlcroissant
import pytest
import yaml

from app.exports import dictionary
from app.exports.archives import SUMS
from app.exports.contents import Contents, Layout
from app.exports.facts import NOBODY
from app.exports.service import export_study
from tests.support.exports import collect_study

PUBLISHED = {
    "creator": ("Ada Lovelace", 'Bob "B" Ross'),
    "license": "CC-BY-4.0",
    "url": "https://example.org/d",
}

# mlcroissant 1.1 uses names of rdflib that are to go.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:rdflib", "ignore::DeprecationWarning:mlcroissant"
)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


class TestCroissant:
    def test_the_official_validator_finds_neither_errors_nor_warnings(self, write):
        read = mlcroissant.Dataset(jsonld=write(Contents.everything(**PUBLISHED)) / "croissant.json")
        issues = read.metadata.issues
        assert (issues.errors, issues.warnings) == (set(), set())

    def test_without_anything_about_its_publication_it_is_valid_too(self, write):
        read = mlcroissant.Dataset(jsonld=write(Contents()) / "croissant.json")
        assert read.metadata.issues.errors == set()

    def test_a_loader_reads_the_tables_by_it(self, write):
        folder = write(Contents())
        read = mlcroissant.Dataset(jsonld=folder / "croissant.json")
        rows = rows_of(folder / "images.csv")
        found = list(read.records("images"))
        assert [str(one["images/image_id"]) for one in found] == [row["image_id"] for row in rows]
        assert type(found[0]["images/image_id"]) is int

    def test_it_says_how_the_data_came_to_be(self, write):
        said = json.loads((write(Contents()) / "croissant.json").read_text("utf-8"))
        told = {name.partition(":")[2] for name in said if name.startswith("rai:")}
        assert {"dataCollection", "dataBiases", "dataLimitations", "personalSensitiveInformation"} <= told
        assert "1 participants who withdrew" in said["rai:dataCollectionMissingData"]

    def test_every_file_is_in_it_with_its_sum(self, write):
        folder = write(Contents(parquet=True))
        said = json.loads((folder / "croissant.json").read_text("utf-8"))
        told = {one["@id"]: one["sha256"] for one in said["distribution"] if "sha256" in one}
        sums = dict(reversed(line.split("  ")) for line in (folder / SUMS).read_text().splitlines())
        flat = {name: one for name, one in sums.items() if "/" not in name and name != "croissant.json"}
        assert told == flat


class TestCitation:
    def test_it_names_authors_license_and_address(self, write):
        said = yaml.safe_load((write(Contents(**PUBLISHED)) / "CITATION.cff").read_text("utf-8"))
        assert [one["name"] for one in said["authors"]] == list(PUBLISHED["creator"])
        assert (said["license"], said["url"], said["type"]) == (
            "CC-BY-4.0",
            "https://example.org/d",
            "dataset",
        )
        assert (said["cff-version"], said["title"]) == ("1.2.0", "Faces, real & drawn")

    def test_it_says_when_nobody_was_named(self, write):
        said = yaml.safe_load((write(Contents()) / "CITATION.cff").read_text("utf-8"))
        assert said["authors"] == [{"name": NOBODY}]
        assert "license" not in said

    def test_an_address_is_no_identifier_of_a_license(self, write):
        text = (write(Contents(license="https://example.org/terms")) / "CITATION.cff").read_text("utf-8")
        assert yaml.safe_load(text)["license-url"] == "https://example.org/terms"


class TestPsychDs:
    """The rules of https://psychds-docs.readthedocs.io; its validator is a program for Deno and Node."""

    def test_the_description_has_what_is_required(self, psych_ds):
        said = json.loads((psych_ds / "dataset_description.json").read_text("utf-8"))
        assert (said["@context"], said["@type"]) == ("https://schema.org", "Dataset")
        assert all(said[name] for name in ("name", "description", "variableMeasured"))
        assert {one["@type"] for one in said["variableMeasured"]} == {"PropertyValue"}

    def test_every_name_of_a_data_file_has_keywords_and_values(self, psych_ds):
        names = [path.name for path in tables(psych_ds)]
        assert len(names) == len(dictionary.FILES) - 3  # study.json and two files of annotations
        rule = r"([a-z]+-[a-zA-Z0-9]+)(_[a-z]+-[a-zA-Z0-9]+)*_data\.csv"
        assert [name for name in names if not re.fullmatch(rule, name)] == []

    def test_every_column_is_described_for_all_and_beside_its_file(self, psych_ds):
        said = json.loads((psych_ds / "dataset_description.json").read_text("utf-8"))
        known = {one["name"] for one in said["variableMeasured"]}
        for path in tables(psych_ds):
            header = path.read_text("utf-8").splitlines()[0].split(",")
            beside = json.loads(path.with_suffix(".json").read_text("utf-8"))["variableMeasured"]
            assert [one["name"] for one in beside] == header
            assert set(header) <= known

    def test_every_row_has_as_many_cells_as_the_header(self, psych_ds):
        for path in tables(psych_ds):
            widths = Counter(map(len, csv.reader(io.StringIO(path.read_text("utf-8")), strict=True)))
            assert len(widths) == 1

    def test_all_else_is_kept_as_raw_data(self, psych_ds):
        raw = {path.name for path in (psych_ds / "data" / "raw").iterdir()}
        assert {"annotations.jsonl", "other_annotations.jsonl", "study.json", "maps"} <= raw


def tables(folder: Path) -> list[Path]:
    return sorted((folder / "data").glob("*.csv"))


class TestImageFolder:
    def test_every_image_is_a_row_and_every_row_a_file(self, image_folder):
        for folder in splits(image_folder):
            rows = rows_of(folder / "metadata.csv")
            pictures = {path.name for path in folder.glob("*.png")}
            assert {row["file_name"] for row in rows} == pictures
            told = {row["map_file_name"] for row in rows if row["map_file_name"]}
            assert told == {f"maps/{path.name}" for path in folder.glob("maps/*.png")}

    def test_an_image_without_a_split_is_for_training(self, image_folder):
        assert [folder.name for folder in splits(image_folder)] == ["train"]
        assert len(list(image_folder.glob("train/*.png"))) == 6
        assert len(list(image_folder.glob("train/maps/*.png"))) == 2

    def test_the_card_says_where_the_splits_are(self, image_folder):
        head = (image_folder / "README.md").read_text("utf-8").split("---\n")[1]
        (config,) = yaml.safe_load(head)["configs"]
        assert config["data_files"] == [{"split": "train", "path": "train/**"}]


def splits(folder: Path) -> list[Path]:
    return sorted({path.parent for path in folder.glob("*/metadata.csv")})


class TestPage:
    def test_it_offers_every_layout(self, viewer, db, blobs):
        study = collect_study(db, blobs)
        page = viewer.get(f"/staff/studies/{study.slug}/export").text
        assert all(f'value="{layout}"' in page for layout in Layout)

    def test_what_a_form_sends_is_understood(self, viewer, db, blobs):
        study = collect_study(db, blobs)
        query = "layout=psych-ds&creator=Ada&creator=&license=&url=&parquet="
        answer = viewer.get(f"/staff/studies/{study.slug}/export.zip?{query}")
        assert b"dataset_description.json" in answer.content
        wrong = viewer.get(f"/staff/studies/{study.slug}/export.zip?layout=bids")
        assert wrong.status_code == 422


@pytest.fixture
def write(db, blobs, tmp_path):
    """Writes the study's export with these contents; returns the folder."""
    study = collect_study(db, blobs)
    numbers = iter(range(9))

    def export(contents: Contents) -> Path:
        folder = tmp_path / f"export{next(numbers)}"
        export_study(db, blobs, study, folder, contents=contents)
        return folder

    return export


@pytest.fixture
def psych_ds(write) -> Path:
    return write(Contents(layout=Layout.PSYCH_DS, **PUBLISHED))


@pytest.fixture
def image_folder(write) -> Path:
    return write(Contents(layout=Layout.IMAGE_FOLDER))
