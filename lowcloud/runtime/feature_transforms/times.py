"""Times as seconds since 1970-01-01 UTC, and their parts; all functions of seconds accept a float or an array.

The calendar is proleptic Gregorian. Years are counted from March internally, so that the leap day is the last day.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import nan
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_SECONDS = 86400.0
DAYS_BEFORE_EPOCH = 719468.0  # from 0000-03-01 to 1970-01-01
CYCLE_DAYS = 146097.0  # of 400 years

Seconds = Any  # float or NDArray[float64]


def parser(date_format: str | None) -> Callable[[str], float]:
    """Return a parser of ISO 8601 or of the strptime format to seconds, NaN if invalid. No time zone means UTC."""

    def parse(text: str) -> float:
        try:
            moment = datetime.strptime(text, date_format) if date_format else datetime.fromisoformat(text)
        except ValueError:
            return nan
        return _seconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))

    return parse


def _seconds(moment: datetime) -> float:
    since: timedelta = moment - EPOCH
    return since.days * DAY_SECONDS + since.seconds + since.microseconds / 1e6


def has_offset(text: str) -> bool | None:
    """Return whether a time in ISO 8601 has a UTC offset; None if the text is none."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return None


def days(seconds: Seconds) -> Seconds:
    return seconds / DAY_SECONDS


def weekday(seconds: Seconds) -> Seconds:
    return (seconds // DAY_SECONDS + 3.0) % 7.0


def hour(seconds: Seconds) -> Seconds:
    return seconds % DAY_SECONDS // 3600.0


def minute(seconds: Seconds) -> Seconds:
    return seconds % 3600.0 // 60.0


def year(seconds: Seconds) -> Seconds:
    years, day_of_year = _march_year(seconds)
    return years + (day_of_year >= 306.0)


def month(seconds: Seconds) -> Seconds:
    marches = _march_month(_march_year(seconds)[1])
    return marches + 3.0 - 12.0 * (marches >= 10.0)


def day(seconds: Seconds) -> Seconds:
    _, day_of_year = _march_year(seconds)
    return day_of_year - (153.0 * _march_month(day_of_year) + 2.0) // 5.0 + 1.0


def yearday(seconds: Seconds) -> Seconds:
    _, day_of_year = _march_year(seconds)
    calendar_year = year(seconds)
    leap = (
        1.0 * (calendar_year % 4.0 == 0.0) - 1.0 * (calendar_year % 100.0 == 0.0) + 1.0 * (calendar_year % 400.0 == 0.0)
    )
    before_march = day_of_year >= 306.0
    return day_of_year + (1.0 - before_march) * (60.0 + leap) - before_march * 305.0


def _march_year(seconds: Seconds) -> tuple[Seconds, Seconds]:
    """Return the year beginning on 1 March, and the days since then."""
    since = seconds // DAY_SECONDS + DAYS_BEFORE_EPOCH
    cycle = since // CYCLE_DAYS
    rest = since - cycle * CYCLE_DAYS
    # Corrections for leap years every 4 years, except every 100 years, and for the end of the 400-year cycle.
    years = (rest - rest // 1460.0 + rest // 36524.0 - rest // 146096.0) // 365.0
    day_of_year = rest - (365.0 * years + years // 4.0 - years // 100.0)
    return years + 400.0 * cycle, day_of_year


def _march_month(day_of_year: Seconds) -> Seconds:
    return (5.0 * day_of_year + 2.0) // 153.0


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
