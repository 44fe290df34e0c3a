"""One change of many images: of all that a filter finds."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.dashboard.images.queries import ImageFilter, matching
from app.errors import BadInput
from app.models import Image
from app.stimuli.tags import change_tags


def tag_all(session: Session, wanted: ImageFilter, *, add: Sequence[str], remove: Sequence[str]) -> int:
    """Add tags to all images that a filter finds and remove others; all of them, or none.

    Returns how many were found. `BadInput`: no tag is given, or an image would have too many.
    """
    if not any(tag.strip() for tag in (*add, *remove)):
        raise BadInput("Say which tags to add or to remove.")
    found = session.scalars(select(Image).where(*matching(wanted)).order_by(Image.id).with_for_update()).all()
    for image in found:
        try:
            change_tags(image, add=add, remove=remove)
        except BadInput as error:
            raise BadInput(f"{image.original_name}: {error}") from None
    return len(found)
