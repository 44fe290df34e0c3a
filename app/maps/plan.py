"""The images of a build and the annotations that count on each, as they are when it begins."""

import pickle
from collections.abc import Iterator
from typing import IO

from sqlalchemy.orm import Session

from app.maps.inputs import ImageInputs, InputsTally, MapSetInputs, image_inputs
from app.maps.queries import image_accuracies
from saliency.parameters import MapParameters


class BuildPlan:
    """Images ordered by id, in a file, so that memory does not grow with their number.

    inputs : what the map set is built from
    accuracies : by image, the share of main decisions on pairs with it that are correct
    """

    def __init__(self, file: IO[bytes], session: Session, study_id: int, parameters: MapParameters) -> None:
        self._file = file
        tally = InputsTally()
        for image in image_inputs(session, study_id, parameters):
            tally.add(image, parameters)
            pickle.dump(image, file, pickle.HIGHEST_PROTOCOL)
        self.inputs: MapSetInputs = tally.inputs
        self.accuracies: dict[int, float] = dict(session.execute(image_accuracies(study_id)).all())

    def __iter__(self) -> Iterator[ImageInputs]:
        self._file.seek(0)
        for _ in range(self.inputs.images):
            yield pickle.load(self._file)  # noqa: S301 - this object wrote it
