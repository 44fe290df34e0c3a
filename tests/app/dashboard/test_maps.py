import json
import zipfile
from io import BytesIO
from typing import get_args

import lxml.html
import numpy as np
import pytest
from sqlalchemy import event, func, select, text

from app.dashboard.maps import queries
from app.dashboard.maps.build import FIELDS
from app.dashboard.maps.charts import reliability_curve
from app.dashboard.maps.queries import MapFilter, Sort
from app.models import Arm, JobState, Label, MapAverage, MapSet, Role, SaliencyMap
from saliency.maps.png import encode_map_png
from saliency.parameters import DESCRIPTIONS, MapParameters, in_words
from tests.support.factories import (
    AnnotationFactory,
    ArmFactory,
    DecisionFactory,
    ImageFactory,
    PairFactory,
    ParticipantFactory,
    StrokeFactory,
    StudyFactory,
    TrialFactory,
)
from tests.support.pages import read

PNG = encode_map_png(np.eye(64, dtype=np.float32))
WRONG = [
    *({"sigma_px": "-1"}, {"sigma_px": "600"}, {"sigma_px": "nan"}, {"sigma_percent": "101"}),
    *({"min_annotators": "0"}, {"first_annotators": "0"}, {"threshold": "0"}, {"threshold": "2"}),
    *({"arms": ["nobody"]}, {"questions": ["both"]}, {"without_flags": ["<script>"]}, {"weight": "rich"}),
    *({"decided_from": "yesterday"}, {"granularity": "dot"}, {"first_annotators": "9" * 30}),
]
MEASURED = {
    "images": 2,
    "annotators": 4.0,
    "leave_one_out": 0.5,
    "projected": 0.6,
    "iou": 0.2,
    "dice": 0.3,
    "curve": [0.4, 0.55],
    "curve_images": [2, 1],
    "needed_for_90": 14,
}


class TestGallery:
    def test_a_study_without_maps_says_so(self, editor, study):
        assert read(editor.get(address(study))).text(".empty__title") == "No maps yet"

    def test_it_shows_the_newest_built_set(self, editor, study, built):
        built(images=1)
        newest = built(images=1)
        assert map_set_shown(editor.get(address(study))) == newest.id

    def test_an_older_set_can_be_chosen(self, editor, study, built):
        oldest = built(images=1)
        built(images=1)
        assert map_set_shown(editor.get(f"{address(study)}?set=1")) == oldest.id

    def test_a_set_that_is_not_there_is_not_found(self, editor, study, built):
        built(images=1)
        assert editor.get(f"{address(study)}?set=9").status_code == 404

    def test_a_set_under_way_is_told(self, editor, study, built):
        built(images=0, state=JobState.RUNNING)
        page = read(editor.get(address(study)))
        assert page.values("[data-waits]", "data-waits") == [f"{address(study)}/state.json"]

    def test_the_page_knows_the_state_that_it_waits_to_see_changed(self, editor, study, built):
        built(images=0, state=JobState.RUNNING)
        built(images=0, state=JobState.QUEUED)
        [shown] = read(editor.get(address(study))).values("[data-waits]", "data-state")
        told = editor.get(f"{address(study)}/state.json").json()
        assert json.loads(shown) == {number: {"state": work["state"]} for number, work in told.items()}

    def test_how_far_a_set_is_is_shown_and_told(self, editor, study, built):
        built(images=0, state=JobState.RUNNING, done=3, total=40)
        assert read(editor.get(address(study))).text("[data-job='1'] .number") == "3 of 40"
        assert editor.get(f"{address(study)}/state.json").json()["1"] == {
            "state": "running",
            "done": 3,
            "total": 40,
        }

    def test_a_stale_set_is_told(self, editor, study, built):
        built(images=1, stale=True)
        assert read(editor.get(address(study))).text(".notice--warn .notice__title") == "Map set 1 is stale"

    @pytest.mark.parametrize("sort", get_args(Sort))
    def test_every_order_pages_through_every_map_once(self, db, study, built, sort):
        map_set = built(images=60)
        seen, after = [], ""
        while rows := queries.maps_of(db, map_set, MapFilter(sort=sort, after=after))[: queries.PAGE_SIZE]:
            seen += [row.Image.id for row in rows]
            after = queries.position(rows[-1])
        assert len(seen) == 60
        assert len(set(seen)) == 60

    def test_the_order_is_the_one_asked_for(self, db, study, built):
        rows = queries.maps_of(db, built(images=5), MapFilter(sort="annotators"))
        assert [row.SaliencyMap.annotators for row in rows] == [5, 4, 3, 2, 1]

    def test_filters_narrow_it(self, db, study, built):
        map_set = built(images=6)
        assert len(queries.maps_of(db, map_set, MapFilter(label="fake"))) == 3
        assert len(queries.maps_of(db, map_set, MapFilter(annotators=5))) == 2
        assert len(queries.maps_of(db, map_set, MapFilter(source="generator", label="real"))) == 0

    @pytest.mark.parametrize(
        ("wanted", "left"),
        [
            ({"accuracy": 50}, 3),
            ({"accuracy": 20, "accuracy_to": 40}, 2),
            ({"agreement": 0.2}, 2),
            ({"agreement_to": 0.2}, 2),
            ({"annotators": 2, "annotators_to": 3}, 2),
        ],
    )
    def test_ranges_narrow_it_and_its_count(self, db, study, built, wanted, left):
        map_set = built(images=6)
        assert len(queries.maps_of(db, map_set, MapFilter(**wanted))) == left
        assert queries.count_of(db, map_set, MapFilter(**wanted)) == left

    @pytest.mark.parametrize(
        "wrong", ["accuracy=101", "agreement=x", "annotators=0", "colours=jet", "set=-1"]
    )
    def test_what_no_map_can_have_is_refused(self, editor, study, built, wrong):
        built(images=1)
        assert editor.get(f"{address(study)}?{wrong}").status_code == 422

    def test_a_page_asks_as_much_of_the_database_for_many_maps_as_for_one(
        self, editor, study, built, queries_of
    ):
        built(images=1)
        few = queries_of(lambda: editor.get(address(study)))
        built(images=60)
        assert queries_of(lambda: editor.get(address(study))) == few

    def test_a_made_up_place_in_the_list_is_refused(self, editor, study, built):
        built(images=1)
        assert editor.get(f"{address(study)}?after=x_y").status_code == 422

    def test_an_empty_filter_of_the_form_means_any(self, editor, study, built):
        built(images=1)
        assert editor.get(f"{address(study)}?set=1&label=&source=&annotators=1&sort=image").status_code == 200


