"""The catalogues of sentences: what the code says, taken out of it by Babel, and its translations.

`make catalogues` brings the .po files up to date with the code and compiles them; what is new stays
empty in them until somebody translates it.
"""

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from core.domain.language import Language
from core.wording import CATALOGUE, LOCALE

TRANSLATED = tuple(language for language in Language if language is not Language.ENGLISH)
ROOT = LOCALE.parents[1]
_KEYWORDS = {
    "_": None,
    "N_": None,
    "ngettext": (1, 2),
    "say_count": (1, 2),  # the same, in the domain
    "Binding": (3,),  # what a key does: said by the footer and the help
}
_ALWAYS = datetime(2026, 1, 1, tzinfo=UTC)  # else each run would be a change
_SPOKEN = ("core", "tui")


def said() -> Catalog:
    """Every sentence that the code marks, each once."""
    catalogue = Catalog(project="AuraPOS Webhooks", creation_date=_ALWAYS, charset="utf-8")
    for folder in _SPOKEN:
        found = extract_from_dir(
            ROOT / folder, [("**.py", "python")], keywords=_KEYWORDS, strip_comment_tags=True
        )
        for name, _, message, *_ in found:
            catalogue.add(message, locations=[(f"{folder}/{name}", 0)])
    return catalogue


def source_of(language: Language) -> Path:
    return (LOCALE / language / CATALOGUE).with_suffix(".po")


def translated(language: Language) -> Catalog:
    with source_of(language).open("rb") as source:
        return read_po(source, locale=language)


def compiled(catalogue: Catalog) -> bytes:
    """The .mo that belongs to it."""
    binary = BytesIO()
    write_mo(binary, catalogue)
    return binary.getvalue()


def main() -> None:
    for language in TRANSLATED:
        catalogue = translated(language)
        catalogue.update(said(), no_fuzzy_matching=True)
        with source_of(language).open("wb") as source:
            write_po(source, catalogue, width=100, ignore_obsolete=True, include_lineno=False)
        (LOCALE / language / CATALOGUE).write_bytes(compiled(translated(language)))
        missing = sum(1 for message in catalogue if message.id and not message.string)
        print(f"{language}: {len(catalogue)} sentences, {missing} to translate")


if __name__ == "__main__":
    main()
