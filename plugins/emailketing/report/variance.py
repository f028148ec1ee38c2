"""How a figure is told in short: its scale said once, and how far it is from what it is compared with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from emailketing.report.kinds import EXACT, Exact, Kind, Percent, Writer, change, minus, ratio, signed
from emailketing.report.words import words


class Good(StrEnum):
    """Which way is good for the business; a fall of costs is."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


class Mood(StrEnum):
    """What a variance means for the business; never told by colour alone, for every variance has its sign."""

    GOOD = "good"
    BAD = "bad"
    EVEN = "even"


@dataclass(frozen=True, slots=True)
class Variance:
    """How far `value` is from `base`, for values of one kind."""

    value: Exact
    base: Exact
    kind: Kind
    good: Good = Good.UP

    @property
    def absolute(self) -> Exact:
        """The exact difference."""
        return Decimal(EXACT.subtract(Decimal(self.value), Decimal(self.base)))

    @property
    def percent(self) -> Decimal | None:
        """The difference in per cent of the base; None where the base is nothing, or of the other sign."""
        return ratio(self.absolute, abs(Decimal(self.base))) if self._comparable else None

    @property
    def relative(self) -> bool:
        """Whether it can be told without the value's unit, in per cent or points."""
        return self._comparable or isinstance(self.kind, Percent)

    @property
    def _comparable(self) -> bool:
        return bool(self.base) and (self.value >= 0) == (self.base > 0)

    @property
    def mood(self) -> Mood:
        """Good or bad for the business."""
        return mood(self.absolute, self.good)

    def written(self, writer: Writer) -> str:
        """'+8,1 %'; of percentages the points; else the difference itself with its unit."""
        if isinstance(self.kind, Percent):
            return signed(self.absolute, writer.number(self.absolute, 1)) + f"\u00a0{words(writer.locale)['points']}"
        percent = self.percent
        if percent is None:
            scale = Scale.short(self.absolute, self.kind)
            unit = scale.unit(writer)
            return f"{signed(self.absolute, scale.written(self.absolute, writer))}\u00a0{unit}".strip("\u00a0")
        return change(percent, writer)


def variance(value: Exact | None, base: Exact | None, kind: Kind, good: Good = Good.UP) -> Variance | None:
    """The variance, where there are two numbers to compare; nothing after nothing is none."""
    return None if value is None or base is None or value == base == 0 else Variance(value, base, kind, good)


def mood(difference: Exact, good: Good) -> Mood:
    """What a difference means, by which way is good."""
    if not difference or good is Good.NONE:
        return Mood.EVEN
    return Mood.GOOD if (difference > 0) == (good is Good.UP) else Mood.BAD


@dataclass(frozen=True, slots=True)
class Scale:
    """In which unit numbers of one kind are written, said once: thousands, millions, and with how many decimals."""

    kind: Kind
    power: int = 0
    decimals: int | None = None

    @classmethod
    def fitting(cls, values: Iterable[Exact | None], kind: Kind) -> Scale:
        """The scale in which the largest of `values` has at most four digits before its point."""
        largest = _largest(values)
        if isinstance(kind, Percent) or largest < 10_000:
            return cls(kind)
        return cls._of(largest, kind, 6 if largest >= 10**7 else 3)

    @classmethod
    def short(cls, value: Exact | None, kind: Kind) -> Scale:
        """The scale of a number that stands alone: below a million it can be read to its last digit."""
        largest = _largest([value])
        return cls(kind) if isinstance(kind, Percent) or largest < 10**6 else cls._of(largest, kind, 6)

    @classmethod
    def compared(cls, values: Iterable[Exact | None], kind: Kind) -> Scale:
        """The scale of amounts that stand side by side in a table: whole thousands, or millions to a tenth."""
        largest = _largest(values)
        return cls(kind, 3, 0) if largest < 10**10 else cls(kind, 6, 1)

    @classmethod
    def _of(cls, largest: Decimal, kind: Kind, power: int) -> Scale:
        above = largest / 10**power
        return cls(kind, power, 2 if above < 10 else 1 if above < 1000 else 0)

    def unit(self, writer: Writer) -> str:
        """'millones de Gs.', 'miles', 'l'; '' where there is nothing to say."""
        own = self.kind.unit(writer)
        if not self.power:
            return own
        known = words(writer.locale)
        scale = known["millions" if self.power == 6 else "thousands"]
        return known["scaled"].format(scale=scale, unit=own) if own else scale

    def written(self, value: Exact, writer: Writer) -> str:
        """The number in this scale, without its unit."""
        if self.power:
            return minus(writer.number(Decimal(value).scaleb(-self.power, EXACT), self.decimals))
        return minus(self.kind.written(value, writer))


def _largest(values: Iterable[Exact | None]) -> Decimal:
    return max((abs(Decimal(value)) for value in values if value is not None), default=Decimal(0))
