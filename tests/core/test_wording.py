"""The catalogues say all that the code says, with every value in its place."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.catalog import Catalog, Message

from core.domain.language import Language
from core.wording import CATALOGUE, LOCALE, read_all, translation, wording
from tests.support.catalogues import ROOT, TRANSLATED, compiled, said, source_of, translated

_PLACE = re.compile(r"\{(\w+)\}")
_MADE_BY = "run `make catalogues`, and translate what is new"

in_each_language = pytest.mark.parametrize("language", TRANSLATED)


@in_each_language
def test_every_sentence_is_in_the_catalogue(language: Language) -> None:
    """And none that nothing says any more."""
    assert _ids(translated(language)) == _ids(said()), _MADE_BY


@in_each_language
def test_every_sentence_is_translated(language: Language) -> None:
    told = [message for message in translated(language) if message.id]
    assert [message.id for message in told if message.fuzzy or not all(_said(message))] == []


@in_each_language
def test_every_value_keeps_its_place(language: Language) -> None:
    lost = [
        (sentence, translated_as)
        for message in translated(language)
        for sentence in _english(message)
        for translated_as in _said(message)
        if message.id and set(_PLACE.findall(sentence)) != set(_PLACE.findall(translated_as))
    ]
    assert lost == []


@in_each_language
def test_a_sentence_begins_and_ends_alike(language: Language) -> None:
    """The mark that the flash line colours, the full stop, the spaces between two of them."""
    differing = [
        (message.id, translated_as)
        for message in translated(language)
        for translated_as in _said(message)
        if message.id
        for sentence in _english(message)[:1]
        if " " in sentence  # a word may be shortened to one that ends with a full stop
        if _ends(sentence) != _ends(translated_as)
    ]
    assert differing == []


@in_each_language
def test_what_is_read_was_compiled_from_the_source(language: Language) -> None:
    assert (LOCALE / language / CATALOGUE).read_bytes() == compiled(translated(language)), _MADE_BY


@in_each_language
def test_the_source_is_written_as_the_tool_writes_it(language: Language) -> None:
    """So that one who adds a sentence finds only that one changed."""
    assert "fuzzy" not in source_of(language).read_text()


@in_each_language
def test_counts_have_the_forms_that_the_language_has(language: Language) -> None:
    """CLDR's, but for French millions, which no screen counts to."""
    rule = Locale(language).plural_form
    form = translation(language).plural  # type: ignore[attr-defined]
    assert all(form(count) == (rule(count) != "one") for count in range(10_000))


def test_english_is_what_the_code_says() -> None:
    assert translation(Language.ENGLISH).gettext("Settings") == "Settings"
    assert translation(Language.FRENCH).gettext("Settings") == "Réglages"


@pytest.mark.parametrize(
    "path",
    sorted(path for folder in ("core", "tui") for path in (ROOT / folder).rglob("*.py")),
    ids=lambda path: path.name,
)
def test_no_sentence_hides_where_extraction_does_not_look(path: Path) -> None:
    """In an f-string: neither made by one, nor asked for inside of one."""
    tree = ast.parse(path.read_text())
    inside = [_calls(part) for part in ast.walk(tree) if isinstance(part, ast.JoinedStr)]
    assert [name for calls in inside for name in calls if name in _MARKS] == []
    made = [
        call
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        if call.func.id in _MARKS and isinstance(call.args[0], ast.JoinedStr)
    ]
    assert made == []


_MARKS = {"_", "N_", "ngettext"}


def _calls(tree: ast.AST) -> Iterator[str]:
    for part in ast.walk(tree):
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            yield part.func.id


def _ids(catalogue: Catalog) -> set[object]:
    return {message.id for message in catalogue if message.id}


def _english(message: Message) -> tuple[str, ...]:
    return message.id if isinstance(message.id, tuple) else (message.id,)


def _said(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (message.string,)


def _ends(sentence: str) -> tuple[str, bool, bool]:
    mark = sentence[:1] if sentence[:1] in "!✓✗ " else ""
    return mark, sentence.endswith("."), sentence.endswith(" ")


def test_once_read_they_need_their_files_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a worker, which an upgrade replaces under it."""
    read_all()
    monkeypatch.setattr("core.wording.LOCALE", Path("/nowhere"))
    assert wording(Language.FRENCH).say("Settings") == "Réglages"
