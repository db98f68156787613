"""
Reads and writes sizes and times as people write them: `5GiB`, `100 MB`, `24h`, `1h30m`.

What is written is read back as the same number, to the byte and to the last bit of the float.
"""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BeforeValidator, PlainSerializer

_BINARY: Final = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}
_DECIMAL: Final = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}
_Number = TypeVar("_Number", int, float)

_SIZES: Final = _BINARY | _DECIMAL | {"B": 1}
_SIZES_BY_SPELLING: Final = {unit.lower(): factor for unit, factor in _SIZES.items()}

_TIMES: Final = {
    "w": Fraction(604_800),
    "d": Fraction(86_400),
    "h": Fraction(3600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 1000),
}

#: What SQLite and `off_t` hold.
_LARGEST_SIZE: Final = 2**63 - 1
#: Beyond a century a clock or a timer somewhere overflows.
_LONGEST_TIME: Final = 36_500 * 86_400

# The smallest float has 1074 digits after the point; without a bound, a long text costs minutes.
_NUMBER = r"[0-9]{1,20}(?:\.[0-9]{1,1100})?"
_SIZE = re.compile(rf"({_NUMBER}) ?([A-Za-z]*)")
_TIME_PART = re.compile(rf"({_NUMBER}) ?([a-z]+) ?")
_PLAIN = re.compile(_NUMBER)

SIZE_FORMS: Final = "a number with a unit, such as 5GiB, 1.5GiB, 100MB, or a plain number of bytes"
TIME_FORMS: Final = (
    "a number with a unit (ms, s, m, h, d or w), such as 90s, 24h, 7d, 1h30m, "
    "or a plain number of seconds"
)


def parse_size(value: object) -> int:
    """
    Return the bytes that *value* means: `1.5GiB`, `100 MB`, `1048576`, or a number.

    Capitals do not matter; a fraction of a byte is dropped.

    Raises:
        ValueError: It is no size; the message says how sizes are written.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        size = _plain_size(value)
    elif isinstance(value, str):
        size = _written_size(value)
    else:
        raise ValueError(f"is not a size; write {SIZE_FORMS}")
    if size < 0:
        raise ValueError("must not be negative")
    if size > _LARGEST_SIZE:
        raise ValueError("is too large; 8EiB is the limit")
    return size


def _plain_size(value: float) -> int:
    if not math.isfinite(value) or value != int(value):
        raise ValueError(f"is not a whole number of bytes; write {SIZE_FORMS}")
    return int(value)


def _written_size(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"is not a size; write {SIZE_FORMS}")
    number, unit = match.groups()
    factor = _SIZES_BY_SPELLING.get(unit.lower() or "b")
    if factor is None:
        if f"{unit}iB".lower() in _SIZES_BY_SPELLING:
            unit = unit.upper()
            raise ValueError(
                f"could mean two sizes; write {number}{unit}iB (powers of 1024) "
                f"or {number}{unit}B (powers of 1000)"
            )
        raise ValueError(f"has the unknown unit {unit!r}; write {SIZE_FORMS}")
    if factor == 1 and Fraction(number).denominator != 1:
        raise ValueError(f"is not a whole number of bytes; write {SIZE_FORMS}")
    return int(Fraction(number) * factor)


def render_size(size: int) -> str:
    """Return *size* exactly, in the largest unit that needs one decimal at most."""
    for binary, decimal in zip(reversed(_BINARY), reversed(_DECIMAL), strict=True):
        for unit in (binary, decimal):
            tenths, rest = divmod(size * 10, _SIZES[unit])
            if rest == 0 and tenths >= 10:
                whole, tenth = divmod(tenths, 10)
                return f"{whole}.{tenth}{unit}" if tenth else f"{whole}{unit}"
    return f"{size}B"


def parse_duration(value: object) -> float:
    """
    Return the seconds that *value* means: `90s`, `1h30m`, `1.5h`, `500ms`, `90`, or a number.

    Raises:
        ValueError: It is no time; the message says how times are written.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        seconds = _written_duration(value.strip())
    else:
        raise ValueError(f"is not a time; write {TIME_FORMS}")
    if not math.isfinite(seconds):
        raise ValueError(f"is not a time; write {TIME_FORMS}")
    if seconds < 0:
        raise ValueError("must not be negative")
    if seconds > _LONGEST_TIME:
        raise ValueError("is too long; 36500d is the limit")
    return seconds


