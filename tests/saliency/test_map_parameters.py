"""What may be asked of a map, as a record keeps it."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any, get_args

import pytest
from typer.main import get_command

from saliency import Annotation, MapParameters, ParameterError
from saliency.__main__ import cli
from saliency.parameter_descriptions import OneOf
from saliency.parameter_options import option_name
from saliency.parameter_table import renewed
from saliency.parameters import DEFAULTS, DESCRIPTIONS, TYPES, in_words
from tests.support import ROOT

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVERYTHING = MapParameters(
    sigma_px=2.5,
    include="all",
    min_annotators=3,
    scale="peak",
    sigma_share=0.01,
    arms=("annotate",),
    questions=("fake", "real"),
    without_flags=("any",),
    first_annotators=4,
    decided_from=NOON,
    decided_before=NOON + timedelta(days=1),
    weight="accuracy",
    granularity="boxes",
    threshold=0.25,
)
CHOICES = [name for name, described in DESCRIPTIONS.items() if isinstance(described.values, OneOf)]


class TestMapParameters:
    def test_they_survive_a_round_trip_through_json(self):
        assert MapParameters.from_dict(json.loads(json.dumps(EVERYTHING.to_dict()))) == EVERYTHING

    def test_every_parameter_is_recorded(self):
        assert set(EVERYTHING.to_dict()) == set(MapParameters.__slots__)

    def test_a_record_of_the_first_four_parameters_still_reads(self):
        old = {"sigma_px": 5.0, "include": "correct", "min_annotators": 1, "scale": "minmax"}
        assert MapParameters.from_dict(old) == MapParameters()

    def test_equal_choices_are_equal_records(self):
        berlin = NOON.astimezone(timezone(timedelta(hours=1)))
        one = MapParameters(arms=("b", "a", "b"), decided_from=berlin)
        assert one.to_dict() == MapParameters(arms=("a", "b"), decided_from=NOON).to_dict()

    def test_a_share_is_of_the_shorter_side(self):
        assert MapParameters(sigma_share=0.01).sigma_of(width=800, height=600) == 6
        assert MapParameters(sigma_px=3).sigma_of(width=800, height=600) == 3

    def test_a_share_that_is_too_wide_for_an_image_is_refused(self):
        with pytest.raises(ParameterError, match=r"sigma_share 0\.5 is 1000 px on an image of 2000x3000"):
            MapParameters(sigma_share=0.5).sigma_of(width=2000, height=3000)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"sigma_px": -1},
            {"sigma_px": float("nan")},
            {"sigma_px": "5"},
            {"sigma_px": 10**400},
            {"sigma_px": True},
            {"sigma_share": 1.5},
            {"min_annotators": 0},
            {"min_annotators": 2.0},
            {"first_annotators": 0},
            {"first_annotators": 2**31},
            {"include": "some"},
            {"include": []},
            {"scale": "log"},
            {"weight": "loud"},
            {"granularity": "fine"},
            {"threshold": 0},
            {"threshold": 1.1},
            {"arms": "annotate"},
            {"arms": [""]},
            {"questions": [3]},
            {"without_flags": None},
            {"decided_from": "yesterday"},
            {"decided_from": "2026-03-01T12:00:00"},
            {"decided_before": 5},
            {"decided_from": NOON, "decided_before": NOON},
            {"sigma": 5},
        ],
        ids=str,
    )
    def test_a_wrong_value_or_name_is_refused_by_name(self, wrong):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            MapParameters.from_dict(wrong)


class TestRecords:
    """Map sets of before are found again by what they were asked for, so records must not change."""

    @pytest.mark.parametrize(
        ("asked", "digest"),
        [
            ({}, "41fbf2fce745c00407a0a7b4f341b1e926ef81d62352e09d4830892e1acfcf07"),
            (
                {"sigma_px": 7.5, "min_annotators": 2},
                "3eeeac6936313e6f5062f53f1b3fdf4dcdb65e8de9cf3f4f62183a9b591336c8",
            ),
            (
                {"sigma_share": 0.01, "weight": "accuracy", "arms": ["b", "a"], "questions": ["real"]},
                "540b7df35719a702aba573f204b0d8d65e44ea2e5ce0fea81918ff722be65c11",
            ),
            (
                {
                    "include": "all",
                    "first_annotators": 3,
                    "decided_from": "2026-03-01T13:00:00+01:00",
                    "decided_before": NOON + timedelta(days=1),
                    "without_flags": ["any"],
                },
                "8a059ddeebcb7cae95b8440a532ae41b5bdfde260aaa2371f5404c9c100040d4",
            ),
            (
                {"scale": "peak", "granularity": "boxes", "threshold": 0.25},
                "b89d6a0337de9c20e44bb12f933f9cd28977aba464bd7a7729b4ed3f758cfa2e",
            ),
        ],
    )
    def test_the_same_parameters_have_the_record_that_they_always_had(self, asked, digest):
        record = json.dumps(MapParameters.from_dict(asked).to_dict(), sort_keys=True)
        assert sha256(record.encode()).hexdigest() == digest


class TestDescriptions:
    @pytest.mark.parametrize("name", DESCRIPTIONS)
    def test_a_default_is_a_value(self, name):
        if DEFAULTS[name] is not None:
            assert DESCRIPTIONS[name].values.checked(name, DEFAULTS[name]) == DEFAULTS[name]

    @pytest.mark.parametrize("name", CHOICES)
    def test_a_choice_has_a_label_for_each_value_of_its_type(self, name):
        assert tuple(DESCRIPTIONS[name].values.labels) == get_args(TYPES[name])

    def test_what_parameters_need_are_fields_of_an_annotation(self):
        needs = [one.needs for one in DESCRIPTIONS.values() if one.needs]
        named = {field for need in needs for field in ([need] if isinstance(need, str) else need.values())}
        assert named <= {field.name for field in fields(Annotation)}

    def test_the_words_of_a_default_are_its_blur_and_its_decisions(self):
        assert in_words({}) == "σ 5 px, correct decisions"

    def test_the_words_say_everything_that_is_asked_for(self):
        assert in_words(EVERYTHING.to_dict()) == (
            "σ 1 % of the side, all decisions, arm annotate, question fake or real, without the flag any, "
            "first 4 annotators, decided from 1 Mar 2026, 12:00 UTC, decided before 2 Mar 2026, 12:00 UTC, "
            "at least 3 annotators, the accurate count more, divided by the peak, boxes from 0.25 on"
        )

    def test_a_parameter_without_words_of_its_own_is_said_by_its_label(self, monkeypatch):
        wordless = replace(DESCRIPTIONS["min_annotators"], words=None)
        monkeypatch.setitem(DESCRIPTIONS, "min_annotators", wordless)
        assert in_words({"min_annotators": 2}).endswith("Fewest annotators for a map: 2")
        assert "Fewest" not in in_words({})

    @pytest.mark.parametrize(
        ("command", "steps"),
        [
            ("build", {"blur", "filter", "first", "minimum", "weight", "shape"}),
            ("agree", {"blur", "filter", "first"}),
            ("source", {"blur", "minimum", "shape"}),
        ],
    )
    def test_each_command_has_the_options_of_its_steps_and_no_others(self, command, steps):
        group: Any = get_command(cli)
        options = {text for option in group.commands[command].params for text in option.opts}
        for name, described in DESCRIPTIONS.items():
            assert (option_name(name) in options) == (described.step in steps)

    def test_the_table_in_the_docs_is_made_of_them(self):
        page = (ROOT / "docs" / "saliency.md").read_text("utf-8")
        assert page == renewed(page)  # `make docs` writes it
