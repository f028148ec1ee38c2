"""Which links of a campaign are asked, which addresses never, and what is made of the answers."""

import pytest

from emailketing.links import Answer, How, judged, outside
from emailketing.model import Content
from emailketing.render.lint import Finding, Level, web_links
from emailketing.road import Sample, try_links

PUBLIC = ["8.8.8.8", "1.1.1.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
PUBLIC += ["168.63.129.15", "168.63.129.17", "192.88.98.255", "192.88.100.0", "3ffe:ffff::1"]
OURS = [
    *("10.0.0.3", "172.16.0.1", "192.168.0.1", "127.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "198.18.0.1"),
    *("224.0.0.1", "233.252.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1"),
    *("fe80::1%eth0", "ff02::1", "ff0e::1", "2001:db8::1", "2001::1", "fec0::1", "::8.8.8.8"),
    *("::ffff:10.0.0.3", "64:ff9b::a00:3", "64:ff9b:1::a00:3", "2002:a00:3::1", "::ffff:127.0.0.1"),
    *("168.63.129.16", "::ffff:168.63.129.16", "192.88.99.1", "192.88.99.255", "3fff::1", "3fff:fff:ffff::1"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_the_world_is_outside(address):
    assert outside(address)


@pytest.mark.parametrize("address", OURS)
def test_nothing_that_this_house_alone_reaches_is_outside(address):
    assert not outside(address)


def test_the_links_of_all_parts_are_found_once_each():
    html = (
        '<a href=" https://x.example/a?b=1&amp;c=2#part "></a><a href="HTTPS://x.example/b"></a>'
        '<a href="mailto:a@x.example"></a><a href=""></a><a href="https://x.example/a?b=1&c=2"></a>'
        "<p>https://x.example/shown-but-no-link</p>"
    )
    text = "Vea (https://x.example/a?b=1&c=2), <https://y.example/wiki/A_(b)>. ¿O http://z.example/?"
    content = Content("s", text, html, phone="Mas: https://t.example/1.")
    assert web_links(content) == (
        *("https://x.example/a?b=1&c=2", "HTTPS://x.example/b", "https://y.example/wiki/A_(b)"),
        *("http://z.example/", "https://t.example/1"),
    )


@pytest.mark.parametrize("how", list(How))
def test_what_is_not_answered_is_told_with_its_link(how):
    verdict = judged(Answer("https://x.example/", how, last="https://x.example/"))
    assert verdict.what.startswith("the link 'https://x.example/' ")
    assert "redirected to 'https" not in verdict.what


def test_a_long_or_hostile_link_cannot_spoil_the_page():
    told = judged(Answer(f"https://x.example/\x1b[2J\n{'a' * 500}", How.NO_HOST)).what
    assert told.isprintable()
    assert len(told) < 200


def sample(*links):
    return Sample(None, Content("", "", ""), links)


def everything(links, status=200):
    return [Answer(link, How.ANSWERED, status=status, last=link) for link in links]


def test_each_link_is_asked_once_and_no_more_than_fifty():
    first = [f"https://x.example/{n}" for n in range(30)]
    more = [f"https://x.example/{n}" for n in range(20, 51)]
    asked = []

    def ask(links):
        asked.extend(links)
        return everything(links)

    tried = try_links([sample(*first), sample(*more)], ask)
    assert asked == [f"https://x.example/{n}" for n in range(50)]
    assert tried.asked == 50
    what = "1 of 51 links were not tried, 'https://x.example/50' and what follows it"
    assert tried.findings == (Finding(Level.WARNING, what),)


def test_a_broken_link_is_an_error_and_a_doubtful_one_a_warning():
    broken = try_links([sample("https://x.example/")], lambda links: everything(links, 404))
    assert [each.level for each in broken.findings] == [Level.ERROR]
    doubtful = try_links([sample("https://x.example/")], lambda links: everything(links, 403))
    assert [each.level for each in doubtful.findings] == [Level.WARNING]
    assert try_links([sample("https://x.example/")], everything).findings == ()
