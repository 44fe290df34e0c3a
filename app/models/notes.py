"""What staff write down about a study, a participant or an image."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Now


class StaffNote(Base):
    """A text of a member of staff about exactly one thing."""

    __tablename__ = "note"

    id: Mapped[Id]
    study_id: Mapped[int | None] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), index=True)
    participant_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("participant.id", ondelete="CASCADE"), index=True
    )
    image_id: Mapped[int | None] = mapped_column(ForeignKey("image.id", ondelete="CASCADE"), index=True)
    text: Mapped[str]
    created_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[Now]

    __table_args__ = (
        CheckConstraint("num_nonnulls(study_id, participant_id, image_id) = 1", name="about_one_thing"),
    )
