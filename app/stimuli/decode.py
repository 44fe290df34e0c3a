"""Pictures that reach the platform over the network: the decoder of files, with errors that pages show."""

from PIL import Image

from app.errors import BadInput
from saliency.images.decoder import decode, decode_bytes
from saliency.images.unusable import Unusable

__all__ = ["Unusable", "decode", "decode_upload"]


def decode_upload(content: bytes, *, called: str) -> Image.Image:
    """The picture in an uploaded file; BadInput, naming the file, says why there is none."""
    try:
        return decode_bytes(content)
    except Unusable as reason:
        raise BadInput(f"{called or 'The file'} {reason}") from None
