"""Who gets a mailing, by row, file and database taken together."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from emailketing.audience import Audience, Source, said
from emailketing.model import Mailing, Subscribed, Subscription, Switch

CLOSING = Mailing("cash_closing")
ORDER = Mailing("purchase_order")
FILE = """\
mailings:
  cash_closing: {copies: [gerencia@x.example]}
  sales_closing: {on: false, channels: [email, phone]}
subscriptions:
  - {mailing: cash_closing, to: {name: Ana, email: ana@x.example, language: es}, where: {branch: "001"}}
  - {mailing: "*", to: archivo@x.example, where: {total: {at_least: 100}}}
"""


@pytest.fixture
def who(tmp_path):
    def who(text=FILE, *subscriptions, switches=()):
        provisioned = said(tmp_path / "include" / "subscriptions.yaml", text, "PY")
        return Audience(provisioned, Subscribed(subscriptions, tuple(switches)))

    return who


def got(audience, mailing=CLOSING, channel="email", **row):
    return [each.reason or each.recipient.address for each in audience.addressees(mailing, row, channel)]


def place(address, mailing="cash_closing", where=None, **more):
    return Subscription(mailing, "email", address, where={} if where is None else where, **more)


def test_copies_get_all_and_subscribers_what_their_filter_lets_through(who):
    assert got(who(), branch="001", total=5) == ["gerencia@x.example", "ana@x.example"]
    assert got(who(), branch="002", total=100) == ["gerencia@x.example", "archivo@x.example"]
    _, ana = who().addressees(CLOSING, {"branch": "001", "total": 1}, "email")
    assert (ana.recipient.name, ana.recipient.language) == ("Ana", "es")
    assert ana.because == "subscription by include/subscriptions.yaml:5"


def test_the_rows_own_address_comes_first_and_nobody_is_told_twice(who):
    own, copy = who().addressees(CLOSING, {"email": "Gerencia@x.example; caja@x.example", "branch": "9"}, "email")
    assert (own.recipient.address, own.because, copy.recipient.address) == ("Gerencia@x.example", "", "caja@x.example")
    twice = "subscriptions:\n- {mailing: a, to: [x@x.example, X@x.example]}\n- {mailing: '*', to: x@x.example}\n"
    assert got(who(twice), Mailing("a")) == ["x@x.example"]


def test_a_row_without_its_address_says_so_beside_the_copies(who):
    assert got(who(), email=None, branch="001") == ["email is empty in the ERP", "gerencia@x.example", "ana@x.example"]


def test_nobody_at_all_is_one_reason_and_left_out_by_filters_is_none(who):
    assert got(who(""), branch="1") == ["nobody subscribes to cash_closing by email: include/subscriptions.yaml"]
    assert got(who(), ORDER, total=5) == []
    (reason,) = got(who(), channel="phone")
    assert reason.startswith("nobody subscribes to cash_closing by phone")
    (reason,) = got(who("subscriptions: [{mailing: cash_closing, to: x@}]\n"), branch="1")
    assert "something wrong was left out" in reason
    assert got(Audience(), ORDER, email="a@x.example") == ["a@x.example"]


def test_the_database_takes_the_files_place_by_mailing_channel_and_address(who):
    only_two = place("ANA@x.example", where={"branch": "002"}, by="eva")
    assert got(who(FILE, only_two), branch="001") == ["gerencia@x.example"]
    assert got(who(FILE, only_two), branch="002") == ["gerencia@x.example", "ANA@x.example"]
    off = Subscription("cash_closing", "email", "gerencia@x.example", on=False)
    assert got(who(FILE, off), branch="001") == ["ana@x.example"]
    assert got(who(FILE, off), ORDER, total=100) == ["archivo@x.example"]
    elsewhere = place("archivo@x.example", "purchase_order", where={"total": {"at_least": 500}})
    assert got(who(FILE, elsewhere), ORDER, total=100) == []
    assert got(who(FILE, elsewhere), branch="002", total=100) == ["gerencia@x.example", "archivo@x.example"]
    switched_on_only = Subscription("cash_closing", "email", "ana@x.example")
    assert got(who(FILE, switched_on_only), branch="001") == ["gerencia@x.example", "ana@x.example"]


def test_a_filter_of_the_database_that_cannot_be_read_concerns_its_mailing_only(who):
    broken = place("x@x.example", where={"total": {"atleast": 1}})
    audience = who(FILE, broken)
    assert got(audience, branch="001") == ["gerencia@x.example", "ana@x.example"]
    (problem,) = audience.problems("cash_closing")
    assert "the outbox's database, cash_closing to x…@x.example: its filter cannot be used" in problem
    assert audience.problems("purchase_order") == []


def test_a_switch_of_the_database_wins_over_the_file(who):
    sales = Mailing("sales_closing")
    assert who().off("sales_closing") == "off in include/subscriptions.yaml:3"
    assert who().settled(sales).channels == ("email", "phone")
    at = datetime(2026, 3, 2, 12, 5, tzinfo=UTC)
    assert who(FILE, switches=[Switch("sales_closing", True, "eva", at)]).off("sales_closing") == ""
    assert who(FILE, switches=[Switch("cash_closing", False, "eva", at)]).off("cash_closing") == (
        "switched off by eva on 2026-03-02 12:05 UTC"
    )


def test_a_filter_that_can_never_hold_is_told_with_its_line(who, tmp_path):
    (misfit,) = who().misfits(CLOSING, {"brnch": "001", "total": 1})
    assert misfit.line == 5
    assert "a filter on cash_closing can never hold: the query gives no column 'branch'" in str(misfit)
    assert "Did you mean 'brnch'?" in str(misfit)
    assert who().misfits(CLOSING, {"branch": "001", "total": None}) == []


def test_names_are_held_against_the_mailings_declared(who):
    text = FILE + "  - {mailing: cash_closng, to: a@x.example}\n"
    text += "  - {mailing: cash_closing, to: {phone: '0981123456'}}\n"
    text += "  - {mailing: cash_closing, to: {name: B, email: b@x.example, phone: '0981123456'}, channels: [phone]}\n"
    set_here = place("x@x.example", "birthday")
    faults = who(text, set_here).faults([CLOSING, ORDER])
    misspelt, unreached, unused = map(str, faults.errors)
    assert misspelt.endswith(":7: no DAG declares a mailing 'cash_closng'.\n  Did you mean 'cash_closing'?")
    assert ":8: cash_closing does not go by phone" in unreached
    assert ":9: cash_closing does not go by phone, only by email." in unused
    assert "channels: [email, phone]" in unused
    assert len(faults.notices) == 2
    assert faults.notices[0].endswith(":3: no DAG declares a mailing 'sales_closing'.")
    assert who(text).faults([]).notices == (), "where no DAG file can be read, that is what is wrong"
    assert faults.notices[1] == "the outbox's database: no DAG declares a mailing 'birthday'."


def test_a_preview_is_shown_as_somebody_would_get_it(who):
    assert who().example(ORDER, {"email": "a@x.example", "total": 1}).address == "a@x.example"
    assert who().example(CLOSING, {"branch": "001", "total": 1}).address == "gerencia@x.example"
    assert who().example(ORDER, {"total": 1}).address == "archivo@x.example"
    assert who("").example(ORDER, {"total": 1}).address == ""


class Memory:
    """Remembers the last text, and counts how often it was asked."""

    def __init__(self):
        self.text, self.asked = None, 0

    def recall(self):
        self.asked += 1
        return self.text

    def keep(self, text):
        self.text = text


def test_the_file_is_read_again_only_when_it_changed_and_its_last_good_text_holds(tmp_path):
    path, memory = tmp_path / "subscriptions.yaml", Memory()
    source = Source(path, memory=memory)
    write(path, "subscriptions: [{mailing: a, to: one@x.example}]\n", 1)
    a = Mailing("a")
    assert got(source.now(), a) == got(source.now(), a) == ["one@x.example"]
    assert memory.asked == 1
    write(path, "subscriptions: [{mailing: a, to: two@x.example}]\n", 2)
    assert got(source.now(), a) == ["two@x.example"]
    write(path, "subscriptions: [{mailing: a, to: three@x.example}\n", 3)
    for reader in (source, Source(path, memory=memory)):  # another process knows it, too
        broken = reader.now()
        assert got(broken, a) == ["two@x.example"]
        assert "this is no YAML" in broken.problems("a")[0]
        assert broken.provisioned.unreadable is None
    assert Source(path).now().provisioned.unreadable is not None
    write(path, "subscriptions: [{mailing: a, to: three@x.example}]\n", 4)
    assert got(source.now(), a) == ["three@x.example"]
    path.unlink()
    assert "nobody subscribes" in got(source.now(), a)[0]


def write(path, text, second):
    path.write_text(text)
    os.utime(path, (second, second))