class TestOneMap:
    def test_it_shows_image_map_and_numbers(self, editor, db, study, built):
        map_set = built(images=1)
        image_id = db.scalar(select(SaliencyMap.image_id).where(SaliencyMap.map_set_id == map_set.id))
        page = read(editor.get(f"{address(study)}/{image_id}"))
        view = page.find("#view").attrib
        assert view["data-map"].startswith(f"/staff/maps/{map_set.id}/{image_id}.png")
        assert view["data-annotations"] == f"/staff/studies/{study.slug}/images/{image_id}/annotations.json"
        assert page.has("#view [data-stop='200']")
        assert {"Annotators", "Agreement", "Entropy"} <= set(page.texts(".facts dt"))

    def test_an_image_without_a_map_says_why(self, editor, study, built):
        built(images=1)
        page = read(editor.get(f"{address(study)}/{ImageFactory().id}"))
        assert page.text(".notice--warn .notice__title") == "No map"
        assert not page.has("[data-stop='200']")

    def test_an_unknown_image_is_not_found(self, editor, study, built):
        built(images=1)
        assert editor.get(f"{address(study)}/999999999").status_code == 404

    def test_neighbours_are_those_of_the_set(self, db, study, built):
        built(images=3)
        map_set = built(images=3)
        first, middle, last = db.scalars(
            select(SaliencyMap.image_id)
            .where(SaliencyMap.map_set_id == map_set.id)
            .order_by(SaliencyMap.image_id)
        )
        assert queries.neighbours(db, map_set, middle) == (first, last)
        assert queries.neighbours(db, map_set, first) == (None, middle)


