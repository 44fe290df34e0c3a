"""Errors that the user can correct. The message is one sentence for that person.

TrainingError
├── RecipeError     the recipe or a setting in it
├── DatasetError    the dataset folder
├── ModelError      the architecture or its weights
└── RunError        the run folder
"""

import re


class TrainingError(Exception):
    """Training cannot continue, and the user can correct the cause."""


class RecipeError(TrainingError):
    """The recipe asks for something that does not exist."""


class DatasetError(TrainingError):
    """The dataset folder is damaged or lacks what a run needs."""


class ModelError(TrainingError):
    """The architecture or its weights cannot be used."""


class RunError(TrainingError):
    """The run folder cannot be read or continued."""


def in_words(error: Exception) -> str:
    """The message in one line; an error that is not a `TrainingError` is a bug, and its class is named."""
    message = " ".join(str(error).split())
    return message if isinstance(error, TrainingError) else f"Unexpected {type(error).__name__}: {message}"


def first_line(error: BaseException) -> str:
    """The first line of a library's message, without colour codes; the error's class if it is empty."""
    message = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return (message or type(error).__name__).splitlines()[0].rstrip(".")
