"""What may be asked of a map, as a record keeps it."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from saliency import MapParameters, ParameterError

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
