"""What an export may hold besides its tables, and what is said of it as a dataset."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Said = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]


class Contents(BaseModel):
    """What staff ask for. Without any of it, an export has CSV tables, JSON lines and maps as PNG."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parquet: Annotated[bool, Field(description="Every table and every annotation as Parquet, too.")] = False
    masks: Annotated[bool, Field(description="The mask of every annotation as PNG, 255 = painted.")] = False
    coco: Annotated[bool, Field(description="The mask of every annotation as COCO run lengths.")] = False
    npy: Annotated[bool, Field(description="Every map as a NumPy array of float32 in [0, 1], too.")] = False
    images: Annotated[
        bool, Field(description="The images themselves; `cyborg import` reads only an export with them.")
    ] = False


OPTIONS: Final = {name: str(field.description) for name, field in Contents.model_fields.items()}
"""What can be asked for, each with one sentence."""

PLAIN: Final = Contents()
