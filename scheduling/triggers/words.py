"""A cron line in words: in English always, in other languages only where the sentence comes out whole."""

from __future__ import annotations

import re
from functools import lru_cache

from cron_descriptor import (  # type: ignore[import-untyped]
    CasingTypeEnum,
    ExpressionDescriptor,
    Options,
)
from cron_descriptor.Exception import FormatError, MissingFieldError  # type: ignore[import-untyped]
from django.utils.translation import get_language

LOCALES = {"zh-hans": "zh_CN", "zh": "zh_CN", "en": "en_US"}


def cron_in_words(line: str) -> str:
    return _in_words(line, get_language() or "en")


@lru_cache(maxsize=4096)
def _in_words(line: str, language: str) -> str:
    locale = LOCALES.get(language) or LOCALES.get(language.split("-")[0])
    if locale is None:
        return line
    options = Options()
    options.locale_code = locale
    options.use_24hour_time_format = True
    options.casing_type = CasingTypeEnum.Sentence
    try:
        words = str(ExpressionDescriptor(line, options).get_description())
    except (FormatError, MissingFieldError, ValueError, IndexError):
        return line
    # The Chinese catalogue leaves names of days and months in English: half a sentence is worse than the line.
    if locale != "en_US" and re.search("[A-Za-z]", words):
        return line
    return words
