"""Times as seconds since 1970-01-01 UTC, and their parts; every function of seconds takes a float or an array.

The calendar is proleptic Gregorian. A year is counted from March here, which puts the leap day last.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import nan
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86400.0
MARCH_YEAR_0 = 719468.0  # days from 0000-03-01 to 1970-01-01
CENTURIES = 146097.0  # days of 400 years

Seconds = Any  # float or NDArray[float64]


def parser(date_format: str | None) -> Callable[[str], float]:
    """Seconds of a text, NaN where it is no time: ISO 8601, or as strptime reads the format. No zone means UTC."""

    def parse(text: str) -> float:
        try:
            moment = datetime.strptime(text, date_format) if date_format else datetime.fromisoformat(text)
        except ValueError:
            return nan
        return _seconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))

    return parse


def _seconds(moment: datetime) -> float:
    since: timedelta = moment - EPOCH
    return since.days * DAY + since.seconds + since.microseconds / 1e6


def days(seconds: Seconds) -> Seconds:
    return seconds / DAY


def weekday(seconds: Seconds) -> Seconds:
    return (seconds // DAY + 3.0) % 7.0


def hour(seconds: Seconds) -> Seconds:
    return seconds % DAY // 3600.0


def minute(seconds: Seconds) -> Seconds:
    return seconds % 3600.0 // 60.0


def year(seconds: Seconds) -> Seconds:
    years, days_in = _march_year(seconds)
    return years + (days_in >= 306.0)


def month(seconds: Seconds) -> Seconds:
    marches = _march_month(_march_year(seconds)[1])
    return marches + 3.0 - 12.0 * (marches >= 10.0)


def day(seconds: Seconds) -> Seconds:
    _, days_in = _march_year(seconds)
    return days_in - (153.0 * _march_month(days_in) + 2.0) // 5.0 + 1.0


def yearday(seconds: Seconds) -> Seconds:
    _, days_in = _march_year(seconds)
    whole = year(seconds)
    leap = 1.0 * (whole % 4.0 == 0.0) - 1.0 * (whole % 100.0 == 0.0) + 1.0 * (whole % 400.0 == 0.0)
    before_march = days_in >= 306.0
    return days_in + (1.0 - before_march) * (60.0 + leap) - before_march * 305.0


def _march_year(seconds: Seconds) -> tuple[Seconds, Seconds]:
    """The year that begins on 1 March, and the days since then."""
    since = seconds // DAY + MARCH_YEAR_0
    cycle = since // CENTURIES
    rest = since - cycle * CENTURIES
    # One day short of four years, one more of a century, one less at the end of the cycle.
    years = (rest - rest // 1460.0 + rest // 36524.0 - rest // 146096.0) // 365.0
    days_in = rest - (365.0 * years + years // 4.0 - years // 100.0)
    return years + 400.0 * cycle, days_in


def _march_month(days_in: Seconds) -> Seconds:
    return (5.0 * days_in + 2.0) // 153.0


PARTS: dict[str, Callable[[Seconds], Seconds]] = {
    "year": year,
    "month": month,
    "day": day,
    "weekday": weekday,
    "yearday": yearday,
    "hour": hour,
    "minute": minute,
    "days": days,
}
