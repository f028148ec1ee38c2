"""Frozen e-mails read back with Python's own parser say what was put in, and nothing that was smuggled in."""

import re
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import compat32, default
from email.utils import parseaddr

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emailketing.channels import wire
from emailketing.errors import SettingsError
from emailketing.model import (
    Attachment,
    Content,
    Envelope,
    Kind,
    Lane,
    OnUnknown,
    Recipient,
    Sender,
    WayOut,
    message_id,
)

SEEN = datetime(2025, 3, 7, 14, 5, 9, tzinfo=UTC)
SENDER = Sender("avisos@petroleradeleste.example", "Petrolera del Este S.A.", "ventas@petroleradeleste.example")
PDF = Attachment("OP-001-2043 Proveedor.pdf", "application/pdf", b"%PDF-1.7\n" + bytes(range(256)) * 40)
LOGO = Attachment("logo.png", "image/png", b"\x89PNG" + bytes(300), "logo@emailketing")

HOSTILE = [
    "x\r\nBcc: everybody@example.com",
    "x\nBcc: everybody@example.com",
    "x\rBcc: everybody@example.com",
    "x\r\n\r\n<script>",
    "x\x00y",
    "x\x0b\x0c\x1b[2Jy",
    "x\x85Bcc: everybody@example.com",
    "x\u2028Bcc: everybody@example.com\u2029",
    "factura\u202efdp.exe",
    "\u2066\u2067x\u2069\ufeff",
    "=?utf-8?q?Bcc=3A_x?=",
    '"; filename="virus.exe',
    '"Name" <boss@bank.example>, "Other" <a@b.example>',
    "a\\",
    '\\"',
    "\ud800lone",
    "a" * 5000,
    "ñ" * 5000,
    "👩‍👩‍👧‍👦" * 100,
    "a b " * 400,
    " ",
    "(comment) a@b.example",
    "../../etc/passwd",
    "C:\\Windows\\system32",
    "％0d％0aBcc: x",
    ".",
    "日本語の請求書.pdf",
]


def envelope(name="José Núñez", address="compras@proveedor.example", language="es", **changed):
    fields = {"document": "4512", "created_at": SEEN, "event_at": SEEN, **changed}
    recipient = Recipient(address, name, language)
    return Envelope(
        mailing="purchase_order", version="1", channel="email", recipient=recipient,
        lane=Lane.INSTANT, on_unknown=OnUnknown.AGAIN, **fields,
    )  # fmt: skip


def compose(content=None, sender=SENDER, **changed):
    return wire.compose(envelope(**changed), content or Content("Orden 4512", "Hola"), sender)


def read(frozen):
    """The message as a mail client reads it, after the checks that hold for every message."""
    data = wire.assemble(frozen)
    assert data.isascii()
    assert data.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\x00", data)
    assert max(map(len, data.split(b"\r\n"))) <= 998
    message = message_from_bytes(data, policy=default)
    for part in message.walk():
        assert not part.defects
        assert not any(value.defects for value in part.values())
    return message


def leaves(message):
    return [part for part in message.walk() if not part.is_multipart()]


def shape(part):
    if not part.is_multipart():
        return part.get_content_type()
    return part.get_content_subtype(), [shape(child) for child in part.iter_parts()]


def text_of(part):
    return part.get_content().replace("\r\n", "\n")


MAILTO = "mailto:leave@company.example?subject=unsubscribe%20WyJhbmFAZXhhbXBsZS5jb20iXQ.abc_-"
PAGE = "https://news.company.example/leave/WyJhbmFAZXhhbXBsZS5jb20iXQ.abc_-"


