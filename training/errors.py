"""What can go wrong on purpose. The message is one sentence for the person who can mend it.

TrainingError
├── RecipeError     the recipe or a setting in it
├── DatasetError    the dataset folder
├── ModelError      the architecture or its weights
└── RunError        the run folder
"""

import re


class TrainingError(Exception):
    """Training cannot go on, and the user can mend it."""


class RecipeError(TrainingError):
    """The recipe asks for something that does not exist."""


class DatasetError(TrainingError):
    """The dataset folder is not what it claims to be."""


class ModelError(TrainingError):
    """The architecture or its weights cannot be used."""


class RunError(TrainingError):
    """The run folder cannot be read or continued."""


def in_words(error: Exception) -> str:
    """What went wrong, in one line: a mistake says so itself, a bug is named."""
    said = " ".join(str(error).split())
    return said if isinstance(error, TrainingError) else f"Unexpected {type(error).__name__}: {said}"


def first_line(error: BaseException) -> str:
    """What a library says, in one line and without codes for a terminal's colours."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return (said or type(error).__name__).splitlines()[0].rstrip(".")
