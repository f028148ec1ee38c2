"""Two images of a record, and nothing of a secret."""

import json
import time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailketing.render.changes import LONGEST, Changes, Field, Value, is_secret
from emailketing.render.formats import Formats, locale_for

ASUNCION = ZoneInfo("America/Asuncion")
ES = Changes(Formats(locale_for("es", "PY"), ASUNCION)).changed_fields
EN = Changes(Formats(locale_for("en", "PY"), ASUNCION)).changed_fields


def told(before, after, changed_fields=ES, **more):
    return [(each.name, each.before, each.after) for each in changed_fields(before, after, **more)]


def text(value):
    return Value("text", value)


EMPTY, ABSENT, HIDDEN = Value("empty"), Value("absent"), Value("hidden")


def test_only_what_changed_is_told_in_the_order_of_the_record():
    before = '{"id" : 7, "name" : "Ana", "phone" : "1", "city" : "Luque"}'
    after = '{"id" : 7, "name" : "Ana", "phone" : "2", "city" : "Itá"}'
    assert told(before, after) == [("phone", text("1"), text("2")), ("city", text("Luque"), text("Itá"))]
    assert told(before, before) == []


@pytest.mark.parametrize(
    ("value", "spanish", "english"),
    [
        ("12450000.00", "12.450.000", "12,450,000"),
        ("1234.5", "1.234,5", "1,234.5"),
        ("-3", "-3", "-3"),
        ("1e3", "1.000", "1,000"),
        ('"2026-11-22"', "22\xa0nov.\xa02026", "Nov\xa022,\xa02026"),
        ('"2026-11-22 14:05:09.123456"', "22\xa0nov.\xa02026, 14:05", "Nov\xa022,\xa02026, 14:05"),
        ('"2026-02-30"', "2026-02-30", "2026-02-30"),
        ("NaN", "NaN", "NaN"),
        ("1e400", "1E+400", "1E+400"),
        ("[1, 2.5, null]", "[1, 2.5, null]", "[1, 2.5, null]"),
        ("{}", "{}", "{}"),
    ],
)
def test_values_are_written_as_their_reader_writes_them(value, spanish, english):
    after = f'{{"x": {value}}}'
    assert told('{"x": "was"}', after) == [("x", text("was"), text(spanish))]
    assert told('{"x": "was"}', after, EN) == [("x", text("was"), text(english))]


def test_an_id_is_a_name_and_no_quantity():
    assert told('{"id": 12345, "party_id": 1000}', '{"id": 1, "party_id": 2000}') == [
        ("id", text("12345"), text("1")),
        ("party_id", text("1000"), text("2000")),
    ]


def test_yes_no_and_nothing():
    assert told('{"a": true, "b": 1, "c": null, "d": "x"}', '{"a": false, "b": true, "c": "", "d": "  "}') == [
        ("a", Value("yes"), Value("no")),
        ("b", text("1"), Value("yes")),
        ("d", text("x"), EMPTY),
    ]


def test_keys_that_came_or_went_are_told_unless_they_hold_nothing():
    assert told('{"old": 1, "none": null}', '{"new": "x", "void": ""}') == [
        ("old", text("1"), ABSENT),
        ("new", ABSENT, text("x")),
    ]


def test_a_deleted_record_is_all_that_it_was():
    assert told('{"id": 4, "name": "Ana"}', None) == [("id", text("4"), ABSENT), ("name", text("Ana"), ABSENT)]
    assert told(None, None) == []


def test_nested_values_are_fields_of_their_own():
    before = {"set": {"colour": "red", "deep": {"a": [1, {"b": 2}]}}, "same": {"x": 1}}
    after = {"set": {"colour": "blue", "deep": {"a": [1, {"b": 3}]}}, "same": {"x": 1}}
    expected = [
        ("set.colour", text("red"), text("blue")),
        ("set.deep.a", text('[1, {"b": 2}]'), text('[1, {"b": 3}]')),
    ]
    assert told(json.dumps(before), json.dumps(after)) == expected
    as_text = [json.dumps({**image, "set": json.dumps(image["set"])}) for image in (before, after)]
    assert told(*as_text) == expected