@pytest.mark.parametrize("kind", [Kind.CAMPAIGN, Kind.GREETING])
def test_an_advertisement_says_to_mail_programs_how_to_leave(kind):
    message = read(compose(Content("Ofertas", "Hola", way_out=WayOut(MAILTO)), kind=kind))
    assert message["List-Unsubscribe"] == f"<{MAILTO}>"
    assert message["Precedence"] == "bulk"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe-Post" not in message
    message = read(compose(Content("Ofertas", "Hola", way_out=WayOut(MAILTO, PAGE)), kind=kind))
    assert message["List-Unsubscribe"] == f"<{PAGE}>, <{MAILTO}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize("kind", [Kind.NOTIFICATION, Kind.REPORT])
def test_a_document_is_no_list_that_one_could_leave(kind):
    message = read(compose(Content("Orden", "Hola", way_out=WayOut(MAILTO, PAGE)), kind=kind))
    assert not {"list-unsubscribe", "list-unsubscribe-post", "precedence"} & {name.lower() for name in message}


def test_an_advertisement_without_a_way_out_is_not_frozen():
    with pytest.raises(ValueError, match="kind campaign has no way out"):
        compose(kind=Kind.CAMPAIGN)


@pytest.mark.parametrize(
    "address", ["http://x.example/a", f"{PAGE}\r\nBcc: x", f"{PAGE}>", f"{PAGE} x", f"{PAGE}ñ", PAGE + "a" * 999]
)
def test_a_way_out_that_is_no_address_never_reaches_a_header(address):
    way = WayOut(MAILTO, address)
    with pytest.raises(ValueError, match="no address that may stand in a header"):
        compose(Content("Ofertas", "Hola", way_out=way), kind=Kind.CAMPAIGN)


def test_every_header_says_what_the_envelope_knows():
    message = read(compose(Content("Orden de compra 4512 · Gs. 12.450.000", "Hola")))
    assert message["From"] == '"Petrolera del Este S.A." <avisos@petroleradeleste.example>'
    assert message["From"].addresses[0].display_name == SENDER.name
    assert message["To"].addresses[0].addr_spec == "compras@proveedor.example"
    assert message["To"].addresses[0].display_name == "José Núñez"
    assert message["Reply-To"] == "ventas@petroleradeleste.example"
    assert message["Subject"] == "Orden de compra 4512 · Gs. 12.450.000"
    assert message["Message-ID"] == message_id(envelope().key, "petroleradeleste.example")
    assert message["Date"].datetime == SEEN
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["MIME-Version"] == "1.0"
    assert message["Content-Language"] == "es"
    assert len(message.keys()) == len({name.lower() for name in message})


def test_what_is_not_known_is_left_out():
    message = read(compose(sender=Sender("a@b.example"), name="", language=""))
    assert message["From"] == "a@b.example"
    assert message["To"] == "compras@proveedor.example"
    assert "Reply-To" not in message
    assert "Content-Language" not in message


@pytest.mark.parametrize(
    ("given", "written"),
    [("es_PY", "es-PY"), ("en", "en"), ("zh-Hant-TW", "zh-Hant-TW"), ("es\r\nX: y", None), ("castellano", None)],
)
def test_a_language_is_a_tag_or_nothing(given, written):
    assert read(compose(language=given))["Content-Language"] == written


def test_the_date_is_the_same_instant_in_universal_time():
    there = SEEN.astimezone(timezone(timedelta(hours=-3)))
    assert wire.assemble(compose(created_at=there)) == wire.assemble(compose())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Content("s", "text"), "text/plain"),
        (Content("s", "", "<p>html</p>"), "text/html"),
        (Content("s", ""), "text/plain"),
        (Content("s", "text", "<p>html</p>"), ("alternative", ["text/plain", "text/html"])),
        (Content("s", "text", "", "", (PDF,)), ("mixed", ["text/plain", "application/pdf"])),
        (Content("s", "", "<p>", "", (LOGO,)), ("related", ["text/html", "image/png"])),
        (
            Content("s", "text", "<p>", "", (PDF, LOGO)),
            (
                "mixed",
                [("related", [("alternative", ["text/plain", "text/html"]), "image/png"]), "application/pdf"],
            ),
        ),
    ],
)
def test_a_level_with_a_single_part_is_left_out(content, expected):
    assert shape(read(compose(content))) == expected


