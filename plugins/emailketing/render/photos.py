"""Photographs for mails and sheets: of the size that is shown, and light enough that a mail stays a mail."""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from emailketing.errors import TemplateError
from emailketing.model import Attachment

if TYPE_CHECKING:
    from PIL.Image import Image

#: Screens of phones have two dots and more for each pixel that a mail names.
SHARPNESS = 2

#: The most bytes of one picture, and of all pictures of one mail.
PICTURE_LIMIT = 120_000
PICTURES_LIMIT = 600_000

#: What may come from the ERP or lie below include/.
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")

_QUALITIES = (82, 72, 60, 48, 36)
_REMEMBERED = 64

_made: OrderedDict[tuple[str, int], Attachment] = OrderedDict()


def scaled(picture: Attachment, width: int) -> Attachment:
    """The picture as it is shown `width` pixels wide: PNG where it is transparent, JPEG else, within the limit.

    Raises TemplateError for what is no picture. The last ones are remembered.
    """
    key = picture.sha256, width
    if key not in _made:
        _made[key] = _scaled(picture, width)
    _made.move_to_end(key)
    while len(_made) > _REMEMBERED:
        _made.popitem(last=False)
    return _made[key]


def _scaled(picture: Attachment, width: int) -> Attachment:
    from PIL import Image  # a tenth of a second, for who shows photographs

    try:
        with Image.open(io.BytesIO(picture.data), formats=_FORMATS) as image:
            image.draft("RGB", (width * SHARPNESS, width * SHARPNESS))  # JPEG only: reads no more than is shown
            image.load()
            shown = image.convert("RGBA" if _transparent(image) else "RGB")
    except Exception as error:  # a broken file, a bomb, a type that is none of ours
        raise TemplateError(
            f"{picture.filename!r} is no picture that can be shown: {type(error).__name__}: {error}",
            hint=f"Use {', '.join(_FORMATS)}.",
        ) from None
    shown.thumbnail((width * SHARPNESS, width * SHARPNESS * 2), Image.Resampling.LANCZOS)
    if shown.mode == "RGBA" and len(data := _png(shown)) <= PICTURE_LIMIT:
        return _named(picture, "png", data)
    if shown.mode == "RGBA":
        paper = Image.new("RGB", shown.size, "white")
        paper.paste(shown, mask=shown.getchannel("A"))
        shown = paper
    return _named(picture, "jpg", _jpeg(shown))


def _transparent(image: Image) -> bool:
    return image.mode in {"RGBA", "LA"} or "transparency" in image.info


def _png(image: Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _jpeg(image: Image) -> bytes:
    """The best that fits; where none does, the smallest."""
    data = b""
    for quality in _QUALITIES:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        data = file.getvalue()
        if len(data) <= PICTURE_LIMIT:
            break
    return data


def _named(picture: Attachment, kind: str, data: bytes) -> Attachment:
    media_type = {"png": "image/png", "jpg": "image/jpeg"}[kind]
    return Attachment(f"{PurePosixPath(picture.filename).stem or 'picture'}.{kind}", media_type, data)
