"""Photographs in mails: of the size that is shown, and light."""

import io

import pytest
from PIL import Image

from emailketing.errors import TemplateError
from emailketing.model import Attachment
from emailketing.render.photos import PICTURE_LIMIT, scaled


def picture(mode="RGB", size=(3000, 2000), kind="PNG", noise=False):
    image = Image.effect_noise(size, 120).convert(mode) if noise else Image.new(mode, size, "teal")
    file = io.BytesIO()
    image.save(file, kind)
    return Attachment("aceite 4 l.png", "image/png", file.getvalue())


def opened(attachment):
    return Image.open(io.BytesIO(attachment.data))


def test_a_photograph_becomes_a_jpeg_twice_as_wide_as_it_is_shown_and_within_the_limit():
    made = scaled(picture(noise=True), 560)
    assert (made.filename, made.media_type) == ("aceite 4 l.jpg", "image/jpeg")
    assert opened(made).size == (1120, 747)
    assert len(made.data) <= PICTURE_LIMIT * 3  # pure noise, which no photograph is
    assert len(scaled(picture(), 560).data) < 20_000


def test_what_is_transparent_stays_so_where_it_is_light():
    assert opened(scaled(picture("RGBA"), 100)).mode == "RGBA"
    assert scaled(picture("RGBA", noise=True), 560).media_type == "image/jpeg"


def test_a_small_picture_is_not_blown_up():
    assert opened(scaled(picture(size=(90, 60)), 560)).size == (90, 60)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"<svg/>", picture().data[:12]])
def test_what_is_no_picture_is_told(data):
    with pytest.raises(TemplateError, match="is no picture that can be shown"):
        scaled(Attachment("x.png", "image/png", data), 100)


def test_a_bomb_is_refused():
    header = picture(size=(10, 10)).data
    bomb = header[:16] + (200_000).to_bytes(4) + (200_000).to_bytes(4) + header[24:]
    with pytest.raises(TemplateError, match="is no picture"):
        scaled(Attachment("x.png", "image/png", bomb), 100)
