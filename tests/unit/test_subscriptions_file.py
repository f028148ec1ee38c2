"""include/subscriptions.yaml: what it may say, and every slip told with its line while all else holds."""

from __future__ import annotations

import re
import textwrap
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailketing.audience import filter_of, options_of, read, said, usable_language
from emailketing.audience.provisioned import COPY
from emailketing.errors import AuthoringError
from emailketing.settings import PROJECT

GOOD = """\
mailings:
  cash_closing: {on: true, channels: [email, phone], copies: [gerencia@x.example, +595 981 123-456]}
  record_change:
    on: no
audiences:
  management:
    - {name: Ana, email: ana@x.example, phone: "+595981111111", language: es_PY}
    - bob@x.example
subscriptions:
  - mailing: [cash_closing, "sales_*"]
    to: [management, {name: Caja, phone: 0981222222}]
    channels: email
    where: {branch: 001, difference: {not: 0}, total: {at_least: 5000000}}
    options: {hour: 7, days: [mon, tue], formats: {pdf: true}}
  - mailing: record_change
    to: {name: Auditoría, email: auditoria@x.example}
"""


@pytest.fixture
def of(tmp_path):
    """What a text says as the file, and what is wrong with it as 'line: message'."""

    def of(text):
        path = tmp_path / "include" / "subscriptions.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        _, provisioned = read(path, "PY")
        told = [str(each.error).replace(f"{path}:", "") for each in provisioned.problems]
        assert all(re.match(r"\d+: ", each) for each in told)
        return provisioned, told

    return of


def places(provisioned):
    return [(each.mailing, each.channel, each.address) for each in provisioned.members]


def test_all_of_it(of):
    provisioned, told = of(GOOD)
    assert places(provisioned) == [
        ("cash_closing", "email", "gerencia@x.example"),
        ("cash_closing", "phone", "+595981123456"),
        ("cash_closing", "email", "ana@x.example"),
        ("sales_*", "email", "ana@x.example"),
        ("cash_closing", "email", "bob@x.example"),
        ("sales_*", "email", "bob@x.example"),
        ("record_change", "email", "auditoria@x.example"),
    ]
    assert told == ["12: Caja has no address for email."]
    copy, _, ana, *_ = provisioned.members
    assert (copy.kind, copy.because) == (COPY, "copy by include/subscriptions.yaml:2")
    assert (ana.name, ana.language, ana.line, ana.asked) == ("Ana", "es_PY", 10, True)
    assert ana.filter.plain() == {"branch": "001", "difference": {"not": 0}, "total": {"at_least": 5000000}}
    assert ana.filter.conditions[2].at_least == Decimal(5000000)
    assert ana.options == {"hour": 7, "days": ["mon", "tue"], "formats": {"pdf": True}}
    assert provisioned.rules["cash_closing"].channels == ("email", "phone")
    assert (provisioned.rules["record_change"].on, provisioned.rules["record_change"].line) == (False, 4)
    assert [person.name for person in provisioned.audiences["management"]] == ["Ana", ""]


def test_a_file_that_is_not_there_or_says_nothing_says_nothing(of, tmp_path):
    _, nothing = read(tmp_path / "none.yaml")
    for provisioned in (nothing, of("")[0], of("# only words\n")[0], of("mailings:\nsubscriptions: []\n")[0]):
        assert (provisioned.members, provisioned.problems, provisioned.unreadable) == ((), (), None)