class TestBuild:
    def test_it_queues_a_set_with_these_parameters(self, editor, db, study, painted):
        answer = build(editor, study, sigma_px="7.5", min_annotators="2")
        assert answer.headers["location"] == f"{address(study)}?set=1"
        map_set = db.scalar(select(MapSet).where(MapSet.study_id == study.id))
        assert map_set.state is JobState.QUEUED
        assert map_set.parameters == MapParameters(sigma_px=7.5, min_annotators=2).to_dict()

    @pytest.mark.parametrize("wrong", WRONG)
    def test_parameters_out_of_range_build_nothing(self, editor, db, study, painted, wrong):
        assert build(editor, study, **wrong).status_code == 422
        assert db.scalar(select(func.count()).where(MapSet.study_id == study.id)) == 0

    def test_every_parameter_can_be_asked_for(self, editor, db, study, painted):
        arm = db.scalar(select(Arm.name).where(Arm.study_id == study.id))
        fields = {"arms": [arm], "questions": ["real"], "first_annotators": "3", "sigma_percent": "2"}
        fields |= {"decided_from": "2020-01-01T00:00", "without_flags": ["any"], "weight": "fast"}
        build(editor, study, **fields, granularity="box", threshold="0.4", include="all")
        recorded = MapParameters.from_dict(db.scalar(select(MapSet.parameters)))
        assert in_words(recorded.to_dict()) == (
            f"σ 2 % of the side, all decisions, arm {arm}, question real, without the flag any, first 3 "
            "annotators, decided from 1 Jan 2020, 00:00 UTC, the fast count more, one box from 0.4 on"
        )

    def test_it_has_a_labelled_field_for_each_parameter(self, editor, db, study, painted):
        ArmFactory(study_id=study.id, name="second", annotate=True)
        page = lxml.html.fromstring(editor.get(address(study)).text)
        for name, described in DESCRIPTIONS.items():
            field = page.xpath(f"//form//*[@name='{FIELDS[name]}']")[0]
            group = next(one for one in field.iterancestors("div") if "field" in one.get("class").split())
            assert described.label in group.text_content()

    def test_a_form_without_fields_asks_for_the_default(self, editor, db, study, painted):
        editor.post(address(study))
        assert db.scalar(select(MapSet.parameters)) == MapParameters().to_dict()

    def test_what_was_asked_for_is_there_when_it_is_refused(self, editor, study, painted):
        answer = build(editor, study, decided_from="2030-01-01T00:00", decided_before="2029-01-01T00:00")
        assert answer.status_code == 422
        page = read(answer)
        assert page.text("#build [role=alert]").startswith("decided_from must be before decided_before")
        assert page.values("#decided_from", "value") == ["2030-01-01T00:00"]

    def test_asking_twice_asks_for_one_set(self, editor, db, study, painted):
        build(editor, study), build(editor, study)
        assert db.scalar(select(func.count()).where(MapSet.study_id == study.id)) == 1

    def test_a_build_can_be_aborted(self, editor, db, study, painted):
        build(editor, study)
        assert read(editor.get(address(study))).has("form[action$='/maps/sets/1/abort']")
        assert editor.post(f"{address(study)}/sets/1/abort").status_code == 303
        assert db.scalar(select(MapSet.state).where(MapSet.study_id == study.id)) is JobState.ABORTED
        assert db.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")) == 0
        assert editor.post(f"{address(study)}/sets/1/abort").status_code == 409

    def test_a_viewer_aborts_nothing(self, log_in, study, built):
        built(images=0, state=JobState.RUNNING)
        viewer = log_in(Role.VIEWER)
        page = read(viewer.get(address(study)))
        assert page.has("[data-job='1']")
        assert not page.has("form[action$=abort]")
        assert viewer.post(f"{address(study)}/sets/1/abort").status_code == 403

    def test_a_viewer_cannot_build(self, log_in, study, painted):
        assert build(log_in(Role.VIEWER), study).status_code == 403

    def test_nothing_painted_is_told(self, editor, study):
        answer = build(editor, study)
        assert answer.status_code == 422
        assert "nothing to build maps from" in read(answer).text("#build [role=alert]")


class TestWholeSets:
    def test_agreement_shows_averages_and_how_many_annotators_it_takes(self, editor, db, study, built):
        map_set = built(images=2, reliability=MEASURED)
        db.add(MapAverage(map_set_id=map_set.id, label="real", source="camera", images=2, blob_hash="b"))
        db.commit()
        page = read(editor.get(f"{address(study)}/agreement"))
        averages = page.values("img", "src")
        assert any(src.startswith(f"/staff/maps/{map_set.id}/average.png?label=real") for src in averages)
        assert "reaches r = 0.9 with 14 annotators" in page.text("main")

    @pytest.mark.parametrize("measured", [None, {"images": 0}])
    def test_agreement_without_numbers_says_why(self, editor, study, built, measured):
        built(images=1, reliability=measured)
        page = read(editor.get(f"{address(study)}/agreement"))
        assert page.has("section[aria-labelledby=agreement] p.muted")
        assert not page.has("section[aria-labelledby=agreement] :is(.stats, svg)")

    @pytest.mark.parametrize("page", ["agreement", "sets"])
    def test_without_a_set_the_pages_say_so(self, editor, study, page):
        assert read(editor.get(f"{address(study)}/{page}")).text(".empty__title").endswith("yet")

    def test_the_list_offers_to_compare(self, editor, study, built):
        built(images=1), built(images=1)
        links = read(editor.get(f"{address(study)}/sets")).values("tbody a", "href")
        assert f"{address(study)}/diff?old=1&new=2" in links

    def test_what_changed_is_side_by_side(self, editor, study, built):
        built(images=1), built(images=1)
        page = read(editor.get(f"{address(study)}/diff?old=1&new=2&kind=added"))
        assert page.text("nav[aria-label=Images] [aria-current]").startswith("only in set 2")
        assert "Set 1: no map" in page.text("main")

    @pytest.mark.parametrize(
        "wrong", ["old=1&new=9", "old=x", "old=1&after=-1", "old=1&after=99", "old=1&kind=odd"]
    )
    def test_what_cannot_be_compared_is_refused(self, editor, study, built, wrong):
        built(images=1)
        assert editor.get(f"{address(study)}/diff?{wrong}").status_code in (404, 422)

    def test_a_set_that_is_not_built_cannot_be_compared(self, editor, study, built):
        built(images=1), built(images=0, state=JobState.FAILED)
        assert editor.get(f"{address(study)}/diff?old=1&new=2").status_code == 409

    def test_the_curve_ends_where_the_axis_does(self):
        assert reliability_curve(MEASURED).needed_x is not None
        hopeless = reliability_curve(MEASURED | {"curve": [-0.1], "curve_images": [2], "needed_for_90": None})
        assert (hopeless.needed, hopeless.needed_x) == (None, None)
        far = reliability_curve(MEASURED | {"needed_for_90": 5000})
        assert (far.needed, far.needed_x) == (5000, None)


