import html
import json
import re

import pytest
from sqlalchemy import func, select

from app.dashboard import map_queries as queries
from app.dashboard.map_queries import Filter
from app.models import JobState, Label, MapSet, SaliencyMap
from saliency.parameters import MapParameters
from tests.app.factories import (
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


class TestGallery:
    def test_a_study_without_maps_says_so(self, editor, study):
        assert "No maps yet" in editor.get(address(study)).text

    def test_it_shows_the_newest_built_set(self, editor, study, built):
        built(images=1)
        newest = built(images=1)
        assert f"/staff/maps/{newest.id}/" in editor.get(address(study)).text

    def test_an_older_set_can_be_chosen(self, editor, study, built):
        oldest = built(images=1)
        built(images=1)
        assert f"/staff/maps/{oldest.id}/" in editor.get(f"{address(study)}?set=1").text

    def test_a_set_that_is_not_there_is_not_found(self, editor, study, built):
        built(images=1)
        assert editor.get(f"{address(study)}?set=9").status_code == 404

    def test_a_set_under_way_is_told(self, editor, study, built):
        built(images=0, state=JobState.RUNNING)
        assert "data-waits" in editor.get(address(study)).text

    def test_the_page_knows_the_state_that_it_waits_to_see_changed(self, editor, study, built):
        built(images=0, state=JobState.RUNNING)
        built(images=0, state=JobState.QUEUED)
        shown = re.search('data-state="([^"]+)"', editor.get(address(study)).text)[1]
        assert json.loads(html.unescape(shown)) == editor.get(f"{address(study)}/state.json").json()

    def test_a_stale_set_is_told(self, editor, study, built):
        built(images=1, stale=True)
        assert "is stale" in editor.get(address(study)).text

    @pytest.mark.parametrize("sort", ["image", "annotators", "coverage", "focus", "agreement"])
    def test_every_order_pages_through_every_map_once(self, db, study, built, sort):
        map_set = built(images=60)
        seen, after = [], ""
        while rows := queries.maps_of(db, map_set, Filter(sort=sort, after=after))[: queries.PAGE_SIZE]:
            seen += [row.Image.id for row in rows]
            after = queries.place(rows[-1])
        assert len(seen) == 60
        assert len(set(seen)) == 60

    def test_the_order_is_the_one_asked_for(self, db, study, built):
        rows = queries.maps_of(db, built(images=5), Filter(sort="annotators"))
        assert [row.SaliencyMap.annotators for row in rows] == [5, 4, 3, 2, 1]

    def test_filters_narrow_it(self, db, study, built):
        map_set = built(images=6)
        assert len(queries.maps_of(db, map_set, Filter(label="fake"))) == 3
        assert len(queries.maps_of(db, map_set, Filter(annotators=5))) == 2
        assert len(queries.maps_of(db, map_set, Filter(source="generator", label="real"))) == 0

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
        page = editor.get(f"{address(study)}/{image_id}").text
        assert f"/staff/maps/{map_set.id}/{image_id}.png" in page
        assert f"/staff/studies/{study.slug}/images/{image_id}/annotations.json" in page
        assert "of the image" in page

    def test_an_image_without_a_map_says_why(self, editor, study, built):
        built(images=1)
        page = editor.get(f"{address(study)}/{ImageFactory().id}").text
        assert "Nobody painted on this image and judged it correctly" in page

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

    @pytest.mark.parametrize("wrong", [{"sigma_px": "-1"}, {"sigma_px": "600"}, {"min_annotators": "0"}])
    def test_parameters_out_of_range_build_nothing(self, editor, db, study, painted, wrong):
        assert build(editor, study, **wrong).status_code == 422
        assert db.scalar(select(func.count()).where(MapSet.study_id == study.id)) == 0

    def test_nothing_painted_is_told(self, editor, study):
        answer = build(editor, study)
        assert answer.status_code == 422
        assert "nothing to build maps from" in answer.text


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
def built(db, study):
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
                    blob_hash="blob",
                    annotators=n % 6 + 1,
                    coverage=(n % 7) / 10,
                    entropy=(n % 4) / 3,
                    agreement=None if n % 3 == 0 else (n % 3) / 7,
                )
            )
        db.commit()
        return map_set

    return make