def test_what_is_no_json_is_one_value():
    assert told("before, as text", '{"broken": ') == [("", text("before, as text"), text('{"broken":'))]
    assert told(b'{"a": 1}', memoryview(b'{"a": 2}')) == [("a", text("1"), text("2"))]
    assert told("[1]", 7) == [("", text("[1]"), text("7"))]


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 100_000,
        '{"a":' * 5_000,
        "1" * 50_000,
        '{"a": 1e99999999999999999999}',
        "\x00",
        '{"a": "\\ud800"}',
        "{",
        "",
    ],
)
def test_no_image_is_an_error(hostile):
    for before, after in ((hostile, '{"a": 1}'), ('{"a": 1}', hostile), (hostile, None)):
        for field in ES(before, after):
            for side in (field.before, field.after):
                assert len(side.text) <= LONGEST
                side.text.encode()


@pytest.mark.parametrize("depth", range(300, 1000, 23))
def test_no_depth_is_an_error(depth):
    nested, other = "[" * depth + "1" + "]" * depth, "[" * depth + "2" + "]" * depth
    assert len(ES(f'{{"a": {nested}}}', f'{{"a": {other}}}')) == 1
    ES('{"a":' * depth + "1" + "}" * depth, '{"a":' * depth + "2" + "}" * depth)


def test_signs_that_mislead_do_not_pass_though_json_spells_them_out():
    (field,) = ES('{"a": "x"}', '{"a": "\\u202egpj.exe\\u0007\\r\\nBcc: all"}')
    assert field.after == text("gpj.exe Bcc: all")


def test_a_long_value_is_cut_around_what_changed_and_says_so():
    long = "palabra " * 300
    (field,) = ES(json.dumps({"n": long}), json.dumps({"n": long[:1000] + "OTRA " + long[1000:]}))
    assert field.before.kind == field.after.kind == "long"
    assert (field.before.size, field.after.size) == ("2.399", "2.404")
    assert "OTRA" in field.after.text
    for side in (field.before, field.after):
        assert side.text[0] == side.text[-1] == "…"
        assert len(side.text) == LONGEST


def test_what_only_spaces_or_seconds_tell_apart_is_told_apart():
    assert told('{"a": "x y", "t": "2026-01-01 10:00:01"}', '{"a": "x  y", "t": "2026-01-01 10:00:02"}') == [
        ("a", text("x␣y"), text("x␣␣y")),
        ("t", text("2026-01-01␣10:00:01"), text("2026-01-01␣10:00:02")),
    ]


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("\\x" + "89504e47" * 1024, "4\xa0KB"),
        ("iVBORw0KGgo1" * 100, "900\xa0B"),
        ("data:image/png;base64," + "iVBORw0KGgo1" * 200_000, "2\xa0MB"),
        ("\x00\x01\x02GIF" * 20, "120\xa0B"),
    ],
)
def test_binary_values_only_say_how_large_they_are(value, size):
    (field,) = ES(json.dumps({"photo": value}), json.dumps({"photo": None}))
    assert (field.before, field.after) == (Value("binary", size=size), EMPTY)


def test_a_long_word_is_no_binary():
    (field,) = ES('{"a": 1}', json.dumps({"a": "X" * 500}))
    assert field.after.kind == "long"


