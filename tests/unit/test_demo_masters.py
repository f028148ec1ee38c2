"""What the demonstration's goods cost and what is offered of them."""

from datetime import date
from random import Random
from types import SimpleNamespace

import pytest
import yaml

from demo import masters, words
from emailketing.settings import PROJECT

SIZED = {
    noun: words.TYRES.get(noun, (sizes, None))[0].split("|")
    for nouns, _, sizes, *_ in (words.GOODS[group] for group in words.BY_SIZE)
    for noun in nouns.split("|")
}


def goods(group, seed):
    rows = []
    data = SimpleNamespace(rng=Random(seed), known=set(), rows={"products": rows}, start=date(2026, 1, 1))
    data.at, data.add = (lambda day: day), (lambda _table, **row: rows.append(row) or row)
    for _ in range(150):
        masters._good(data, next(each for each in words.GROUPS if each[0] == group), 1)
    return [(row["description"].split(", ref.")[0], row["price"]) for row in rows]


@pytest.mark.parametrize("group", words.BY_SIZE)
def test_no_larger_size_is_cheaper_than_a_smaller_one(group):
    prices = {}
    for description, price in goods(group, 7):
        noun = next(noun for noun in SIZED if description.startswith(f"{noun} "))
        place = next(place for place, size in enumerate(SIZED[noun]) if description.endswith(f" {size}"))
        prices.setdefault(noun, {}).setdefault(place, []).append(price)
    assert any(len(sizes) > 2 for sizes in prices.values())
    for sizes in prices.values():
        for smaller, larger in zip(sorted(sizes), sorted(sizes)[1:], strict=False):
            assert max(sizes[smaller]) <= min(sizes[larger])


def test_an_inner_tube_is_cheaper_than_every_tyre():
    tyres = goods("NEU", 11)
    tubes = [price for description, price in tyres if description.startswith("Cámara")]
    assert tubes
    assert max(tubes) < min(price for description, price in tyres if not description.startswith("Cámara"))


@pytest.mark.parametrize("language", ["es", "en"])
def test_the_conditions_of_offers_have_words(language):
    text = (PROJECT / "include" / "templates" / "promotion" / f"words.{language}.yaml").read_text(encoding="utf-8")
    assert {f"conditions_{name}" for name in masters.CONDITIONS.values()} <= set(yaml.safe_load(text))
