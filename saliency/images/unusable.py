"""The one way in which an image file is refused."""


class Unusable(Exception):
    """A file that is no picture that can be read faithfully; the message says why, after the file's name."""