REST = """
      - mailing: cash_closing
        to: good@x.example
"""


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("- {mailing: a, to: a@x.example, wher: {}}", "2: there is no setting 'wher' here.\n  Did you mean 'where'?"),
        ("- mailing: cash_closing", "2: the subscription has no 'to'."),
        ("- to: a@x.example", "2: the subscription has no 'mailing'."),
        (
            "- {mailing: cash_closing, to: managment}",
            "2: there is no audience 'managment'.\n  Did you mean 'management'",
        ),
        ("- {mailing: cash_closing, to: a@b@c}", "2: 'a@b@c' is no e-mail address"),
        ("- {mailing: cash_closing, to: {phone: 12}}", "2: '12' is no phone number"),
        ("- {mailing: cash_closing, to: {name: Ana}}", "2: this person has no address."),
        ("- {mailing: a, to: {emial: a@x.example}}", "2: there is no setting 'emial' here.\n  Did you mean"),
        ("- {mailing: cash_closing, to: {email: a@x.example, language: Spanish}}", "2: 'Spanish' is no language."),
        ("- {mailing: cash_closing, to: a@x.example, channels: [mail]}", "2: there is no channel 'mail'."),
        ("- {mailing: cash_closing, to: a@x.example, channels: [phone]}", "2: a@x.example has no address for phone."),
        ("- {mailing: cash_closing, to: []}", "2: this list is empty."),
        ("- {mailing: 'cash closing', to: a@x.example}", "2: 'cash closing' is no mailing."),
        ("- {mailing: {a: b}, to: a@x.example}", "2: expected a mailing here."),
        ("- {mailing: cash_closing, to: a@x.example, where: [a]}", "2: expected 'name: value' lines here."),
        ("- {mailing: cash_closing, to: a@x.example, where: {a: 1, a: 2}}", "2: a stands here twice."),
        ("- {mailing: cash_closing, to: a@x.example, options: x}", "2: expected 'name: value' lines here."),
        ("- a@x.example", "2: expected 'name: value' lines here."),
        (
            "- mailing: a\n        to: a@x.example\n        where:\n          b: x\n          total: {at_leest: 5}",
            "6: total: there is no comparison 'at_leest'. Did you mean 'at_least'?",
        ),
        (
            "- mailing: cash_closing\n        to:\n          - good@x.example\n          - [nested]",
            "5: expected a person here.",
        ),
    ],
)
def test_a_wrong_entry_is_left_out_with_its_line_and_the_rest_holds(of, entry, told):
    text = f"subscriptions:\n      {entry}{REST}audiences: {{management: [b@x.example]}}\n"
    provisioned, all_told = of(text.replace("\n      ", "\n  ").replace("\n        ", "\n    "))
    assert len(all_told) == 1
    assert all_told[0].startswith(told), all_told
    assert set(places(provisioned)) == {("cash_closing", "email", "good@x.example")}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mailigns: {}\n", "1: there is no part 'mailigns' here.\n  Did you mean 'mailings'?"),
        ("subscriptions:\n  a: b\n", "2: subscriptions is a list; each entry begins with '- '."),
        ("mailings: [a]\n", "1: expected 'name: value' lines here."),
        ("mailings:\n  a: {on: perhaps}\n", "2: 'perhaps' is neither true nor false."),
        ("mailings:\n  a: {chanels: [email]}\n", "2: there is no setting 'chanels' here.\n  Did you mean 'channels'?"),
        ("mailings:\n  a: {channels: [fax]}\n", "2: there is no channel 'fax'.\n  Known: email, phone."),
        ("mailings:\n  a: {}\n  a: {}\n", "3: a stands here twice; the first is used."),
        ("mailings:\n  'sales_*': {}\n", "2: 'sales_*' is no name."),
        ("mailings:\n  a: {copies: [x@, b@x.example]}\n", "2: 'x@' is no e-mail address"),
        ("audiences:\n  m: [n]\n", "2: 'n' is no address."),
        ("audiences:\n  m: {email: 7@}\n", "2: '7@' is no e-mail address"),
        ("- a\n", "1: expected 'name: value' lines here."),
        ("subscriptions: []\nsubscriptions: []\n", "2: subscriptions stands here twice."),
    ],
)
def test_a_slip_anywhere_else_is_told_with_its_line(of, text, told):
    _, all_told = of(text)
    assert len(all_told) == 1
    assert all_told[0].startswith(told), all_told


def test_a_switch_holds_though_something_beside_it_is_wrong(of):
    provisioned, told = of("mailings:\n  a: {chanels: [email], on: false, copies: [x@, b@x.example]}\n")
    assert (provisioned.rules["a"].on, len(told)) == (False, 2)
    assert places(provisioned) == [("a", "email", "b@x.example")]


