"""What can be wrong with a file of decisions. The message is one sentence that says what and where."""


class DecisionsError(ValueError):
    """The file, or what is said of its columns, cannot be used."""
