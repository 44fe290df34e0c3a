"""`python -m saliency` on files: what it writes, and what it says when it cannot."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from saliency import MapParameters, build_image_map, decode_map_png, read_annotations
from saliency.__main__ import cli

COLUMNS = ["image_id", "width", "height", "annotators", "coverage", "entropy", "agreement"]


def stroke(x, y):
    return {"tool": "brush", "radius": 8, "points": [[x, y, 0], [x + 20, y + 5, 30]]}


def record(number, image_id, *strokes, correct=True):
    base = {"annotation_id": f"n{number}", "image_id": image_id, "width": 120, "height": 100}
    return base | {"correct": correct, "strokes": list(strokes)}


RECORDS = [
    record(0, "b", stroke(20, 20)),
    record(1, "a", stroke(50, 40), stroke(70, 70)),
    record(2, "b", stroke(25, 22)),
    record(3, "b", stroke(90, 90), correct=False),
    record(4, "c"),
]


@pytest.fixture
def annotations(tmp_path):
    path = tmp_path / "annotations.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in RECORDS))
    return path


def run(*arguments):
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class TestBuild:
    def test_it_writes_maps_a_table_and_a_record(self, annotations, tmp_path):
        assert run("build", annotations, tmp_path / "out").exit_code == 0
        assert sorted(tree(tmp_path / "out")) == ["build.json", "maps.csv", "maps/a.png", "maps/b.png"]

    def test_the_stored_map_is_the_built_map(self, annotations, tmp_path):
        run("build", annotations, tmp_path / "out", "--sigma", 2)
        item = next(read_annotations(annotations))
        stored = decode_map_png((tmp_path / "out/maps/a.png").read_bytes())
        np.testing.assert_allclose(stored, build_image_map(item, MapParameters(sigma_px=2)).values, atol=1e-5)

    def test_the_table_has_one_row_per_map(self, annotations, tmp_path):
        run("build", annotations, tmp_path / "out")
        rows = list(csv.reader((tmp_path / "out/maps.csv").read_text().splitlines()))
        assert rows[0] == COLUMNS
        assert [row[:4] for row in rows[1:]] == [["a", "120", "100", "1"], ["b", "120", "100", "2"]]
        assert rows[1][6] == ""
        assert 0.5 < float(rows[2][6]) <= 1

    def test_the_record_tells_parameters_input_and_versions(self, annotations, tmp_path):
        run("build", annotations, tmp_path / "out", "--include", "all", "--scale", "peak")
        record = json.loads((tmp_path / "out/build.json").read_text())
        assert MapParameters.from_dict(record["parameters"]) == MapParameters(include="all", scale="peak")
        assert (record["images"], record["maps"], len(record["input_sha256"])) == (3, 2, 64)
        assert set(record["versions"]) >= {"numpy", "opencv-python-headless"}

    def test_neither_processes_nor_a_second_build_change_a_byte(self, annotations, tmp_path):
        for jobs, out in ((1, "one"), (2, "two"), (1, "one")):
            assert run("build", annotations, tmp_path / out, "--jobs", jobs).exit_code == 0
        assert tree(tmp_path / "one") == tree(tmp_path / "two")

    def test_the_order_of_lines_changes_no_map(self, annotations, tmp_path):
        run("build", annotations, tmp_path / "one")
        annotations.write_text("".join(reversed(annotations.read_text().splitlines(keepends=True))))
        run("build", annotations, tmp_path / "two")
        one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
        del one["build.json"], two["build.json"]
        assert one == two

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_a_bad_line_is_one_sentence_and_nothing_is_written(self, annotations, tmp_path, jobs):
        with annotations.open("a") as file:
            file.write(json.dumps(record(9, "a", stroke(1, 1) | {"radius": -4})) + "\n")
        result = run("build", annotations, tmp_path / "out", "--jobs", jobs)
        assert result.exit_code == 1
        assert f"error: {annotations}, line 6: stroke 0: radius" in result.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["annotations.jsonl"]

    @pytest.mark.parametrize("wrong", [("--sigma", -1), ("--sigma", "nan"), ("--min-annotators", 0)])
    def test_a_wrong_parameter_is_one_sentence(self, annotations, tmp_path, wrong):
        result = run("build", annotations, tmp_path / "out", *wrong)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)

    def test_a_folder_with_other_files_is_left_alone(self, annotations, tmp_path):
        result = run("build", annotations, tmp_path)
        assert result.exit_code == 1
        assert "left alone" in result.stderr

    def test_it_runs_as_a_module_without_web_database_or_torch(self, annotations, tmp_path):
        code = (
            "import sys, runpy; sys.argv = ['saliency', 'build', *sys.argv[1:]]\n"
            "try: runpy.run_module('saliency', run_name='__main__')\n"
            "finally: assert not {'torch', 'fastapi', 'sqlalchemy'} & set(sys.modules)"
        )
        command = [sys.executable, "-c", code, str(annotations), str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
        assert (done.returncode, done.stdout) == (0, f"2 maps from 3 images in {tmp_path / 'out'}\n")

    def test_every_command_has_help(self):
        for command in cli.registered_commands:
            name = command.name or command.callback.__name__
            assert run(name, "--help").exit_code == 0
            assert command.callback.__doc__
