"""A cron line in words: in English always, in other languages only where the sentence comes out whole."""

from __future__ import annotations

import re
from functools import lru_cache

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from .cronline import ROUNDS, uneven_moments, without_idle_steps

LOCALES = {"zh-hans": "zh_CN", "zh": "zh_CN", "en": "en_US"}
ONWARDS = re.compile(r"(?<![-\w])\w+/\d")
"""``5/10``: the Chinese catalogue leaves out where it begins."""
NAME = re.compile(r" ?([A-Z][a-z]+) ?")
"""A day or a month, which the Chinese catalogue leaves in English."""

AT_TIMES = re.compile(r"At \d\d:\d\d(:\d\d)?((, | and )\d\d:\d\d(:\d\d)?)*")
CHINESE_TIMES = re.compile(r"在 (?P<times>\d\d:\d\d(:\d\d)?((、| 和 )\d\d:\d\d(:\d\d)?)*)(，(?P<days>.+))?")
"""“在 08:30，星期一到星期五”, where a Chinese reader expects the days first."""


def cron_in_words(line: str) -> str:
    """A line of five or six fields; the line itself where there are no words that are true."""
    fields = line.split()
    day, weekday = fields[-3], fields[-1]
    if "*" not in (day, weekday) and "*" in (day[0], weekday[0]):
        # The library takes all of these for “or”.
        rest = " ".join([*fields[:-1], "*"])
        one = _in_words(rest, get_language() or "en")
        if one == rest:
            return line
        return _("%(words)s, but only where the day of the week matches “%(weekday)s” as well") % {
            "words": one,
            "weekday": weekday,
        }
    return _in_words(line, get_language() or "en")


@lru_cache(maxsize=4096)
def _in_words(line: str, language: str) -> str:
    locale = LOCALES.get(language) or LOCALES.get(language.split("-")[0])
    if locale is None or (locale != "en_US" and (ONWARDS.search(line) or "#" in line)):
        return line
    # Here, not above: most processes never put a cron line in words.
    from cron_descriptor import CasingTypeEnum, ExpressionDescriptor, Options  # type: ignore[import-untyped]
    from cron_descriptor.Exception import FormatError, MissingFieldError  # type: ignore[import-untyped]

    options = Options()
    options.locale_code = locale
    options.use_24hour_time_format = True
    options.casing_type = CasingTypeEnum.Sentence
    try:
        words = str(ExpressionDescriptor(_plainer(line), options).get_description())
    except (FormatError, MissingFieldError, ValueError, IndexError):
        return line
    is_daily = line.split()[-3:] == ["*", "*", "*"]
    return _daily(words, is_daily) if locale == "en_US" else _in_whole_chinese(words, line, is_daily)


def _daily(words: str, is_daily: bool) -> str:
    """“At 02:00” leaves open on which days."""
    return f"Every day at{words[2:]}" if is_daily and AT_TIMES.fullmatch(words) else words


def _in_whole_chinese(words: str, line: str, is_daily: bool) -> str:
    """With names of days and months, with Chinese commas, and the day before the time; the line, where it would still
    be half a sentence."""
    words = re.sub(r"(?<=[a-z]), (?=[A-Z])|(?<=\d), (?=\d)", "、", words.replace(", 和 ", " 和 "))
    words = re.sub(r"每 (\d+) 月", r"每 \1 个月", words)
    words = NAME.sub(lambda found: _(found[1]), words).replace(", ", "，").replace(",", "，").strip()
    if found := CHINESE_TIMES.fullmatch(words):
        days = found["days"] or ("每天" if is_daily else "")
        words = f"{days}{'，' if '，' in days else ' '}{found['times']}" if days else words
    *_others, day, _month, weekday = line.split()
    says_or = "*" in day or "*" in weekday or "或" in words
    return words if says_or and not re.search("[A-Za-z]", words) else line


def _plainer(line: str) -> str:
    """The same line without what the library puts misleadingly: “at 03:00 through 05:59” of full hours, “every 40
    minutes” of what fires at 0 and 40 of each hour."""
    fields = [without_idle_steps(field) for field in line.split()]
    for place, name in ((-6, "second"), (-5, "minute"), (-4, "hour")):
        # Of hours only with one minute: a list of hours is put as “at 00:00, 05:00” whatever the minutes are.
        if len(fields) >= -place and (name != "hour" or fields[-5].isdigit()):
            moments = uneven_moments(fields[place], ROUNDS[name])
            fields[place] = ",".join(map(str, moments)) or fields[place]
    minute, hour = fields[-5], fields[-4]
    if minute.isdigit() and re.fullmatch(r"[\d,-]+", hour) and "," in hour and "-" in hour:
        spans = [[int(edge) for edge in part.split("-")] for part in hour.split(",")]
        fields[-4] = ",".join(str(one) for span in spans for one in range(span[0], span[-1] + 1))
    return " ".join(fields)
