"""What an import does about faces. A module of its own: the command line names it before it loads OpenCV."""

import enum


class FaceSearch(enum.StrEnum):
    """What an import does about faces."""

    FIND = "find"
    """Find the face of every picture that comes without a face box."""
    ALIGN = "align"
    """Also turn and frame each picture by its face."""
