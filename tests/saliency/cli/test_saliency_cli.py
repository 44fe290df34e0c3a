"""`python -m saliency` on files: what it writes, and what it says when it cannot."""

import csv
import json
import os
import subprocess
import sys

import cv2
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


@pytest.fixture
def build(annotations, tmp_path):
    run("build", annotations, tmp_path / "build")
    return tmp_path / "build"


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

    def test_a_lasso_that_crosses_itself_too_often_is_a_bad_line(self, annotations, tmp_path):
        zigzag = {
            "tool": "lasso",
            "radius": 0,
            "points": [[n * 7.3 % 120, 100 * (n % 2), n] for n in range(2000)],
        }
        with annotations.open("a") as file:
            file.write(json.dumps(record(9, "b", zigzag)) + "\n")
        result = run("build", annotations, tmp_path / "out")
        assert result.exit_code == 1
        assert "annotations.jsonl, line 6: strokes come to" in result.stderr
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_a_bad_line_is_one_sentence_and_nothing_is_written(self, annotations, tmp_path, jobs):
        with annotations.open("a") as file:
            file.write(json.dumps(record(9, "a", stroke(1, 1) | {"radius": -4})) + "\n")
        result = run("build", annotations, tmp_path / "out", "--jobs", jobs)
        assert result.exit_code == 1
        assert f"error: {annotations}, line 6: stroke 0: radius" in result.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["annotations.jsonl"]

    def test_every_option_reaches_the_record(self, annotations, tmp_path):
        told = {
            "arm": "a",
            "question": "fake",
            "accuracy": 0.8,
            "flags": [],
            "decided_at": "2026-03-01T12:00Z",
        }
        annotations.write_text("".join(json.dumps(one | told) + "\n" for one in RECORDS))
        options = {
            "sigma_share": 0.02,
            "first_annotators": 2,
            "weight": "accuracy",
            "granularity": "box",
            "threshold": 0.25,
            "min_annotators": 2,
            "decided_from": "2026-03-01T00:00:00+00:00",
            "decided_before": "2026-03-02T00:00:00+00:00",
        }
        lists = ["--arm", "a", "--question", "fake", "--without-flag", "any"]
        flat = [
            str(part) for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)
        ]
        assert run("build", annotations, tmp_path / "out", *flat, *lists).exit_code == 0
        recorded = json.loads((tmp_path / "out/build.json").read_text())["parameters"]
        assert {name: recorded[name] for name in options} == options
        assert (recorded["arms"], recorded["questions"], recorded["without_flags"]) == (
            ["a"],
            ["fake"],
            ["any"],
        )

    def test_a_line_without_what_an_option_needs_is_one_sentence(self, annotations, tmp_path):
        result = run("build", annotations, tmp_path / "out", "--arm", "annotate")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "line 2: annotation n1 has no arm, which the parameter arms needs" in result.stderr
        assert not (tmp_path / "out").exists()

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


class TestAgree:
    def test_it_prints_one_json_object(self, annotations):
        result = json.loads(run("agree", annotations, "--json").stdout)
        assert (result["images"], result["annotators"], len(result["curve"])) == (1, 2, 1)
        assert 0.5 < result["leave_one_out"] <= 1

    @pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
    def test_its_curve_is_drawn(self, annotations, tmp_path, ending):
        figures = [tmp_path / f"{number}.{ending}" for number in (1, 2)]
        for figure in figures:
            assert run("agree", annotations, "--curve", figure).exit_code == 0
        assert figures[0].stat().st_size > 2000
        if ending == "svg":
            assert figures[0].read_bytes() == figures[1].read_bytes()

    def test_it_writes_a_row_for_each_image(self, annotations, tmp_path):
        run("agree", annotations, "--csv", tmp_path / "table.csv", "--target", 0.5)
        header, row = (tmp_path / "table.csv").read_text().splitlines()
        assert header.startswith("image_id,annotators,leave_one_out,with_own")
        assert row.startswith("b,2,0.")

    def test_it_prints_lines_for_people(self, annotations):
        assert "annotators needed for r = 0.9" in run("agree", annotations, "--jobs", 2).stdout

    def test_without_two_annotators_anywhere_it_says_so(self, annotations):
        annotations.write_text(annotations.read_text().splitlines()[0] + "\n")
        assert run("agree", annotations).stdout.split() == [
            *["images", "with", "two", "or", "more", "annotators", "0"]
        ]