class TestDownload:
    def test_the_list_is_what_the_filter_lets_through(self, editor, study, built):
        built(images=6)
        lines = editor.get(f"{address(study)}/list.csv?label=fake&sort=annotators").text.splitlines()
        assert lines[0].startswith("image_id,label,source,width")
        assert [line.split(",")[1] for line in lines[1:]] == ["fake"] * 3
        assert [line.split(",")[5] for line in lines[1:]] == ["6", "4", "2"]

    def test_the_archive_holds_list_parameters_and_maps(self, editor, study, built):
        built(images=6)
        answer = editor.get(f"{address(study)}/list.zip?annotators=5")
        archive = zipfile.ZipFile(BytesIO(answer.content))
        names = sorted(name.rpartition("/")[2] for name in archive.namelist())
        assert len(names) == 5
        assert {"maps.csv", "map_set.json", "SHA256SUMS"} < set(names)
        record = json.loads(archive.read(next(name for name in archive.namelist() if name.endswith("json"))))
        assert record["filter"] == {"annotators": 5}

    def test_a_stranger_gets_nothing(self, client, study, built):
        built(images=1)
        assert client.get(f"{address(study)}/list.zip", headers={"accept": "*/*"}).status_code == 401


def map_set_shown(answer) -> int:
    """The set whose maps a gallery shows."""
    [address] = {path.split("/")[3] for path in read(answer).values("[data-map]", "data-map")}
    return int(address)


def address(study):
    return f"/staff/studies/{study.slug}/maps"


def build(editor, study, **changes):
    form = {"sigma_px": "5", "include": "correct", "min_annotators": "1", "scale": "minmax"}
    return editor.post(address(study), data=form | changes)


@pytest.fixture(autouse=True)
def unrelated(noise) -> None: ...


@pytest.fixture
def study(db):
    return StudyFactory()


@pytest.fixture
def painted(study):
    trial = TrialFactory(
        participant=ParticipantFactory(arm=ArmFactory(study_id=study.id)),
        pair=PairFactory(study_id=study.id),
    )
    return StrokeFactory(annotation_id=AnnotationFactory(decision=DecisionFactory(trial=trial)).id)


@pytest.fixture
def built(db, study, blobs):
    """A map set of the study with so many maps, half of them of fakes; few values, so that many tie."""

    def make(*, images, state=JobState.SUCCEEDED, **fields):
        version = 1 + db.scalar(select(func.count()).where(MapSet.study_id == study.id))
        parameters = MapParameters().to_dict()
        map_set = MapSet(study_id=study.id, version=version, parameters=parameters, state=state, **fields)
        db.add(map_set)
        db.flush()
        for n in range(images):
            image = ImageFactory(label=Label.FAKE if n % 2 else Label.REAL)
            db.add(
                SaliencyMap(
                    map_set_id=map_set.id,
                    image_id=image.id,
                    blob_hash=blobs.put(PNG),
                    sketch=bytes(range(256)) * 4,
                    annotators=n % 6 + 1,
                    coverage=(n % 7) / 10,
                    entropy=(n % 4) / 3,
                    agreement=None if n % 3 == 0 else (n % 3) / 7,
                    accuracy=(n % 6) / 5,
                )
            )
        db.commit()
        return map_set

    return make


@pytest.fixture
def queries_of(engine):
    """How many statements the database is asked while something is done."""

    def count(do) -> int:
        asked = []
        note = lambda *arguments: asked.append(arguments[2])  # noqa: E731
        event.listen(engine, "before_cursor_execute", note)
        do()
        event.remove(engine, "before_cursor_execute", note)
        return len(asked)

    return count