def test_a_picture_without_html_to_stand_in_is_attached_and_not_dropped():
    parts = leaves(read(compose(Content("s", "text", "", "", (LOGO,)))))
    assert [part.get_content_disposition() for part in parts] == [None, "attachment"]
    assert parts[1].get_content() == LOGO.data


def test_related_names_the_type_of_its_root():
    both = read(compose(Content("s", "text", "<p>", "", (LOGO,))))
    html = read(compose(Content("s", "", "<p>", "", (LOGO,))))
    assert both["Content-Type"].params["type"] == "multipart/alternative"
    assert html["Content-Type"].params["type"] == "text/html"


def test_pictures_are_found_by_their_content_id():
    parts = leaves(read(compose(Content("s", "text", "<img src='cid:logo@emailketing'>", "", (LOGO,)))))
    assert parts[-1]["Content-ID"] == "<logo@emailketing>"
    assert parts[-1].get_content_disposition() == "inline"
    assert parts[-1].get_content() == LOGO.data


def test_the_body_of_an_attachment_is_not_in_the_wire():
    frozen = compose(Content("s", "text", "<p>", "", (PDF, LOGO, PDF)))
    assert wire.encoded(PDF.data)[:60] not in frozen.wire
    assert [digest for _, digest in frozen.inserts] == [LOGO.sha256, PDF.sha256, PDF.sha256]
    assert [offset for offset, _ in frozen.inserts] == sorted(offset for offset, _ in frozen.inserts)
    assert dict(frozen.blobs) == {PDF.sha256: PDF.data, LOGO.sha256: LOGO.data}
    assert [part.get_content() for part in leaves(read(frozen))[2:]] == [LOGO.data, PDF.data, PDF.data]


def test_the_wire_is_small_whatever_the_attachment():
    big = Attachment("big.bin", "application/octet-stream", b"x" * 3_000_000)
    assert len(compose(Content("s", "text", "", "", (big,))).wire) < 2000


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 114, 5000])
def test_base64_lines_have_76_characters_and_end_in_crlf(size):
    body = wire.encoded(b"\xff" * size)
    assert all(len(line) == 76 for line in body.split(b"\r\n")[:-2])
    assert body == b"" if size == 0 else body.endswith(b"\r\n")


def test_a_lost_attachment_is_an_error_and_not_an_empty_file():
    frozen = compose(Content("s", "text", "", "", (Attachment("a", "a/b", b"never seen before"),)))
    with pytest.raises(LookupError, match="no longer stored"):
        wire.assemble(type(frozen)(frozen.wire, frozen.inserts, {}))


def test_an_attachment_that_was_changed_is_an_error():
    frozen = compose(Content("s", "text", "", "", (Attachment("a", "a/b", b"never seen either"),)))
    with pytest.raises(ValueError, match="bytes have changed"):
        wire.assemble(type(frozen)(frozen.wire, frozen.inserts, {frozen.inserts[0][1]: b"something else"}))


def test_the_cache_of_encoded_files_keeps_to_its_size():
    cache = wire.EncodedBlobs(most_bytes=10_000)
    files = [Attachment("a", "a/b", bytes([number]) * 3000) for number in range(5)]
    for file in files:
        assert cache.get(file.sha256, {file.sha256: file.data}) == wire.encoded(file.data)
    assert cache.get(files[-1].sha256, {}) == wire.encoded(files[-1].data)
    with pytest.raises(LookupError):
        cache.get(files[0].sha256, {})


def test_a_file_larger_than_the_cache_still_goes_out():
    cache = wire.EncodedBlobs(most_bytes=100)
    blobs = {PDF.sha256: PDF.data}
    assert cache.get(PDF.sha256, blobs) == cache.get(PDF.sha256, blobs) == wire.encoded(PDF.data)