@pytest.mark.parametrize(
    "name",
    [
        *("password", "user_password", "PASSWORD_HASH", "Contraseña", "contrasena2", "clave", "clave_fiscal"),
        *("api_key", "apiKey", "API-KEY", "access_token", "clientSecret", "pin", "userPin", "PIN_2", "cvv", "otp"),
        *("private_key", "passwd", "pwd", "credentials", "hash", "ﬁrma_secreta"),
    ],
)
def test_secrets_are_known_by_their_names(name):
    assert is_secret(name)
    for before, after in (("old-s3cret", "new-s3cret"), ({"a": "old-s3cret"}, ["new-s3cret"]), (None, "new-s3cret")):
        fields = ES(json.dumps({name: before}), json.dumps({name: after}))
        assert fields
        assert "s3cret" not in repr(fields)
        assert HIDDEN in (fields[0].after, fields[-1].after)


@pytest.mark.parametrize("name", ["shipping", "opinion", "phone", "key", "passenger", "compass", "salty", "name", ""])
def test_other_names_are_no_secrets(name):
    assert not is_secret(name)


def test_a_company_names_secrets_of_its_own():
    before, after = '{"Salario Básico": 1, "list": [{"salario_basico": 11}]}', '{"Salario Básico": 2, "list": []}'
    fields = ES(before, after, secret=["salario_básico"])
    assert (fields[0].before, fields[0].after) == (HIDDEN, HIDDEN)
    assert "11" not in repr(fields[1])


@pytest.mark.parametrize(
    "value",
    [
        "host=erp;password=s3cret;port=1",
        "postgres://reader:s3cret@erp/db",
        "<clave>s3cret</clave>",
        '{"password": "s3cret", broken',
        '{"pass\\u0077ord": "s3cret", broken',
        "-----BEGIN PRIVATE KEY-----s3cret",
        [{"login": {"password": "s3cret"}}, "token: s3cret"],
        {"a": {"b": {"c": {"d": {"e": {"token": "s3cret"}}}}}},
    ],
)
def test_values_that_carry_a_secret_do_not_give_it_away(value):
    for before, after in (({"dsn": value}, {"dsn": "x"}), ({"dsn": "x"}, {"dsn": value}), ({"dsn": value}, None)):
        fields = ES(json.dumps(before), json.dumps(after) if after else None)
        assert fields
        assert "s3cret" not in repr(fields)
    assert "s3cret" not in repr(ES(value if isinstance(value, str) else json.dumps(value), "{"))


def test_what_the_erp_keeps_by_itself_is_left_out_as_long_as_there_is_news():
    before, after = '{"revision": 1, "total": 5}', '{"revision": 2, "total": 6}'
    assert [each.name for each in ES(before, after, ["revision"])] == ["total"]
    assert [each.name for each in ES(before, '{"revision": 2, "total": 5}', ["revision"])] == ["revision"]


def test_a_megabyte_takes_no_time():
    began = time.monotonic()
    ES(json.dumps({"a": "Ab1" * 400_000, "b": "x:" * 300_000}), "=" * 1_000_000 + "Ab1" * 300_000)
    assert time.monotonic() - began < 5


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
IMAGES = st.none() | st.text() | st.dictionaries(st.text(max_size=12), VALUES, max_size=6).map(json.dumps)


@given(IMAGES, IMAGES)
def test_any_two_images_give_fields_that_can_be_printed(before, after):
    for field in ES(before, after):
        assert isinstance(field, Field)
        assert len(field.name) <= 80
        for side in (field.before, field.after):
            assert len(side.text) <= LONGEST
            assert "\n" not in side.text
            side.text.encode()


@given(st.dictionaries(st.text(min_size=1, max_size=12), VALUES, max_size=6))
def test_a_record_that_stayed_the_same_has_no_changed_fields(record):
    assert ES(json.dumps(record), json.dumps(record, indent=2)) == []


@given(VALUES, VALUES, st.sampled_from(["password", "Clave", "api_key", "pin"]))
def test_no_secret_is_ever_shown_whatever_it_is(old, new, name):
    for field in ES(json.dumps({"a": {name: old}}), json.dumps({"a": {name: new}})):
        assert field.before.kind in {"hidden", "empty", "absent"}
        assert field.after.kind in {"hidden", "empty", "absent"}
        assert not field.before.text
        assert not field.after.text