def test_a_slip_concerns_the_mailings_of_its_entry(of):
    provisioned, _ = of("subscriptions:\n  - {mailing: 'sales_*', to: nobody}\n  - {to: x@y.example}\n")
    one, all_of_them = provisioned.problems
    assert (one.concerns("sales_closing"), one.concerns("cash_closing")) == (True, False)
    assert all_of_them.concerns("cash_closing")


@pytest.mark.parametrize(
    ("text", "line"),
    [("mailings: {\n  a: [\n", 3), ("a: b\n  c: d\n", 2), ("a: @b\n", 1), ("a: 1\n---\nb: 2\n", 2)],
)
def test_a_file_that_is_no_yaml_is_unreadable_with_its_line(of, text, line):
    provisioned, _ = of(text)
    assert provisioned.unreadable.line == line
    assert "this is no YAML" in str(provisioned.unreadable)


def test_bytes_that_are_no_text_and_a_folder_are_unreadable(tmp_path):
    (tmp_path / "s.yaml").write_bytes(b"mailings: \xff\xfe")
    for path in (tmp_path / "s.yaml", tmp_path):
        assert "cannot be read" in str(read(path)[1].unreadable)


def test_an_endless_anchor_and_a_deep_one_are_told(tmp_path):
    endless = "subscriptions:\n- {mailing: a, to: a@x.example, options: &o {again: *o}}\n"
    assert "deeper than 20 levels" in str(said(tmp_path, endless).problems[0].error)
    assert said(tmp_path, "[" * 5000).unreadable is not None


@settings(max_examples=300)
@given(
    st.text(alphabet="mailngsubcrptoewh: -{}[],\n\"'*&|#@x.0123é~?!%\t", max_size=80)
    | st.text(max_size=60)
    | st.tuples(st.integers(0, len(GOOD)), st.integers(0, 30), st.text(max_size=5)).map(
        lambda cut: GOOD[: cut[0]] + cut[2] + GOOD[cut[0] + cut[1] :]
    )
)
def test_whatever_somebody_writes_it_is_read_or_told(text):
    provisioned = said(PROJECT / "include" / "subscriptions.yaml", text)
    assert all(each.error.line for each in provisioned.problems)
    assert all(each.address and each.mailing for each in provisioned.members)


def test_the_file_of_the_demo_company_has_no_slip():
    _, provisioned = read(PROJECT / "include" / "subscriptions.yaml")
    assert provisioned.problems == ()
    documents = {"cash_closing", "sales_closing", "record_change", "payment_order_overdue"}
    finance = {"income_statement", "cash_flow", "receivables", "payables"}
    trade = {"executive_summary", "sales", "stock", "stock_minimum"}
    assert {each.mailing for each in provisioned.members} == documents | finance | trade
    assert all(each.address.endswith(".example") for each in provisioned.members)


def test_the_file_that_the_docs_show_has_no_slip(of):
    page = (PROJECT / "docs" / "operate.md").read_text()
    (text,) = re.findall(r"^```yaml\n(mailings:.*?)^```$", page, re.M | re.S)
    provisioned, told = of(text)
    assert told == []
    assert {each.mailing for each in provisioned.members} == {"cash_closing", "record_change", "sales_*"}
    assert not provisioned.rules["sales_closing"].on


def test_what_stands_alone_on_the_command_line_is_read_the_same_way():
    assert filter_of("{branch: 001, total: {at_most: 5}}").plain() == {"branch": "001", "total": {"at_most": 5}}
    assert (filter_of("").plain(), options_of("{hour: 7}")) == ({}, {"hour": 7})
    for act, text, told in (
        (filter_of, "{total: {at_leest: 5}}", "where: total: there is no comparison"),
        (filter_of, "{", "where: this is no YAML"),
        (options_of, "seven", "options: expected 'name: value' lines"),
        (usable_language, "Spanish", "'Spanish' is no language"),
    ):
        with pytest.raises(AuthoringError, match=re.escape(told)):
            act(text)
