"""The error for an image file that is refused."""


class Unusable(Exception):
    """A file that cannot be read as a person would see it; the message follows the name of the file."""
