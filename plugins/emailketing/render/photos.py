"""Photographs for mails and sheets: of the size that is shown, and light enough that a mail stays a mail."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
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

#: The most bytes of all pictures of one sheet: a PDF that is mailed should stay well below five megabytes.
SHEET_LIMIT = 1_000_000

#: What may come from the ERP or lie below include/.
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")

_JPEG = b"\xff\xd8\xff"  # with which every file of it begins

_CLEAR = 3  # what a drawing may weigh more, because JPEG smears its lines

_QUALITIES = (82, 72, 60, 48, 36)
_REMEMBERED, _REMEMBERED_SMALL = 64, 2048

_made: OrderedDict[tuple[str, int], Attachment] = OrderedDict()
_printed: OrderedDict[tuple[str, int], Attachment] = OrderedDict()


def scaled(picture: Attachment, width: int) -> Attachment:
    """The picture as it is shown `width` pixels wide: PNG where it is transparent, JPEG else, within the limit.

    Raises TemplateError for what is no picture. The last ones are remembered.
    """
    return _remembered(_made, _REMEMBERED, _scaled, (picture, width))


def printed(picture: Attachment, width: int) -> Attachment:
    """The picture as it is printed `width` pixels wide on white paper: photographs as JPEG, drawings as PNG.

    Raises TemplateError for what is no picture. The last ones are remembered.
    """
    return _remembered(_printed, _REMEMBERED_SMALL, _on_paper, (picture, width))


def _remembered(
    made: OrderedDict[tuple[str, int], Attachment],
    most: int,
    make: Callable[[Attachment, int], Attachment],
    given: tuple[Attachment, int],
) -> Attachment:
    key = given[0].sha256, given[1]
    if key not in made:
        made[key] = make(*given)
    made.move_to_end(key)
    while len(made) > most:
        made.popitem(last=False)
    return made[key]


def _scaled(picture: Attachment, width: int) -> Attachment:
    shown = _shown(picture, width)
    if shown.mode == "RGBA" and len(data := _png(shown)) <= PICTURE_LIMIT:
        return _named(picture, "png", data)
    return _named(picture, "jpg", _jpeg(_on_white(shown)))


def _on_paper(picture: Attachment, width: int) -> Attachment:
    shown = _on_white(_shown(picture, width))
    jpeg = _jpeg(shown)
    if picture.data.startswith(_JPEG):
        return _named(picture, "jpg", jpeg)
    png = _png(shown)
    return _named(picture, "png", png) if len(png) <= _CLEAR * len(jpeg) else _named(picture, "jpg", jpeg)


def _shown(picture: Attachment, width: int) -> Image:
    """The picture in the dots in which it is shown. Raises TemplateError for what is none."""
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
    return shown


def _on_white(image: Image) -> Image:
    from PIL import Image

    if image.mode != "RGBA":
        return image
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image.getchannel("A"))
    return paper


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