def _written_duration(text: str) -> float:
    if _PLAIN.fullmatch(text):
        return float(text)
    total, position, seen = Fraction(), 0, set[str]()
    while position < len(text):
        part = _TIME_PART.match(text, position)
        if part is None or part[2] not in _TIMES:
            raise ValueError(f"is not a time; write {TIME_FORMS}")
        if part[2] in seen:
            raise ValueError(f"has the unit {part[2]!r} twice; write {TIME_FORMS}")
        seen.add(part[2])
        total += Fraction(part[1]) * _TIMES[part[2]]
        position = part.end()
    if not seen:
        raise ValueError(f"is empty; write {TIME_FORMS}")
    return float(total)


def render_duration(seconds: float) -> str:
    """Return *seconds* exactly, in one unit where that reads well, else as `1h2m3s`."""
    exact = Fraction(repr(seconds))
    if exact.denominator != 1:
        thousandths = exact * 1000
        if thousandths.denominator == 1 and thousandths < 10_000:
            return f"{thousandths}ms"
        return f"{Decimal(repr(seconds)):f}s"
    if exact == 0:
        return "0s"
    # People say 24h, and 2d, and 90s; nobody says 5400s.
    for unit in "dhms":
        count = exact / _TIMES[unit]
        is_one_day = unit == "d" and count == 1
        if count.denominator == 1 and count <= 120 and not is_one_day:
            return f"{count}{unit}"
    text = ""
    for unit in "dhms":
        whole, exact = divmod(exact, _TIMES[unit])
        if whole:
            text += f"{whole}{unit}"
    return text


@dataclass(frozen=True)
class Unit:
    """Marks how a setting is written, for flags and tables to show."""

    name: Literal["SIZE", "TIME", "NUMBER|auto", "PATH"]


def _accept_words_for_none(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() in {"never", "none"}:
        return None
    return value


def _parse_optional_size(value: object) -> int | None:
    value = _accept_words_for_none(value)
    try:
        return None if value is None else _above_zero(parse_size(value))
    except ValueError as error:
        raise ValueError(f"{error}; none means no limit") from None


def _parse_optional_duration(value: object) -> float | None:
    value = _accept_words_for_none(value)
    try:
        return None if value is None else _above_zero(parse_duration(value))
    except ValueError as error:
        raise ValueError(f"{error}; never means that it has no end") from None


def _above_zero(value: _Number) -> _Number:
    # Elsewhere 0 often means no limit; here it would mean that nothing is possible.
    if value == 0:
        raise ValueError("must be more than 0")
    return value


def _render_optional_size(size: int | None) -> str:
    return "none" if size is None else render_size(size)


def _render_optional_duration(seconds: float | None) -> str:
    return "never" if seconds is None else render_duration(seconds)


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(render_size, when_used="json"),
    Unit("SIZE"),
]
OptionalSize = Annotated[
    int | None,
    BeforeValidator(_parse_optional_size),
    PlainSerializer(_render_optional_size, when_used="json"),
    Unit("SIZE"),
]
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(render_duration, when_used="json"),
    Unit("TIME"),
]
OptionalDuration = Annotated[
    float | None,
    BeforeValidator(_parse_optional_duration),
    PlainSerializer(_render_optional_duration, when_used="json"),
    Unit("TIME"),
]
#: For optional values that are neither: `none` and `never` mean no value here too.
WORDS_FOR_NONE: Final = BeforeValidator(_accept_words_for_none)
