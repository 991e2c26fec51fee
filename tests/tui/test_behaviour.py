"""What the keys do, and what they do not do twice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from core import queries
from core.database import proxy, transaction
from core.delivery import Status
from core.directory import add_business, add_member, remove_member, set_business
from core.events import SELECTABLE
from core.models import AuditEntry, Delivery, Event
from core.plans import Actor
from core.signing import Secret
from core.vault import Vault
from tests.support.scene import MINUTE, NOON, OPERATOR, SECOND
from tests.support.showcase import (
    CI,
    OK,
    PAY,
    OnePage,
    add_delivery,
    crumbs_of,
    drawn,
    make_desk,
    play,
    press,
    quiet,
    says,
    typed,
    uuid_of,
)
from tui.app import IDLE_LIMIT, WebhooksApp
from tui.desk import Desk
from tui.screens.secret import ShownSecret
from tui.screens.set_up import SetUp
from tui.widgets.table import Table

SECRET = Secret("whsec_EXAMPLEonlyEXAMPLEonlyEXAMPLEonlyEXAMPLEon")
URL = "https://hooks.example.org/aurapos"


def actions(action: str) -> int:
    """How often that was done, by the audit trail."""
    return AuditEntry.select().where(AuditEntry.action == action).count()


def urls(desk: Desk) -> list[str]:
    return [row.url for row in queries.webhooks(desk.actor, 1)]


class TestMakingAWebhook:
    def test_a_url_and_enter_and_s_is_all(self, empty: Desk) -> None:
        app = WebhooksApp(empty)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n", typed(URL), "ctrl+s")
            assert "Secret, shown once" in crumbs_of(app)
            assert "whsec_" in drawn(app)

        play(app, script)
        rows = queries.webhooks(empty.actor, 1)
        assert [(row.url, row.events) for row in rows] == [(URL, SELECTABLE)]

    def test_saved_twice_it_is_made_once(self, empty: Desk) -> None:
        app = WebhooksApp(empty)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n", typed(URL))
            await pilot.press("ctrl+s", "ctrl+s", "ctrl+s")
            await quiet(pilot)

        play(app, script)
        assert urls(empty) == [URL]

    def test_numbers_choose_events(self, empty: Desk) -> None:
        app = WebhooksApp(empty)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n", typed(URL), "tab", "i", "1", "down", "space", "ctrl+s")

        play(app, script)
        assert queries.webhooks(empty.actor, 1)[0].events == SELECTABLE[:2]

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("ftp://example.org", "https://"),
            ("https://169.254.169.254/latest", "!"),
            ("https://exa mple.org", "!"),
            ("\x1b[2J", "!"),
        ],
    )
    def test_rubbish_is_told_while_typing_and_is_not_saved(
        self, empty: Desk, url: str, says: str
    ) -> None:
        app = WebhooksApp(empty)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n")
            app.screen.query_one("Entry").value = url  # type: ignore[attr-defined]
            await quiet(pilot)
            assert says in drawn(app).splitlines()[2]
            await press(pilot, "ctrl+s")
            assert crumbs_of(app).startswith("Webhooks › New")
            assert "!" in "".join(drawn(app).splitlines()[-3:])

        play(app, script)
        assert urls(empty) == []

    def test_escape_does_not_throw_edits_away_at_once(self, app: WebhooksApp, desk: Desk) -> None:
        before = urls(desk)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "e", "x", "escape")
            assert "Edit" in crumbs_of(app)
            assert "Unsaved changes" in drawn(app)
            await press(pilot, "escape")
            assert crumbs_of(app).startswith("Webhooks  ")

        play(app, script)
        assert urls(desk) == before

    def test_an_edit_is_saved(self, app: WebhooksApp, desk: Desk) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "e", "end", "2", "tab", "1", "ctrl+s")
            assert "is saved" in drawn(app)

        play(app, script)
        changed = queries.webhook(desk.actor, CI)
        assert (changed.url, changed.events) == ("https://ci.example.com/in2", SELECTABLE[1:])


class TestTheSecret:
    def test_what_is_pasted_back_is_compared(self, empty: Desk) -> None:
        app = OnePage(empty, ShownSecret(1, URL, SECRET, is_new=True))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "tab", typed("wrong1"))
            assert "not how it ends" in drawn(app)
            await press(pilot, ("backspace",) * 6, typed(SECRET.reveal()[-6:]))
            assert "it is stored" in drawn(app)

        play(app, script)

    def test_it_is_not_left_at_one_careless_key(self, empty: Desk) -> None:
        app = OnePage(empty, ShownSecret(1, URL, SECRET, is_new=True))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "q")
            assert SECRET.reveal() in drawn(app)
            assert "never shown again" in drawn(app)
            await press(pilot, "q")

        play(app, script)
        assert app.return_code == 0

    def test_the_clipboard_is_only_asked(self, empty: Desk, monkeypatch: Any) -> None:
        monkeypatch.setenv("TERM", "tmux-256color")
        app = OnePage(empty, ShownSecret(1, URL, SECRET, is_new=True))
        written: list[str] = []

        async def script(pilot: Pilot[None]) -> None:
            assert app._driver is not None
            monkeypatch.setattr(app._driver, "write", written.append)
            await press(pilot, "y")
            assert "Sent to your terminal" in drawn(app)

        play(app, script)
        assert any(text.startswith("\x1b]52;c;") and "\x1bPtmux;" in text for text in written)


class TestTests:
    def test_the_answer_comes_on_the_flash_line(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await pilot.press("t")
            await until(pilot, lambda: actions("tested") == 1)
            event = Event.select().order_by(Event.id.desc()).get()
            deliver(event.id, CI)
            await until(pilot, lambda: "test delivered: 200 in 143 ms" in drawn(app))

        play(app, script)

    def test_pressed_twice_it_is_sent_once(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await pilot.press("t", "t", "t")
            await until(pilot, lambda: actions("tested") > 0)

        play(app, script)
        assert actions("tested") == 1

    def test_without_a_worker_it_says_so(self, desk: Desk) -> None:
        hours = iter(range(10_000))
        app = WebhooksApp(replace(desk, clock=lambda: NOON + next(hours) * 10 * SECOND))

        async def script(pilot: Pilot[None]) -> None:
            await pilot.press("t")
            await until(pilot, lambda: "is the worker running?" in drawn(app).splitlines()[-2])

        play(app, script)


class TestTheHistory:
    def test_new_rows_are_announced_and_the_cursor_stays(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h", "j", "j")
            table = app.screen.query_one(Table)
            under = table.at_key
            add_delivery(900, CI, SELECTABLE[0], Status.DELIVERED, NOON, OK)
            await until(pilot, lambda: "1 new, g to see" in drawn(app))
            assert table.at_key == under
            await press(pilot, "g")
            assert table.at_key == str(uuid_of(900))

        play(app, script)

    def test_paused_nothing_moves(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h", "p")
            assert "PAUSED" in crumbs_of(app)
            before = drawn(app)
            add_delivery(900, CI, SELECTABLE[0], Status.DELIVERED, NOON, OK)
            await pilot.pause(1.2)  # more than a poll
            assert drawn(app) == before
            await press(pilot, "p")
            await until(pilot, lambda: drawn(app) != before)

        play(app, script)

    def test_failed_only_and_the_filter(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "down", "h", "f")
            assert "delivered " not in "\n".join(drawn(app).splitlines()[2:10])
            await press(pilot, "slash", typed("refused"))
            assert app.screen.query_one(Table).row_count == 1
            await press(pilot, "escape", "f")
            assert app.screen.query_one(Table).row_count == 7

        play(app, script)

    def test_redelivered_twice_by_a_double_press_it_is_once(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "down", "h", "down", "down")
            await pilot.press("R", "R")
            await quiet(pilot)
            assert "goes again" in drawn(app)

        play(app, script)
        assert actions("redelivered") == 1
        assert Delivery.get(Delivery.uuid == uuid_of(111)).status == Status.PENDING

    def test_j_and_k_walk_through_all_deliveries(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h", "enter", "j", "j", "k")
            assert "2 of 46 · j/k" in crumbs_of(app)
            await press(pilot, "k", "k", "k")
            assert "1 of 46" in crumbs_of(app)

        play(app, script)

    def test_moving_the_cursor_asks_the_database_nothing(self, app: WebhooksApp) -> None:
        asked: list[str] = []

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h", "p")
            proxy.query_hooks.append(lambda *query: asked.append(str(query[0])))
            await press(pilot, ("j",) * 10, ("k",) * 10, "G", "g", "pagedown")
            proxy.query_hooks.clear()

        play(app, script)
        assert asked == []


class TestWhatCannotBeUndone:
    def test_enter_alone_is_cancel(self, app: WebhooksApp, desk: Desk) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "d", "enter")
            assert crumbs_of(app).startswith("Webhooks  ")

        play(app, script)
        assert len(urls(desk)) == 3

    @pytest.mark.parametrize("name", ["y", "yes", "ci.example.co", "CI.example.com "])
    def test_less_than_the_name_deletes_nothing(
        self, app: WebhooksApp, desk: Desk, name: str
    ) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "d", typed(name), "enter", "tab", "tab", "enter")

        play(app, script)
        assert len(urls(desk)) == 3

    def test_the_name_does(self, app: WebhooksApp, desk: Desk) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "d", typed("ci.example.com"))
            assert "does it." in drawn(app)
            await pilot.press("enter", "enter")
            await quiet(pilot)

        play(app, script)
        assert len(urls(desk)) == 2
        assert actions("deleted") == 1

    def test_regenerating_shows_the_new_secret(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "s", typed("ci.example.com"), "enter")
            assert "The old secret stopped working just now." in drawn(app)

        play(app, script)
        assert actions("secret regenerated") == 1


class TestRecovering:
    def test_what_is_chosen_goes_again(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "down", "r", "space", "R")
            assert "1 deliveries are queued again" in drawn(app)

        play(app, script)
        assert actions("redelivered") == 1
        assert Delivery.get(Delivery.uuid == uuid_of(110)).status == Status.PENDING
        assert Delivery.get(Delivery.uuid == uuid_of(111)).status == Status.ABANDONED

    def test_further_back(self, app: WebhooksApp) -> None:
        long_ago = NOON - 60 * 24 * 60 * MINUTE
        failed = (500, None, "", "no")
        add_delivery(901, PAY, SELECTABLE[0], Status.ABANDONED, long_ago, failed)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "down", "r")
            assert "2 abandoned in the last 24 hours" in crumbs_of(app)
            await press(pilot, "s", "s")
            assert "3 abandoned in the last 90 days" in crumbs_of(app)

        play(app, script)


class TestWhoMay:
    def test_whoever_is_removed_in_mid_session_is_turned_away(self, app: WebhooksApp) -> None:
        add_member(OPERATOR, 1, "anna", "owner", NOON)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h")
            remove_member(OPERATOR, 1, "marie", NOON)
            await until(pilot, lambda: says(app, "not an owner of any business"))
            assert "ci.example.com" not in drawn(app)
            await press(pilot, "q")

        play(app, script)
        assert app.return_code == 0

    def test_without_the_option_an_action_says_what_it_costs(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            set_business(OPERATOR, 1, NOON, edition="studio", option=False)
            await press(pilot, "t")
            assert "€24 a month" in drawn(app)
            await press(pilot, "q")
            assert "ci.example.com" in drawn(app)

        play(app, script)
        assert actions("tested") == 0

    def test_two_businesses_are_chosen_between(self, desk: Desk) -> None:
        add_business(OPERATOR, "Bar du Coin", "group", "marie", NOON)
        app = WebhooksApp(desk)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "down", "enter")
            assert "Bar du Coin · marie" in crumbs_of(app)
            await press(pilot, "b", "enter")
            assert "Chez Marie · marie" in crumbs_of(app)

        play(app, script)

    def test_a_business_that_is_not_one_s_own(self, desk: Desk) -> None:
        app = WebhooksApp(replace(desk, business_id=7))

        async def script(pilot: Pilot[None]) -> None:
            assert says(app, "not an owner of that business")

        play(app, script)


class TestLivingAndDying:
    def test_a_database_that_comes_back_is_told(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            rename("attempt", "gone")
            await until(pilot, lambda: "! The database" in drawn(app))
            rename("gone", "attempt")
            await until(pilot, lambda: "answers again" in drawn(app))
            add_delivery(900, CI, SELECTABLE[0], Status.FAILED, NOON, (500, None, "", "no"))
            await until(pilot, lambda: "2 of 3 failing" in drawn(app))

        def rename(table: str, to: str) -> None:
            with transaction():
                proxy.execute_sql(f"ALTER TABLE {table} RENAME TO {to}")

        play(app, script)

    def test_a_bug_ends_it_with_a_number_and_without_a_value(self, desk: Desk) -> None:
        def broken() -> Vault:
            secret = SECRET.reveal()
            raise RuntimeError(secret)

        app = WebhooksApp(replace(desk, open_vault=broken))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n", typed(URL), "ctrl+s")

        with pytest.raises(RuntimeError):
            play(app, script)
        assert "RuntimeError at " in app.crash
        assert "whsec_" not in app.crash
        assert app.return_code == 1

    def test_left_alone_it_closes(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            app._last_input -= IDLE_LIMIT + 1
            app._leave_if_idle()

        play(app, script)
        assert app.return_code == 0

    def test_a_window_too_small_says_so_and_q_still_works(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            assert drawn(app).startswith("Make the window bigger.")
            await press(pilot, "q")

        play(app, script, size=(39, 9))
        assert app.return_code == 0

    def test_the_first_business_is_set_up(self, empty: Desk, vault: Vault) -> None:
        asked: list[tuple[str, ...]] = []

        def set_up(*answers: str) -> Desk:
            asked.append(answers)
            return make_desk(vault, Actor(None, "test"))

        app = OnePage(empty, SetUp(set_up))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, typed("Chez Marie"), "tab", "tab", "down", "down", "ctrl+s")
            assert "Press n to create one" in drawn(app)

        play(app, script)
        assert [answers[::2] for answers in asked] == [("Chez Marie", asked[0][2])]
        assert asked[0][1] == "express"


def test_the_keys_of_every_screen_are_in_its_help(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "h", "question_mark")
        for told in ("Failed only", "Redeliver", "Filter", "Help", "Back"):
            assert told in drawn(app)

    play(app, script)


def test_a_footer_has_nine_entries_at_most_with_help_and_the_way_out(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        for keys in ((), ("h",), ("enter",)):
            await press(pilot, *keys)
            footer = drawn(app).splitlines()[-1].strip()
            assert "? help" in footer
            assert "q " in footer
            assert len(footer.split("  ")) <= 9

    play(app, script)


async def until(pilot: Pilot[None], condition: Callable[[], Any], looks: int = 600) -> None:
    """Until it is so; fails when it is not after so many looks."""
    for _ in range(looks):
        if condition():
            return
        await pilot.pause(0.02)  # between two looks
    raise AssertionError(drawn_or_nothing(pilot))


def drawn_or_nothing(pilot: Pilot[None]) -> str:
    return drawn(pilot.app) if isinstance(pilot.app, WebhooksApp) else ""


def deliver(event_id: int, webhook_id: int) -> None:
    """What a worker would have made of a test."""
    with proxy.atomic():
        add_delivery(950, webhook_id, SELECTABLE[0], Status.DELIVERED, NOON, OK)
        Delivery.update(event=event_id).where(Delivery.uuid == uuid_of(950)).execute()