def test_the_same_arguments_give_the_same_bytes_and_another_key_another_boundary():
    content = Content("s", "text", "<p>", "", (PDF, LOGO))
    assert compose(content) == compose(content)
    first, second = (read(compose(content, document=number)).get_boundary() for number in "12")
    assert first != second


def test_a_text_that_quotes_the_boundary_stays_one_text():
    boundary = read(compose(Content("s", "t", "<p>"))).get_boundary()
    text = f"before\n--{boundary}\nContent-Type: text/html\n\nsmuggled\n--{boundary}--\n"
    message = read(compose(Content("s", text, "<p>x</p>")))
    assert [text_of(part) for part in leaves(message)] == [text, "<p>x</p>\n"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_where_it_was_put(text):
    file = Attachment(text, text, b"data", "")
    picture = Attachment(text, "image/png", b"picture", text)
    content = Content(text, text, f"<p>{text}", "", (file, picture))
    message = read(compose(content, sender=Sender("a@b.example", text), name=text))
    head = wire.assemble(compose(content, name=text)).split(b"\r\n\r\n")[0]
    assert "Bcc" not in message
    assert len(message["To"].addresses) == len(message["From"].addresses) == 1
    assert message["To"].addresses[0].addr_spec == "compras@proveedor.example"
    assert message["From"].addresses[0].addr_spec == "a@b.example"
    for value in (message["Subject"], message["To"].addresses[0].display_name, leaves(message)[-1].get_filename()):
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]", value)
    assert all(len(line) <= 76 for line in head.split(b"\r\n") if not line.startswith(b"Message-ID"))
    names = [part.get_filename() for part in leaves(message) if part.get_filename()]
    assert len(names) == 2
    assert all(name and not re.search(r'[/\\:*?"<>|]', name) and name not in (".", "..") for name in names)


@pytest.mark.parametrize(
    "address", [text for text in HOSTILE if "@" in text] + ["a@b.example, c@d.example", "a@b@c.example"]
)
def test_an_address_never_becomes_two(address):
    addresses = read(compose(address=address))["To"].addresses
    assert len(addresses) <= 1


@pytest.mark.parametrize("address", ["", "nobody", "@example.com", "a@", "a@-x", "a\r\nBcc: b@c.example", "a@b\u202ec"])
def test_an_address_that_cannot_be_written_is_shown_as_an_empty_group(address):
    header = read(compose(address=address))["To"]
    assert header.addresses == ()
    assert len(header.groups) == 1


def test_an_international_domain_is_written_in_its_ascii_form():
    assert read(compose(address="info@españa.example"))["To"].addresses[0].addr_spec == "info@xn--espaa-rta.example"


def test_a_local_part_beyond_ascii_is_the_only_thing_that_leaves_seven_bits():
    data = wire.assemble(compose(address="josé@proveedor.example"))
    message = message_from_bytes(data, policy=default.clone(utf8=True))
    assert "josé@proveedor.example".encode() in data
    assert data.replace("é".encode(), b"e").isascii()
    assert message["Subject"] == "Orden 4512"


@pytest.mark.parametrize(
    ("sender", "complaint"),
    [
        (Sender("nobody"), "not of the form name@domain"),
        (Sender("a@b.example", "", "nobody"), "replies to 'nobody'"),
        (Sender("a@españa.example"), "ASCII form"),
    ],
)
def test_a_sender_that_cannot_be_written_is_the_affair_of_operations(sender, complaint):
    with pytest.raises(SettingsError, match=complaint):
        compose(sender=sender)


@pytest.mark.parametrize(
    "name", ["Petición.pdf", "Factura N.º 7.pdf", "日本語.pdf", "ñ" * 90 + ".pdf", "a" * 200 + ".pdf"]
)
def test_file_names_beyond_ascii_come_back_whole(name):
    part = leaves(read(compose(Content("s", "t", "", "", (Attachment(name, "application/pdf", b"x"),)))))[-1]
    expected = name if len(name) <= 150 else name[:146] + ".pdf"
    assert part.get_filename() == expected
    assert part["Content-Type"].params["name"].isascii()
    assert part["Content-Type"].params["name"].endswith(".pdf")


