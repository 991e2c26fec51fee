"""What every screen looks like: filled, empty and in trouble."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.domain.actors import Actor
from core.domain.checking import Ping, Reaction, report
from core.domain.delivery import Recovery, Status
from core.domain.events import EventType
from core.domain.signing import Secret
from core.storage.database import proxy
from core.storage.vault import Vault
from core.use_cases import workers
from core.use_cases.businesses import add_business, set_business
from core.use_cases.first_steps import note_secret_stored
from tests.support.addresses import add_address, ask
from tests.support.scene import MARIE, MINUTE, NOON, OPERATOR
from tests.support.showcase import (
    CI,
    OK,
    OnePage,
    abandoned_in_outage,
    add_delivery,
    at_rest,
    forget_the_past,
    keys,
    make_desk,
    register_three,
    tick,
    typed,
)
from tui.app import WebhooksApp
from tui.desk import Desk
from tui.screens.first_business import SetUp
from tui.screens.secret import ShownSecret

Snap = Callable[..., bool]
SMALL, WIDE = (40, 10), (120, 40)
SECRET = Secret("whsec_EXAMPLEonlyEXAMPLEonlyEXAMPLEonlyEXAMPLEon")
TAKEN, REFUSED = Reaction(200, None, ""), Reaction(401, None, "")
HISTORY = ("h",)  # of the webhook that fails, at which the list begins

pytestmark = pytest.mark.files_only("draws what queries find, which are tried on both engines")


SCREENS = [
    pytest.param((), (80, 24), id="webhooks"),
    pytest.param((), SMALL, id="webhooks_small"),
    pytest.param((), WIDE, id="webhooks_wide"),
    pytest.param(("slash", typed("pay")), (80, 24), id="webhooks_filtered"),
    pytest.param(HISTORY, (80, 24), id="history"),
    pytest.param(HISTORY, SMALL, id="history_small"),
    pytest.param(HISTORY, WIDE, id="history_wide"),
    pytest.param((*HISTORY, "f", "space"), (80, 24), id="history_failed_only"),
    pytest.param(("g", "h", "f", "e"), (80, 24), id="history_nothing_like_that"),
    pytest.param(("G", "h"), (80, 24), id="history_empty"),
    pytest.param((*HISTORY, "down", "enter"), (80, 24), id="delivery_failed"),
    pytest.param((*HISTORY, "down", "enter"), WIDE, id="delivery_wide"),
    pytest.param((*HISTORY, "enter"), (80, 24), id="delivery_pending"),
    pytest.param((*HISTORY, "down", "down", "down", "enter"), (80, 24), id="delivery_abandoned"),
    pytest.param(("n",), (80, 24), id="new"),
    pytest.param(("n", typed("https://192.168.1.7/x")), (80, 24), id="new_blocked"),
    pytest.param(("n", typed("hooks.example.org/in")), SMALL, id="new_small"),
    pytest.param(("n",), (39, 24), id="new_too_small"),
    pytest.param(("e",), (80, 24), id="edit"),
    pytest.param(("e", "tab", "i", "escape"), (80, 24), id="edit_unsaved"),
    pytest.param(("d",), (80, 24), id="delete"),
    pytest.param(("d", typed("pay.ex")), (80, 24), id="delete_typing"),
    pytest.param(("d", typed("ci.ex")), (80, 24), id="delete_wrong"),
    pytest.param(("s",), (80, 24), id="regenerate"),
    pytest.param(("V",), (80, 24), id="check"),
    pytest.param(("V",), SMALL, id="check_small"),
    pytest.param(("T",), (80, 24), id="sample"),
    pytest.param(("T",), SMALL, id="sample_small"),
    pytest.param(("n", "tab", "down", "down", "w"), (80, 24), id="catalogue"),
    pytest.param(("r", "space"), (80, 24), id="recover"),
    pytest.param(("g", "r"), (80, 24), id="recover_empty"),
    pytest.param(("a",), (80, 24), id="activity"),
    pytest.param(("a",), SMALL, id="activity_small"),
    pytest.param(("a",), WIDE, id="activity_wide"),
    pytest.param(("a", "f", "slash", typed("refused")), (80, 24), id="activity_filtered"),
    pytest.param(("A",), (80, 24), id="trail"),
    pytest.param(("F", typed("T-112"), "enter"), (80, 24), id="find"),
    pytest.param(("F", typed("T-112"), "enter"), SMALL, id="find_small"),
    pytest.param(("F", typed("112"), "enter"), (80, 24), id="find_nothing"),
    pytest.param(("comma", "space", "space"), (80, 24), id="settings"),
    pytest.param(("comma", "m"), (80, 24), id="mail"),
    pytest.param(("comma", "m", typed("nobody"), "enter"), (80, 24), id="mail_wrong"),
    pytest.param(("question_mark",), (80, 24), id="help"),
]
"""What is pressed to come there, and how large the window is."""


@pytest.mark.parametrize(("pressed", "size"), SCREENS)
def test_screen(
    app: WebhooksApp,
    snap_compare: Snap,
    pressed: tuple[Any, ...],
    size: tuple[int, int],
) -> None:
    assert snap_compare(app, run_before=keys(*pressed), terminal_size=size)


@pytest.mark.parametrize("size", [(80, 24), SMALL], ids=["", "small"])
def test_mail_asked(
    app: WebhooksApp, vault: Vault, snap_compare: Snap, size: tuple[int, int]
) -> None:
    """One address counts, and another one waits for its code."""
    add_address(vault, 1)
    ask(1, "shop@example.com")
    assert snap_compare(app, run_before=keys("comma", "m"), terminal_size=size)


def test_mail_without_a_server(app: WebhooksApp, snap_compare: Snap) -> None:
    desk = replace(app.desk, sends_mail=False)
    assert snap_compare(WebhooksApp(desk), run_before=keys("comma", "m"))


def test_webhooks_empty(empty: Desk, snap_compare: Snap) -> None:
    assert snap_compare(WebhooksApp(empty), run_before=keys())


def test_webhooks_without_colour(
    app: WebhooksApp, snap_compare: Snap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(WebhooksApp(app.desk), run_before=keys())


@pytest.mark.parametrize("pressed", [(), (*HISTORY, "down", "enter")], ids=["webhooks", "delivery"])
def test_in_ascii(
    app: WebhooksApp, snap_compare: Snap, pressed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "linux")
    assert snap_compare(app, run_before=keys(*pressed), terminal_size=WIDE)


def test_webhooks_without_a_worker(empty: Desk, vault: Vault, snap_compare: Snap) -> None:
    register_three(vault, 1)
    assert snap_compare(WebhooksApp(empty), run_before=keys())


@pytest.mark.parametrize("size", [(80, 24), WIDE, SMALL], ids=["usual", "wide", "small"])
def test_first_steps(empty: Desk, vault: Vault, snap_compare: Snap, size: tuple[int, int]) -> None:
    register_three(vault, 1)
    note_secret_stored(MARIE, CI, NOON)
    add_delivery(900, CI, EventType.PING, Status.DELIVERED, NOON, OK)
    tick()
    assert snap_compare(WebhooksApp(empty), run_before=keys(), terminal_size=size)


@pytest.mark.parametrize(
    ("pressed", "table"),
    [
        pytest.param(("n", "escape"), "attempt", id="webhooks"),
        pytest.param(HISTORY, "attempt", id="history"),
        pytest.param("r", "attempt", id="recover"),
        pytest.param("a", "attempt", id="activity"),
        pytest.param("A", "audit_entry", id="trail"),
    ],
)
def test_database_that_fails(
    app: WebhooksApp, snap_compare: Snap, pressed: tuple[Any, ...], table: str
) -> None:
    """The screen says so in a sentence, and goes on."""

    async def break_it(pilot: Any) -> None:
        await keys(*pressed[:-1])(pilot)
        await at_rest(pilot)  # the card is read before that
        proxy.execute_sql(f"ALTER TABLE {table} RENAME TO gone")
        await keys(*pressed[-1:])(pilot)

    assert snap_compare(app, run_before=break_it)


def _secret() -> ShownSecret:
    return ShownSecret(1, "https://pay.example.net/hook", SECRET, is_new=True)


def test_secret_shown(empty: Desk, snap_compare: Snap) -> None:
    assert snap_compare(OnePage(empty, _secret), run_before=keys())


def test_secret_small(empty: Desk, snap_compare: Snap) -> None:
    assert snap_compare(OnePage(empty, _secret), run_before=keys(), terminal_size=SMALL)


def test_secret_regenerated_and_checked_wrongly(empty: Desk, snap_compare: Snap) -> None:
    def regenerated() -> ShownSecret:
        return ShownSecret(1, "https://pay.example.net/hook", SECRET, is_new=False)

    app = OnePage(empty, regenerated)
    assert snap_compare(app, run_before=keys("2", "tab", typed("aaaaaa")))


def test_businesses(desk: Desk, snap_compare: Snap) -> None:
    add_business(OPERATOR, "Bar du [b]Coin[/b]", "boutique", "marie", NOON)
    assert snap_compare(WebhooksApp(desk), run_before=keys())


def test_not_included(desk: Desk, snap_compare: Snap) -> None:
    set_business(OPERATOR, 1, NOON, edition="boutique", option=False)
    assert snap_compare(WebhooksApp(desk), run_before=keys())


def test_not_included_and_what_is_kept(desk: Desk, snap_compare: Snap) -> None:
    set_business(OPERATOR, 1, NOON, edition="boutique", option=False)
    assert snap_compare(WebhooksApp(desk), run_before=keys("q"))


def test_not_an_owner(desk: Desk, snap_compare: Snap) -> None:
    elsewhere = replace(desk, actor=Actor("paul", "test"))
    assert snap_compare(WebhooksApp(elsewhere), run_before=keys())


def test_trail_empty(empty: Desk, snap_compare: Snap) -> None:
    forget_the_past()
    assert snap_compare(WebhooksApp(empty), run_before=keys("A"))


@pytest.mark.parametrize("size", [(80, 24), WIDE], ids=["usual", "wide"])
def test_activity_empty(empty: Desk, snap_compare: Snap, size: tuple[int, int]) -> None:
    assert snap_compare(WebhooksApp(empty), run_before=keys("a"), terminal_size=size)


def test_activity_before_the_first_delivery(empty: Desk, vault: Vault, snap_compare: Snap) -> None:
    register_three(vault, 1)
    assert snap_compare(WebhooksApp(empty), run_before=keys("a"))


def test_set_up(empty: Desk, vault: Vault, snap_compare: Snap, monkeypatch: Any) -> None:
    monkeypatch.setenv("LOGNAME", "marie")
    app = OnePage(empty, lambda: SetUp(lambda *_: make_desk(vault)))
    assert snap_compare(app, run_before=keys("ctrl+s"))


def test_waiting_while_no_worker_ticks(desk: Desk, snap_compare: Snap) -> None:
    later = replace(desk, clock=lambda: NOON + 10 * MINUTE)
    assert workers.waiting_since(later.clock()) is not None
    assert snap_compare(WebhooksApp(later), run_before=keys())


ABANDONED = (*HISTORY, "down", "down", "down", "enter")


def test_delivery_abandoned_in_an_outage(app: WebhooksApp, snap_compare: Snap) -> None:
    """It says until when it may still go out by itself."""
    abandoned_in_outage(Recovery.DUE)
    assert snap_compare(app, run_before=keys(*ABANDONED))


def test_delivery_sent_again_after_an_outage(app: WebhooksApp, snap_compare: Snap) -> None:
    abandoned_in_outage(Recovery.MADE)
    assert snap_compare(app, run_before=keys(*ABANDONED))


@pytest.mark.parametrize(
    ("picture", "snapshot"),
    [
        ("webhooks", "test_screen[webhooks_wide]"),
        ("edit", "test_screen[edit]"),
        ("secret", "test_secret_shown"),
        ("history", "test_screen[history_wide]"),
        ("delivery", "test_screen[delivery_wide]"),
    ],
)
def test_the_readme_shows_the_screens_as_they_are(picture: str, snapshot: str) -> None:
    """`make pictures` brings them up to date."""
    here = Path(__file__).parent
    shown = here.parents[1] / "docs" / "screens" / f"{picture}.svg"
    taken = here / "__snapshots__" / "test_snapshots" / f"{snapshot}.svg"
    assert shown.read_text() == taken.read_text()


@pytest.mark.parametrize(
    "reactions",
    [
        pytest.param({Ping.TAMPERED: REFUSED, Ping.WRONG_SECRET: REFUSED}, id="sound"),
        pytest.param({Ping.TAMPERED: TAKEN, Ping.WRONG_SECRET: TAKEN}, id="forgeable"),
    ],
)
def test_check_done(
    app: WebhooksApp,
    snap_compare: Snap,
    monkeypatch: pytest.MonkeyPatch,
    reactions: dict[Ping, Reaction],
) -> None:
    found = report({Ping.GOOD: TAKEN, **reactions, Ping.AGAIN: TAKEN})
    monkeypatch.setattr("tui.screens.check.go_on", lambda *_, **__: found)
    assert snap_compare(app, run_before=keys("V", "enter"))
