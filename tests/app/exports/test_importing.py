"""An export goes into an empty platform and comes out of it the same, or nothing goes in."""

import csv
import hashlib
import shutil
import zipfile
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from typer.testing import CliRunner

from app.cli import app
from app.cli import commands as _registers  # noqa: F401
from app.db import connect, factory, snapshot
from app.errors import BadInput, WrongState
from app.exports.archives import SUMS
from app.exports.contents import Contents
from app.exports.importing import import_export
from app.exports.opening import opened_export
from app.exports.service import export_study
from app.models import Decision, Image, Participant, ParticipantState, Quota, Study
from app.settings import Settings
from app.storage import BlobStore
from app.studies.service import find_study
from tests.support.exports import collect_study
from tests.support.factories import SESSION_HOLDER

EVERYTHING = Contents.everything()


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def take_in(path: Path, sessions, blobs: BlobStore) -> None:
    with opened_export(path) as opened, sessions.begin() as session:
        import_export(session, blobs, opened)


class TestRoundTrip:
    def test_exported_again_every_file_is_identical(self, export, imported, tmp_path):
        sessions, blobs = imported
        with snapshot(sessions) as session:
            study = find_study(session, "faces")
            export_study(session, blobs, study, tmp_path / "again", contents=EVERYTHING)
        first, second = files_of(export), files_of(tmp_path / "again")
        assert sorted(name for name in first if first[name] != second.get(name)) == []
        assert first.keys() == second.keys()

    def test_what_counts_is_taken_from_what_is_wanted(self, imported):
        sessions, _ = imported
        with sessions() as session:
            assert session.scalar(select(func.sum(Quota.taken))) == 2
            assert session.scalar(select(func.max(Quota.wanted))) == 2

    def test_the_study_is_as_it_was(self, imported):
        sessions, blobs = imported
        with sessions() as session:
            study = find_study(session, "faces")
            assert (study.lease, study.accepts_simulated) == (timedelta(minutes=45), True)
            states = session.scalars(select(Participant.state)).all()
            assert sorted(states).count(ParticipantState.FINISHED) == 2
            image = session.scalars(select(Image).order_by(Image.id)).first()
            assert len(blobs.get(image.display_hash)) == image.display_bytes

    def test_what_comes_later_has_ids_of_its_own(self, imported):
        sessions, _ = imported
        with sessions() as session:
            highest = session.scalar(select(func.max(Image.id)))
            assert session.scalar(text("SELECT nextval('image_id_seq')")) == highest + 1

    def test_an_archive_is_read_like_its_folder(self, export, empty, tmp_path):
        path = tmp_path / "faces.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files_of(export).items():
                archive.writestr(f"faces/{name}", data)
        sessions, blobs = empty
        take_in(path, sessions, blobs)
        with sessions() as session:
            assert session.scalar(select(func.count()).select_from(Decision)) == 16


class TestEarlierVersions:
    """Exports from before a column was added, or had another name."""

    def test_a_column_that_is_missing_and_may_be_empty_is_empty(self, export, empty):
        for name in ("pastes", "drops", "finished_at"):
            without(export, "participants.csv", name)
        sessions, blobs = empty
        take_in(export, sessions, blobs)
        with sessions() as session:
            found = select(Participant.pastes, Participant.drops, Participant.finished_at).distinct()
            assert session.execute(found).all() == [(None, None, None)]

    def test_one_that_the_import_does_not_need_is_not_asked_for(self, export, empty):
        without(export, "participants.csv", "correct_decisions")
        without(export, "pairs.csv", "correct_decisions")
        without(export, "decisions.csv", "stroke_count")
        sessions, blobs = empty
        take_in(export, sessions, blobs)
        with sessions() as session:
            assert session.scalar(select(func.count()).select_from(Decision)) == 16

    @pytest.mark.parametrize(
        ("name", "column"),
        [
            ("images.csv", "image_id"),
            ("images.csv", "label"),
            ("region_checks.csv", "region_check_id"),
            ("participants.csv", "state"),
            ("decisions.csv", "decision_ms"),
        ],
    )
    def test_one_that_it_needs_is_named(self, export, empty, name, column):
        without(export, name, column)
        with pytest.raises(BadInput, match=rf"{name} has no {column}: this export is of a version"):
            take_in(export, *empty)


