"""What the screens say, in the language of whoever sits at them.

`_` and `ngettext` translate when something is said, never at import: two sessions in one process
may differ. A session begins its own speech in the context of its app, which all its pages and
threads run in; whatever runs outside of one, as the command line does, speaks English.
"""

from collections.abc import Iterable
from contextvars import ContextVar
from datetime import datetime, timedelta
from enum import StrEnum

from rich.cells import cell_len

from core.domain.actors import OPERATOR
from core.domain.language import MANNERS, Language, Manner
from core.errors import WebhooksError
from core.wording import translation

LANGUAGES = (
    (Language.ENGLISH, "English"),
    (Language.FRENCH, "français"),
    (Language.DUTCH, "Nederlands"),
)
"""Each by the name that those who speak it know."""


class Speech:
    """The language of one session, which may change while it lasts."""

    def __init__(self, language: Language = Language.ENGLISH) -> None:
        self.language = language


_speech: ContextVar[Speech] = ContextVar("speech")


def begin(speech: Speech) -> None:
    """From here on, in this context and those made in it, that is spoken."""
    _speech.set(speech)


def spoken() -> Language:
    speech = _speech.get(None)
    return speech.language if speech is not None else Language.ENGLISH


def _(sentence: str) -> str:
    """Nothing is nothing in every language; gettext would answer with the catalogue's heading."""
    return translation(spoken()).gettext(sentence) if sentence else ""


def ngettext(of_one: str, of_many: str, count: int) -> str:
    return translation(spoken()).ngettext(of_one, of_many, count)


def who(name: str) -> str:
    """A login as it is; the operator, who has none, in words."""
    return _("operator") if name == OPERATOR else name


def in_words(error: WebhooksError) -> str:
    """Its sentence; of the values, words of ours (roles) are translated too."""
    sentence = _(error.sentence)
    if not error.values:
        return sentence
    values = {
        name: _(value) if isinstance(value, StrEnum) else value
        for name, value in error.values.items()
    }
    return sentence.format(**values)


def widest(least: int, sentences: Iterable[str]) -> int:
    """Cells for the longest of these, already translated, and for no fewer than `least`."""
    return max(least, *map(cell_len, sentences))


def number(count: int) -> str:
    """`1,234`."""
    return f"{count:,}".replace(",", _manner().grouping)


def decimal(value: float) -> str:
    """`1.2`: one place."""
    return f"{value:.1f}".replace(".", _manner().decimal_mark)


def month(when: datetime) -> str:
    """`Nov`."""
    return _manner().months.split()[when.month - 1]


def day_width() -> int:
    """Cells of `23 Nov` in the month that is written longest."""
    return len("23 ") + max(map(cell_len, _manner().months.split()))


def moment_width() -> int:
    """Cells of `23 Nov 12:40`."""
    return day_width() + len(" 12:40")


def short_duration(duration: timedelta) -> str:
    """In its largest unit: `2s`, `4m`, `3h`, `12d`."""
    seconds = max(0, round(duration / timedelta(seconds=1)))
    if seconds >= 86_400:
        return _("{count}d").format(count=seconds // 86_400)
    if seconds >= 3_600:
        return _("{count}h").format(count=seconds // 3_600)
    if seconds >= 60:
        return _("{count}m").format(count=seconds // 60)
    return _("{count}s").format(count=seconds)


def _manner() -> Manner:
    return MANNERS[spoken()]