class TestCompare:
    def test_a_build_is_like_itself(self, build):
        result = json.loads(run("compare", build, build, "--json").stdout)
        assert (result["images_in_both"], result["unchanged"]) == (2, 2)
        assert (result["means"]["cc"], result["means"]["sim"]) == pytest.approx((1, 1))

    def test_it_names_what_changed_and_writes_a_table(self, annotations, build, tmp_path):
        annotations.write_text("".join(annotations.read_text().splitlines(keepends=True)[:1]))
        run("build", annotations, tmp_path / "second")
        result = run("compare", build, tmp_path / "second", "--csv", tmp_path / "table.csv")
        assert "1 images in both, 0 of them unchanged\n1 only in the first: a\n" in result.stdout
        assert [line[:2] for line in (tmp_path / "table.csv").read_text().splitlines()] == ["im", "b,"]

    def test_it_says_what_the_builds_were_made_with(self, annotations, build, tmp_path):
        run("build", annotations, tmp_path / "second", "--sigma", 9)
        told = run("compare", build, tmp_path / "second").stdout
        assert "sigma_px: 5.0 in the first, 9.0 in the second\nmost changed: " in told

    def test_a_folder_without_maps_is_one_sentence(self, build, tmp_path):
        result = run("compare", tmp_path / "nowhere", build)
        assert (result.exit_code, result.stderr) == (1, f"error: {tmp_path / 'nowhere'} holds no maps\n")


class TestAverage:
    def test_a_folder_that_is_not_there_is_one_sentence(self, build, tmp_path):
        (tmp_path / "faces.csv").write_text("image_id,x,y,w,h\na,20,35,20,20\nb,20,35,20,20\n")
        target = tmp_path / "none" / "o.png"
        result = run("average", build, target, "--images", tmp_path / "faces.csv")
        assert (result.exit_code, result.stderr) == (
            1,
            f"error: {target}: there is no folder {target.parent}\n",
        )

    def test_faces_are_aligned_before_they_are_averaged(self, annotations, tmp_path):
        records = [record(0, "left", stroke(20, 40)), record(1, "right", stroke(60, 50))]
        annotations.write_text("".join(json.dumps(one) + "\n" for one in records))
        run("build", annotations, tmp_path / "build")
        faces = {"left": "left,20,35,20,20\n", "both": "left,20,35,20,20\nright,60,45,20,20\n"}
        for name, rows in faces.items():
            (tmp_path / "faces.csv").write_text("image_id,x,y,w,h\n" + rows)
            boxes = ("--images", tmp_path / "faces.csv")
            run("average", tmp_path / "build", tmp_path / f"{name}.png", *boxes, "--size", 64)
        left, both = (decode_map_png((tmp_path / f"{name}.png").read_bytes()) for name in faces)
        assert left.shape == (64, 64)
        np.testing.assert_allclose(both, left, atol=1e-4)

    def test_a_class_or_a_source_is_averaged_alone(self, build, tmp_path):
        (tmp_path / "list.csv").write_text("image_id,label,source\na,real,'+x\nb,fake,y\nc,fake,z\n")
        for chosen, number in (((), 2), (("--label", "fake"), 1), (("--source", "+x"), 1)):
            result = run("average", build, tmp_path / "out.png", "--images", tmp_path / "list.csv", *chosen)
            assert result.stdout.startswith(f"average of {number} maps")
        assert "give one with --images" in run("average", build, tmp_path / "o.png", "--label", "fake").stderr

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ("id\na", "no image_id"),
            ("image_id,x,y,w,h\na,1,2,,4", "line 2: x, y, w, h"),
            ("image_id\nzz", "none of"),
        ],
    )
    def test_a_bad_list_is_one_sentence(self, build, tmp_path, rows, message):
        (tmp_path / "faces.csv").write_text(rows + "\n")
        result = run("average", build, tmp_path / "out.png", "--images", tmp_path / "faces.csv")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert message in result.stderr
        assert not (tmp_path / "out.png").exists()


class TestOverlay:
    def test_colour_lies_only_where_the_map_is(self, build, tmp_path):
        picture = np.full((100, 120, 3), 128, np.uint8)
        cv2.imwrite(str(tmp_path / "face.png"), picture)
        assert (
            run("overlay", tmp_path / "face.png", build / "maps/b.png", tmp_path / "out.png").exit_code == 0
        )
        laid = cv2.imread(str(tmp_path / "out.png"))
        assert (laid[99, 0] == 128).all()
        assert np.ptp(laid[22, 32].astype(int)) > 50

    def test_what_is_no_image_is_one_sentence(self, build, annotations, tmp_path):
        result = run("overlay", annotations, build / "maps/b.png", tmp_path / "out.png")
        message = f"error: {annotations} is not an image in a format that can be read\n"
        assert (result.exit_code, result.stderr) == (1, message)


class TestHelp:
    def test_every_command_has_help(self):
        for command in cli.registered_commands:
            name = command.name or command.callback.__name__
            assert run(name, "--help").exit_code == 0
            assert command.callback.__doc__
