"""The sentences of the program in each language: standard gettext catalogues, read once.

The sentences stand in the code, in English; `core/locale` has them in the other languages. The
compiled catalogues lie beside their sources, so that a checkout needs no step to be run in.
"""

from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from core.domain.language import MANNERS, Language, Wording

LOCALE = Path(__file__).with_name("locale")
CATALOGUE = "LC_MESSAGES/aurapos-webhooks.mo"


@cache
def translation(language: Language) -> NullTranslations:
    """English is what the code says."""
    if language is Language.ENGLISH:
        return NullTranslations()
    with (LOCALE / language / CATALOGUE).open("rb") as compiled:
        return GNUTranslations(compiled)


@cache
def wording(language: Language) -> Wording:
    """What rules speak that language with; raises OSError where its catalogue cannot be read."""
    sentences = translation(language)
    return Wording(sentences.gettext, sentences.ngettext, MANNERS[language])


def read_all() -> None:
    """Read them while they are this version's: an upgrade replaces files under a running worker."""
    for language in Language:
        wording(language)
