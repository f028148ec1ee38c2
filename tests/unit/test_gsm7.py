"""Texts as the phone network counts them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emailketing.channels.gsm7 import BASIC, EXTENSION, Alphabet, Wording, encodable, segments, shortened, tidied
from emailketing.channels.gsm7 import transliterated as written

GSM7 = st.text(st.sampled_from(sorted(BASIC | EXTENSION)), max_size=700)
ANYTHING = st.one_of(st.text(max_size=700), st.text("áé€[]🙂 a₲\n", max_size=700), GSM7)


def test_the_alphabet_is_that_of_the_standard():
    """128 places less the escape and the carriage return; the extension less the page break."""
    assert (len(BASIC), len(EXTENSION)) == (126, 9)
    assert not BASIC & EXTENSION


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 151, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("á" * 70, 1),
        ("á" * 71, 2),
        ("á" * 134, 2),
        ("á" * 135, 3),
        ("🙂" * 35, 1),
        ("🙂" * 36, 2),
        ("🙂" * 66, 2),
        ("🙂" * 67, 3),
    ],
)
def test_segments_are_counted_without_dividing_a_sign(text, expected):
    assert segments(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pagó ₲ 1.250.000 en Ñemby", "Pago Gs. 1.250.000 en Ñemby"),
        ("José, mañana à las 8: ¡ü! ¿Ä?", "José, mañana à las 8: ¡ü! ¿Ä?"),
        ("áíóú ÁÍÓÚ ç", "aiou AIOU c"),
        ("“a” ‘b’ «c» – — … •", '"a" \'b\' "c" - - ... -'),
        ("12,5\u00a0L\u202f·\u200990\u00a0km", "12,5 L - 90 km"),
        ("Gracias 🙏🏽 ¡chau! 👨‍👩‍👧 🇵🇾", "Gracias ¡chau!"),
        ("N° 5, 1ª, ½, ﬁn, 25 °C", "No 5, 1a, 1/2, fin, 25 oC"),
        ("Привет", "??????"),
        ("e\u0301 n\u0303", "é ñ"),
        ("{llaves} [2] ~ \\ ^ | €", "{llaves} [2] ~ \\ ^ | €"),
    ],
)
def test_signs_outside_the_alphabet_are_written_in_another_way(text, expected):
    assert Wording().text(text) == expected
    assert encodable(expected)


def test_by_setting_they_are_sent_as_they_are():
    text = "Pagó ₲ 1.250.000 🙂"
    assert Wording(Alphabet.UNICODE).text(text) == text
    assert segments(text) == 1


@pytest.mark.parametrize("alphabet", Alphabet)
def test_idle_blanks_controls_and_turned_directions_are_left_out(alphabet):
    raw = " a \t b\r\n\r\n\r\n\r\nc\x00\x1b\x0cd\u202e\ufeff \n"
    assert Wording(alphabet).text(raw) == "a b\n\nc\nd"


@pytest.mark.parametrize(
    ("raw", "most", "expected"),
    [
        ("palabra " * 40, 1, "palabra " * 18 + "palabra..."),
        ("a" * 500, 1, "a" * 157 + "..."),
        ("[" * 500, 1, "[" * 78 + "..."),
        ("uno, " * 40, 1, "uno, " * 30 + "uno..."),
        ("x" * 100 + " " + "y" * 200, 1, "x" * 100 + "..."),
    ],
)
def test_a_long_text_is_cut_visibly_at_a_word(raw, most, expected):
    assert Wording(segments=most).text(raw) == expected


def test_a_long_ucs2_text_is_cut_with_the_sign_that_takes_one_place():
    text = Wording(Alphabet.UNICODE, 1).text("señal ó 🙂 " * 30)
    assert text.endswith("…")
    assert segments(text) == 1
    assert shortened("🙂" * 50, 1) == "🙂" * 34 + "…"


def test_a_picture_of_several_signs_is_not_cut_in_two():
    family = "👨‍👩‍👧"
    cut = shortened(family * 20, 1).removesuffix("…")
    assert cut == family * (len(cut) // len(family))


@given(ANYTHING, st.integers(1, 6), st.sampled_from(Alphabet))
@example("€" * 200, 1, Alphabet.GSM7)
@example("🙂" * 200, 1, Alphabet.UNICODE)
@example("\ud83d" * 100, 1, Alphabet.UNICODE)
def test_a_text_never_takes_more_than_its_limit(raw, most, alphabet):
    text = Wording(alphabet, most).text(raw)
    assert segments(text) <= most
    assert text.encode().decode() == text
    if segments(text) and alphabet is Alphabet.GSM7:
        assert encodable(text)


@given(ANYTHING)
def test_whatever_is_transliterated_can_be_written(raw):
    assert encodable(written(tidied(raw)))


@given(GSM7)
def test_what_can_be_written_stays_as_it_is(raw):
    assert written(raw) == raw


@given(ANYTHING, st.integers(1, 6), st.sampled_from(Alphabet))
def test_wording_a_text_again_changes_nothing(raw, most, alphabet):
    wording = Wording(alphabet, most)
    assert wording.text(wording.text(raw)) == wording.text(raw)


@given(st.text("ab [🙂á", min_size=1, max_size=600), st.integers(1, 4))
def test_what_was_cut_off_is_as_little_as_a_word(raw, most):
    """The cut text is the beginning of the whole one, and where it has spaces it ends with a word."""
    text = tidied(raw)
    cut = shortened(text, most)
    if cut == text:
        return
    kept = cut.removesuffix("...") if encodable(text) else cut.removesuffix("…")
    assert text.startswith(kept)
    assert segments(cut) >= most or " " in text
