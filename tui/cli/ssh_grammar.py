"""What a key may ask over SSH: a closed grammar, read by hand. Pure.

What a client asks for is text from outside. It is cut at its blanks and nowhere else: there are no
quotes, no variables, no patterns, no files. Each word must be one that a rule here names, or match
the form of the value that the rule has in its place.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from core.domain.events import SELECTABLE

LONGEST = 1024
"""Bytes of what is asked; anything longer is refused unread."""

_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
_CURSOR = re.compile(r"[0-9]{1,18}", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{1,6}(\.[0-9]{1,6})?[smhd]"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?",
    re.ASCII,
)
_EVENT = re.compile("|".join(map(re.escape, SELECTABLE)))
_FORMAT = re.compile("ndjson|csv")
_TEXT = re.compile(r"[^-'\"`$\\<>|&;*?~!{}()\[\]][^'\"`$\\<>|&;*?~!{}()\[\]]{0,63}")
_PLACE = re.compile(
    r"[0-9]{1,10}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII
)
_JSON = "--json"
FAILED, READ_ONLY = "--failed", "--read-only"


@dataclass(frozen=True, slots=True)
class _Rule:
    """What may follow a word."""

    argument: re.Pattern[str] | None = None  # one is needed, of this form
    options: Mapping[str, re.Pattern[str]] = field(default_factory=dict)  # each with a value
    flags: frozenset[str] = frozenset()


_RULES: Mapping[str, _Rule] = {
    "activity": _Rule(flags=frozenset({READ_ONLY})),
    "export": _Rule(
        options={
            "--since": _MOMENT,
            "--until": _MOMENT,
            "--after": _CURSOR,
            "--event": _EVENT,
            "--undelivered": _NUMBER,
            "--format": _FORMAT,
        }
    ),
    "find": _Rule(argument=_TEXT, flags=frozenset({_JSON, READ_ONLY})),
    "history": _Rule(argument=_NUMBER, flags=frozenset({_JSON})),
    "open": _Rule(argument=_PLACE, flags=frozenset({FAILED, READ_ONLY})),
    "status": _Rule(flags=frozenset({_JSON})),
}

USAGE = (
    "This key may ask for: export [--since T] [--until T] [--after CURSOR] [--event E] "
    "[--undelivered ID] [--format ndjson|csv], history ID [--json], find TEXT [--json], "
    "status [--json]; with a terminal (ssh -t) it opens the UI at find TEXT, open ID [--failed] or "
    "activity, each with [--read-only] too; without a command at the list."
)
"""What is said to whatever is none of it; of that nothing is said again."""


class NotInGrammar(Exception):
    """It is none of what may be asked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its word, its argument if it has one, and its options by their names."""

    word: str
    argument: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def as_json(self) -> bool:
        return _JSON in self.options


def parse(raw: bytes) -> Asked:
    """What a client asks for, with every value of the form that is right for it; raises
    NotInGrammar.
    """
    words = iter(_words(raw))
    word = next(words, "")
    rule = _RULES.get(word)
    if rule is None:
        raise NotInGrammar
    argument, options = "", dict[str, str]()
    for each in words:
        if each in options:
            raise NotInGrammar
        if each in rule.flags:
            options[each] = ""
        elif each in rule.options:
            options[each] = _value(next(words, ""), rule.options[each])
        elif rule.argument is not None and not argument:
            argument = _value(each, rule.argument)
        else:
            raise NotInGrammar
    if rule.argument is not None and not argument:
        raise NotInGrammar
    return Asked(word, argument, options)


def _words(raw: bytes) -> Iterator[str]:
    if len(raw) > LONGEST:
        raise NotInGrammar
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise NotInGrammar from None
    if not text.isprintable():
        raise NotInGrammar
    return filter(None, text.split(" "))


def _value(word: str, form: re.Pattern[str]) -> str:
    if form.fullmatch(word) is None:
        raise NotInGrammar
    return word
