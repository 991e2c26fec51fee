"""What a login chose for its screens, on both engines."""

import pytest

from core.use_cases.businesses import add_member, remove_member
from core.use_cases.settings import AS_IT_COMES, Settings, keep_colours, keep_lost, settings_of
from tests.support.scene import NOON, OPERATOR


@pytest.mark.parametrize("colours", [True, False, None])
def test_the_last_choice_is_kept(database: str, colours: bool | None) -> None:
    for each in (True, False, colours):
        keep_colours("marie", colours=each)
    assert settings_of("marie").colours is colours


def test_each_login_has_its_own_and_so_has_the_operator(database: str) -> None:
    keep_colours("marie", colours=False)
    keep_lost(None, "The secret was not confirmed.")
    assert settings_of("marie") == Settings(colours=False)
    assert settings_of(None) == Settings(lost="The secret was not confirmed.")
    assert settings_of("paul") == AS_IT_COMES


def test_what_was_lost_is_forgotten_once_told(database: str) -> None:
    keep_lost("marie", "Edits were not saved.")
    keep_lost("marie", "")
    assert settings_of("marie") == AS_IT_COMES


def test_they_go_with_the_last_membership(business: int) -> None:
    add_member(OPERATOR, business, "paul", "owner", NOON)
    keep_colours("paul", colours=False)
    remove_member(OPERATOR, business, "paul", NOON)
    assert settings_of("paul") == AS_IT_COMES