class TestCommand:
    def test_it_says_which_study_came(self, whole, new_database, monkeypatch, tmp_path):
        monkeypatch.setenv("CYBORG_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setenv("CYBORG_DATABASE_URL", new_database())
        result = CliRunner().invoke(app, ["import", str(whole)])
        assert (result.exit_code, result.stdout) == (0, "Imported the study faces.\n")


class TestRefusals:
    def test_a_platform_with_a_study_is_left_alone(self, export, imported):
        sessions, blobs = imported
        with pytest.raises(WrongState, match="There are studies already"):
            take_in(export, sessions, blobs)

    def test_a_changed_file_is_named_before_anything_is_written(self, export):
        with (export / "decisions.csv").open("a") as file:
            file.write(" ")
        with (
            pytest.raises(BadInput, match=r"damaged: decisions\.csv is not what was written"),
            opened_export(export),
        ):
            pass

    def test_a_missing_file_is_named(self, export):
        (export / "events.csv").unlink()
        with pytest.raises(BadInput, match=r"damaged: events\.csv is missing"), opened_export(export):
            pass

    def test_an_export_of_an_earlier_version_is_told_apart(self, export):
        (export / SUMS).unlink()
        with pytest.raises(BadInput, match="one of an earlier version"), opened_export(export):
            pass

    def test_half_an_archive_is_told(self, tmp_path):
        (tmp_path / "half.zip").write_bytes(b"PK\3\4 and no more")
        with (
            pytest.raises(BadInput, match="neither a folder nor a whole ZIP"),
            opened_export(tmp_path / "half.zip"),
        ):
            pass

    @pytest.mark.parametrize("line", ["0  ../../etc/passwd", "0  /etc/passwd", "nothing"])
    def test_sums_lead_nowhere_else(self, export, line):
        (export / SUMS).write_text(line + "\n")
        with pytest.raises(BadInput, match="damaged: SHA256SUMS"), opened_export(export):
            pass

    @pytest.mark.parametrize(
        ("name", "old", "new", "message"),
        [
            ("participants.csv", ",paint,", ",gone,", "contradicts itself: there is no 'gone'"),
            ("pairs.csv", ",main,", ",mane,", "contradicts itself: ck__pair__kind"),
            ("decisions.csv", ",paint,true,", ",paint,perhaps,", r"decisions\.csv cannot be read"),
            ("annotations.jsonl", '"strokes"', '"lines"', r"annotations\.jsonl has no strokes"),
            ("flags.csv", "fast_decision,", "fast_decision,0", r"flags\.csv|contradicts itself"),
            ("events.csv", "kind", "sort", r"events\.csv has no kind: this export is of a version"),
        ],
    )
    def test_what_contradicts_itself_leaves_nothing_behind(self, export, empty, name, old, new, message):
        forge(export, name, old, new)
        sessions, blobs = empty
        with pytest.raises(BadInput, match=message):
            take_in(export, sessions, blobs)
        with sessions() as session:
            assert session.scalar(select(func.count()).select_from(Image)) == 0

    def test_an_export_without_images_says_how_to_make_one_with_them(self, full, empty, tmp_path):
        sessions, blobs, study = full
        with snapshot(sessions) as session:
            export_study(session, blobs, session.get_one(Study, study), tmp_path / "plain")
        with pytest.raises(BadInput, match="cyborg export --images"):
            take_in(tmp_path / "plain", *empty)


def without(export: Path, name: str, column: str) -> None:
    """Take a column out of a table, as if the export were of a version that had none."""
    with (export / name).open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    kept = [number for number, one in enumerate(header) if one != column]
    assert len(kept) < len(header)
    text = StringIO(newline="")
    lines = [[row[number] for number in kept] for row in (header, *rows)]
    csv.writer(text, lineterminator="\n").writerows(lines)
    rewrite(export, name, text.getvalue())


def forge(export: Path, name: str, old: str, new: str) -> None:
    """Change a file and its sum, as somebody does who edits an export by hand."""
    before = (export / name).read_text("utf-8")
    changed = before.replace(old, new, 1)
    assert changed != before
    rewrite(export, name, changed)


def rewrite(export: Path, name: str, content: str) -> None:
    """A file of an export with another content, and its sum."""
    path = export / name
    path.write_text(content, "utf-8", newline="")
    sums = dict(reversed(line.split("  ")) for line in (export / SUMS).read_text().splitlines())
    sums[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (export / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))


@pytest.fixture(scope="module")
def full(new_database, tmp_path_factory):
    """A platform with a study: its sessions, its blobs, the study's id."""
    folder = tmp_path_factory.mktemp("full")
    engine, sessions, blobs = platform(new_database(), folder)
    with sessions() as session:
        study = collect_study(session, blobs).id
    SESSION_HOLDER.clear()
    yield sessions, blobs, study
    engine.dispose()


@pytest.fixture(scope="module")
def whole(full, tmp_path_factory) -> Path:
    """Its export with everything, which nobody changes."""
    sessions, blobs, study = full
    folder = tmp_path_factory.mktemp("export") / "faces"
    with snapshot(sessions) as session:
        export_study(session, blobs, session.get_one(Study, study), folder, contents=EVERYTHING)
    return folder


@pytest.fixture
def export(whole, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "export"))


@pytest.fixture
def empty(new_database, tmp_path):
    """A platform with nothing in it."""
    engine, sessions, blobs = platform(new_database(), tmp_path)
    yield sessions, blobs
    engine.dispose()


@pytest.fixture(scope="module")
def imported(whole, new_database, tmp_path_factory):
    """Another platform, after the import."""
    engine, sessions, blobs = platform(new_database(), tmp_path_factory.mktemp("imported"))
    take_in(whole, sessions, blobs)
    yield sessions, blobs
    engine.dispose()


def platform(url: str, folder: Path):
    engine = connect(Settings(data_dir=folder / "data", database_url=url, _env_file=None))
    return engine, factory(engine), BlobStore(str(folder / "blobs"))
