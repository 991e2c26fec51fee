"""What was kept in English, by workers or in a schema, said again in the reader's language."""

import re
from collections.abc import Iterable
from functools import cache

from core.domain.catalogue import ALWAYS
from core.domain.details import WITH_VALUES
from core.domain.language import Language
from tui.language import _, spoken

_TEMPLATES = (*WITH_VALUES, ALWAYS)


def said_again(text: str) -> str:
    """The text itself where it is none of ours."""
    if spoken() is Language.ENGLISH:
        return text
    told = said_as(text, _TEMPLATES)
    return told if told != text else _(text)


def said_as(text: str, templates: Iterable[str]) -> str:
    """The text as the first of these that may have made it says it; itself where none has."""
    for template in templates:
        found = _pattern(template).fullmatch(text)
        if found is not None:
            return _(template).format(**found.groupdict())
    return text


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What the template looks like with values in it."""
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(template)))