@pytest.mark.parametrize(
    "media_type", ["multipart/mixed", "message/rfc822", "text", "", "text/html\r\nX: y", "a/b; c=d e"]
)
def test_a_media_type_that_cannot_be_sent_as_base64_becomes_plain_bytes(media_type):
    file = Attachment("a.bin", media_type, b"x")
    part = leaves(read(compose(Content("s", "t", "", "", (file,)))))[-1]
    assert (part.get_content_type(), part.get_content()) == ("application/octet-stream", b"x")


def test_the_parameters_of_a_media_type_are_kept():
    file = Attachment("a.csv", "text/csv; charset=utf-8", "año;1\n".encode())
    assert leaves(read(compose(Content("s", "t", "", "", (file,)))))[-1].get_content() == "año;1\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Señor Núñez, su orden fue aprobada.", "quoted-printable"),
        ("请在发票上签字", "base64"),
        ("plain", "quoted-printable"),
    ],
)
def test_a_text_is_readable_in_the_raw_unless_that_would_swell_it(text, encoding):
    assert read(compose(Content("s", text)))["Content-Transfer-Encoding"] == encoding


# Python's parser splits header values at characters that are no line ends in mail, so controls are tested above.
LINE = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Cf", "Zl", "Zp", "Zs"), whitelist_characters=" "), max_size=120
)
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\x85"), max_size=3000)


@settings(max_examples=300, deadline=None)
@given(LINE)
@example("=?utf-8?q?a?= =?utf-8?q?b?=")
@example("ñ" * 120)
@example('a"b\\c')
@example("a  b   c" * 9)
def test_subjects_and_names_come_back_as_they_went(text):
    frozen = compose(Content(text, "x"), name=text)
    assert read(frozen)["Subject"] == text.strip()
    assert display_name(frozen) == text.strip()


def display_name(frozen):
    """The name in To as RFC 2047 6.2 reads it; policy.default of Python 3.11 leaves the folds between its words."""
    raw = message_from_bytes(frozen.wire, policy=compat32)["To"]
    return str(make_header(decode_header(parseaddr(raw)[0])))


@settings(max_examples=300, deadline=None)
@given(LINE)
@example("a'b%c*d.pdf")
def test_file_names_come_back_as_they_went_but_for_what_no_system_takes(text):
    part = leaves(read(compose(Content("s", "t", "", "", (Attachment(text, "a/b", b"x"),)))))[-1]
    expected = re.sub(r'[/\\:*?"<>|]', "_", text).strip().lstrip(". ").rstrip(". ")
    assert part.get_filename() == (expected or "attachment")


@settings(max_examples=300, deadline=None)
@given(TEXT)
@example(".\n..\n.x\n")
@example("From me\n" + "x" * 200 + " \n\t\n=\n")
@example(" " * 76 + "\n" + "a" * 75 + " \n" + "a" * 76 + "\n")
def test_bodies_come_back_as_they_went_with_a_last_line_end(text):
    message = read(compose(Content("s", text or "x", text or "x")))
    expected = (text or "x") if (text or "x").endswith("\n") else (text or "x") + "\n"
    assert [text_of(part) for part in leaves(message)] == [expected, expected]
    body = wire.assemble(compose(Content("s", text))).partition(b"\r\n\r\n")[2]
    assert max(map(len, body.split(b"\r\n"))) <= 76


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=5000), st.binary(max_size=500))
def test_files_come_back_as_they_went(first, second):
    files = (Attachment("a", "application/x", first), Attachment("b", "application/x", second))
    parts = leaves(read(compose(Content("s", "t", "", "", files))))
    assert [part.get_content() for part in parts[1:]] == [first, second]
