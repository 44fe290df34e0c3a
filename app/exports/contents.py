"""The options of an export: formats, layout, and how the dataset is described."""

import enum
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, StringConstraints

from app.forms import Fields

ShortText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]


class Layout(enum.StrEnum):
    """Where the files are, and how they are called."""

    PLAIN = "plain"
    PSYCH_DS = "psych-ds"
    IMAGE_FOLDER = "imagefolder"


LAYOUTS: Final = {
    Layout.PLAIN: "Folder of tables; the one that `cyborg import` reads",
    Layout.PSYCH_DS: "Psych-DS: data/…_data.csv and dataset_description.json",
    Layout.IMAGE_FOLDER: "Hugging Face ImageFolder: images, maps and metadata.csv",
}


class Contents(Fields):
    """The options of one export. By default it has CSV tables, JSON lines and maps as PNG."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parquet: Annotated[bool, Field(description="Every table and every annotation as Parquet, too.")] = False
    masks: Annotated[bool, Field(description="The mask of every annotation as PNG, 255 = painted.")] = False
    coco: Annotated[bool, Field(description="The mask of every annotation as COCO run lengths.")] = False
    npy: Annotated[bool, Field(description="Every map as a NumPy array of float32 in [0, 1], too.")] = False
    images: Annotated[
        bool, Field(description="The images themselves; `cyborg import` reads only an export with them.")
    ] = False
    layout: Layout = Layout.PLAIN
    creator: Annotated[tuple[ShortText, ...], Field(max_length=100)] = ()
    """Who is to be cited."""
    license: ShortText = ""
    """An SPDX identifier, such as CC-BY-4.0, or an address."""
    url: ShortText = ""
    """Where the dataset is published."""

    @classmethod
    def everything(cls, **more: Any) -> Self:
        """All that a plain export may hold."""
        return cls(**dict.fromkeys(OPTIONS, True), **more)


OPTIONS: Final = {
    name: str(field.description) for name, field in Contents.model_fields.items() if field.annotation is bool
}
"""What can be asked for, each with one sentence."""

PLAIN: Final = Contents()
