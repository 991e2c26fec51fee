"""What a login chose for its screens, on both engines."""

import pytest

from core.domain.language import Language
from core.storage.database import proxy, transaction
from core.storage.models import Setting
from core.storage.schema import migrate
from core.use_cases.businesses import add_member, remove_member
from core.use_cases.settings import (
    AS_IT_COMES,
    Glyphs,
    Settings,
    Theme,
    keep_glyphs,
    keep_language,
    keep_lost,
    keep_theme,
    keep_zone,
    settings_of,
)
from tests.support.scene import NOON, OPERATOR


@pytest.mark.parametrize("theme", [*Theme, None])
def test_the_last_choice_is_kept(database: str, theme: Theme | None) -> None:
    for each in (Theme.DARK, None, theme):
        keep_theme("marie", each)
    assert settings_of("marie").theme is theme


def test_a_theme_of_another_version_is_as_if_none_were_chosen(database: str) -> None:
    with transaction():
        Setting.create(login="marie", name="theme", value="solarized")
    assert settings_of("marie") == AS_IT_COMES


@pytest.mark.parametrize(
    ("before", "theme"), [("off", Theme.NONE), ("on", Theme.TERMINAL), ("", None)]
)
def test_who_chose_about_colours_has_a_theme_now(
    database: str, before: str, theme: Theme | None
) -> None:
    with transaction():
        Setting.create(login="marie", name="colours", value=before)
        proxy.execute_sql("DELETE FROM schema_migration WHERE name = '0038_themes'")
    assert migrate() == ["0038_themes"]
    assert settings_of("marie") == Settings(theme)


def test_each_login_has_its_own_and_so_has_the_operator(database: str) -> None:
    keep_theme("marie", Theme.NONE)
    keep_zone("marie", "Europe/Brussels")
    keep_lost(None, "The secret was not confirmed.")
    assert settings_of("marie") == Settings(Theme.NONE, "Europe/Brussels")
    assert settings_of(None) == Settings(lost="The secret was not confirmed.")
    assert settings_of("paul") == AS_IT_COMES


@pytest.mark.parametrize("language", [Language.FRENCH, None])
def test_a_language_is_kept_with_the_login(database: str, language: Language | None) -> None:
    keep_language("marie", Language.DUTCH)
    keep_language("marie", language)
    assert settings_of("marie") == Settings(language=language)
    assert settings_of("paul") == AS_IT_COMES


def test_a_language_of_another_version_is_none(database: str) -> None:
    keep_language("marie", "tlh")  # type: ignore[arg-type]
    assert settings_of("marie") == AS_IT_COMES


def test_what_was_lost_is_forgotten_once_told(database: str) -> None:
    keep_lost("marie", "Edits were not saved.")
    keep_lost("marie", "")
    assert settings_of("marie") == AS_IT_COMES


def test_they_go_with_the_last_membership(business: int) -> None:
    add_member(OPERATOR, business, "paul", "owner", NOON)
    keep_theme("paul", Theme.NONE)
    remove_member(OPERATOR, business, "paul", NOON)
    assert settings_of("paul") == AS_IT_COMES


@pytest.mark.parametrize("glyphs", [*Glyphs, None])
def test_glyphs_are_kept_with_the_login(database: str, glyphs: Glyphs | None) -> None:
    keep_glyphs("marie", Glyphs.ASCII)
    keep_glyphs("marie", glyphs)
    assert settings_of("marie") == Settings(glyphs=glyphs)
    assert settings_of("paul") == AS_IT_COMES
