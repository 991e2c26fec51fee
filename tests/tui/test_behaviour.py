"""What the keys do, and what they do not do twice."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from peewee import fn
from textual.events import Paste
from textual.pilot import Pilot

from core.domain.actors import Actor
from core.domain.checking import Ping, Reaction, report
from core.domain.choices import Choices, Format
from core.domain.delivery import ErrorKind, Status
from core.domain.events import SELECTABLE, EventType
from core.domain.language import Language
from core.domain.signing import Secret
from core.storage.choosing import open_headers
from core.storage.database import proxy, transaction
from core.storage.models import AuditEntry, Delivery, Event, Webhook
from core.storage.vault import Vault
from core.use_cases import queries, services
from core.use_cases.businesses import add_business, add_member, remove_member, set_business
from core.use_cases.settings import keep_lost, settings_of
from tests.support import waiting
from tests.support.scene import DAY, MARIE, MINUTE, NOON, OPERATOR, SECOND
from tests.support.showcase import (
    CI,
    NEW,
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
    register_three,
    says,
    typed,
    uuid_of,
)
from tests.support.waiting import PATIENCE
from tui.app import IDLE_LIMIT, WebhooksApp
from tui.desk import Desk
from tui.page import Page
from tui.screens import webhooks
from tui.screens.first_business import SetUp
from tui.screens.secret import ShownSecret
from tui.widgets import bars
from tui.widgets.entry import Entry
from tui.widgets.table import Table

SECRET = Secret("whsec_EXAMPLEonlyEXAMPLEonlyEXAMPLEonlyEXAMPLEon")
URL = "https://hooks.example.org/aurapos"

of_the_screen = pytest.mark.files_only("is about the screen")


@pytest.fixture
def at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys pressed twice are a double press, however slow this machine is."""
    monkeypatch.setattr("tui.page.monotonic", lambda: 1e6)


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

    @of_the_screen
    def test_enter_goes_on_from_the_events_and_chooses_none(self, empty: Desk) -> None:
        app = WebhooksApp(empty)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n", typed(URL), "enter", "enter")
            assert app.focused is app.screen.query_one("#name")
            await press(pilot, "ctrl+s")

        play(app, script)
        assert queries.webhooks(empty.actor, 1)[0].events == SELECTABLE

    def test_numbers_choose_events_without_shift_on_a_belgian_keyboard(self, empty: Desk) -> None:
        app = WebhooksApp(empty)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n", typed(URL), "tab", "i", typed("&é\"'(§è"))
            assert says(app, "7 of 7")
            await press(pilot, typed("è"), "ctrl+s", typed("é"))
            assert says(app, "hash_hmac")  # PHP's

        play(app, script)
        assert queries.webhooks(empty.actor, 1)[0].events == SELECTABLE[:-1]

    def test_numbers_choose_events(self, empty: Desk) -> None:
        app = WebhooksApp(empty)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n", typed(URL), "tab", "i", "1", "down", "space", "ctrl+s")

        play(app, script)
        assert queries.webhooks(empty.actor, 1)[0].events == SELECTABLE[:2]

    @of_the_screen
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

    @of_the_screen
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

    @of_the_screen
    @pytest.mark.parametrize("key", ["ctrl+q", "escape"])
    def test_every_way_out_asks_while_edits_are_unsaved(self, app: WebhooksApp, key: str) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "e", "x", key)
            assert says(app, "Unsaved changes: ^s saves them. The same key once more leaves.")
            await press(pilot, "x", key)
            assert "Edit" in crumbs_of(app)
            await press(pilot, "f1", "Q")
            assert says(app, "Unsaved changes")

        play(app, script)

    @of_the_screen
    @pytest.mark.parametrize("columns", [40, 60, 80, 120])
    @pytest.mark.parametrize("length", [20, 60, 70, 200, 2000])
    def test_a_long_url_shows_its_end_its_tick_and_the_cursor(
        self, empty: Desk, columns: int, length: int
    ) -> None:
        url = "https://example.org/".ljust(length - 3, "x") + "end"
        app = WebhooksApp(empty)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n")
            entry = app.screen.query_one(Entry)
            app.post_message(Paste(url))
            await quiet(pilot)
            line = drawn(app).splitlines()[1]
            assert line.rstrip().endswith("✓")
            assert url[-12:] in line
            assert entry.region.right == app.screen.query_one("#tick").region.x
            await pilot.resize_terminal(columns // 2 + 20, 24)
            await quiet(pilot)
            assert url[-12:] in drawn(app).splitlines()[1]
            assert 0 <= entry.cursor_position - entry.scroll_offset.x < entry.region.width

        play(app, script, (columns, 24))

    @of_the_screen
    @pytest.mark.parametrize(
        "pasted", [f"  {URL}\n", f"\n\n{URL}", f"{URL[:30]}\n   {URL[30:]}\r\n", f"\t{URL} "]
    )
    def test_what_is_pasted_is_stripped(self, empty: Desk, pasted: str) -> None:
        app = WebhooksApp(empty)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n")
            app.post_message(Paste(pasted))
            await press(pilot, "ctrl+s")

        play(app, script)
        assert urls(empty) == [URL]

    @of_the_screen
    @pytest.mark.parametrize("key", ["enter", "ctrl+s"])
    def test_https_is_offered_where_only_it_is_missing(self, empty: Desk, key: str) -> None:
        app = WebhooksApp(empty)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n", typed("hooks.example.org/aurapos"))
            assert says(app, "ok: with https:// in front, which enter or ^s puts there")
            await press(pilot, key, "ctrl+s")

        play(app, script)
        assert urls(empty) == [URL]

    @of_the_screen
    @pytest.mark.parametrize("text", ["192.168.1.7/x", "ftp://example.org"])
    def test_https_is_not_offered_where_it_would_not_help(self, empty: Desk, text: str) -> None:
        app = WebhooksApp(empty)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n", typed(text), "ctrl+s")
            assert app.screen.query_one(Entry).value == text

        play(app, script)
        assert urls(empty) == []

    def test_an_edit_is_saved(self, app: WebhooksApp, desk: Desk) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "e", "end", "2", "tab", "1", "ctrl+s")
            assert "is saved" in drawn(app)

        play(app, script)
        changed = queries.webhook(desk.actor, CI)
        assert (changed.url, changed.events) == ("https://ci.example.com/in2", SELECTABLE[1:])

    def test_what_may_be_chosen_is_saved_and_shown_again(
        self, app: WebhooksApp, desk: Desk
    ) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "e", "tab", "tab", typed("Till"), "enter", "space", "tab", "left")
            assert says(app, "(x) Nederlands")
            await press(pilot, ("tab",) * 5, "space")
            assert says(app, "(x) when another webhook fails")
            await press(pilot, "escape")
            assert "Unsaved changes" in drawn(app)
            await press(pilot, "ctrl+s")
            assert "Till · https://ci" in drawn(app)
            await press(pilot, "e")
            assert crumbs_of(app).startswith("Webhooks › Till › Edit")
            assert says(app, "(x) a chat line")

        play(app, script)
        chosen = queries.webhook(desk.actor, CI).choices
        assert chosen == Choices("Till", Format.CHAT, Language.DUTCH, alerts=True)

    def test_conditions_are_tried_before_they_are_saved(self, app: WebhooksApp, desk: Desk) -> None:
        to_the_conditions = ("tab",) * 7

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "e", to_the_conditions, typed("total_tv"), "right", typed(" >"))
            await until_says(pilot, '! "total_tvac >" has no JSON value')
            await press(pilot, typed("= 55.1"))
            await until_says(pilot, "Of your last 50 events, 50 would have gone")
            await press(pilot, ("backspace",) * 4, typed("99"))
            await until_says(pilot, "Of your last 50 events, 0 would have gone")
            await press(pilot, "ctrl+s", "e")
            await until_says(
                pilot, "Of your last 50 events, 0 would have gone · 0 kept back in 24 hours"
            )

        async def until_says(pilot: Pilot[None], text: str) -> None:
            await until(pilot, lambda: says(app, text))

        play(app, script)
        assert queries.webhook(desk.actor, CI).choices.only == ("total_tvac >= 99",)

    def test_own_headers_are_typed_once_and_never_shown_again(
        self, app: WebhooksApp, desk: Desk
    ) -> None:
        to_the_headers = ("tab",) * 6

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "e", to_the_headers, typed("X-Api-Key: s3same | X-Tenant: me"))
            await press(pilot, "ctrl+s", "e")
            assert says(app, "Headers X-Api-Key | X-Tenant")
            assert "s3same" not in drawn(app)
            await press(pilot, to_the_headers, "end", typed(" | Host: x"), "ctrl+s")
            assert says(app, "! The header Host would change")
            await press(pilot, ("backspace",) * len(" | X-Tenant | Host: x"), "ctrl+s")
            assert "is saved" in drawn(app)

        play(app, script)
        assert queries.webhook(desk.actor, CI).choices.headers == ("X-Api-Key",)

    def test_a_header_s_value_may_have_a_bar(self, app: WebhooksApp, desk: Desk) -> None:
        to_the_headers = ("tab",) * 6

        async def script(pilot: Pilot[None]) -> None:
            typed_in = typed("X-Api-Key: 12|s3same|| | X-Tenant: me |")
            await press(pilot, "e", to_the_headers, typed_in, "ctrl+s")
            assert "is saved" in drawn(app)

        play(app, script)
        sealed = Webhook.get_by_id(CI)
        headers = open_headers(desk.open_vault(), sealed.headers, sealed.business_id, CI)
        values = {each.name: each.value.reveal() for each in headers if each.value is not None}
        assert values == {"X-Api-Key": "12|s3same||", "X-Tenant": "me"}

    def test_the_language_is_asked_for_where_there_is_a_line_to_say(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n", "tab", "tab", "tab")
            assert "Language" not in drawn(app)
            await press(pilot, "space")
            assert "Language" in drawn(app)
            await press(pilot, "left")
            assert "Language" not in drawn(app)

    def test_what_is_in_an_event_can_be_read(self, empty: Desk) -> None:
        app = WebhooksApp(empty)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "n", "tab", "j", "j", "w")
            assert says(app, "points_fidelite The points on the loyalty card.")
            await press(pilot, "g")
            assert says(app, "numero The number that is printed on the ticket.")
            assert not says(app, "lignes[].total_tvac")
            await press(pilot, "space")
            assert says(app, "lignes[].total_tvac The price of all of them")
            await press(pilot, "q")
            assert "[x] 3 client.created" in drawn(app)

        play(app, script)


@of_the_screen
class TestTheSecret:
    def test_what_is_pasted_back_is_compared(self, desk: Desk) -> None:
        app = OnePage(desk, lambda: ShownSecret(1, URL, SECRET, is_new=True))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "tab", typed("wrong1"))
            assert "not how it ends" in drawn(app)
            await press(pilot, ("backspace",) * 6, typed(SECRET.reveal()[-6:]))
            assert "it is stored" in drawn(app)

        play(app, script)

    def test_it_is_not_left_at_one_careless_key(self, empty: Desk) -> None:
        app = OnePage(empty, lambda: ShownSecret(1, URL, SECRET, is_new=True))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "q")
            assert SECRET.reveal() in drawn(app)
            assert "never shown again" in drawn(app)
            app.post_message(Paste("not the end of it"))
            await quiet(pilot)
            assert not cast("Page", app.screen).is_warning, "which is given again"
            await press(pilot, "q", "q")

        play(app, script)
        assert app.return_code == 0

    @pytest.mark.parametrize("focus", [(), ("tab",)])
    def test_what_is_pasted_is_checked_wherever_the_focus_is(
        self, desk: Desk, focus: tuple[str, ...]
    ) -> None:
        app = OnePage(desk, lambda: ShownSecret(1, URL, SECRET, is_new=True))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, *focus)
            app.post_message(Paste("  typcq \n"))
            await quiet(pilot)
            assert "Secret" in crumbs_of(app)
            app.post_message(Paste(f"{SECRET.reveal()}\n"))
            await quiet(pilot)
            assert says(app, "That is the secret: it is stored.")

        play(app, script)

    def test_what_does_not_match_is_typed_again_in_the_same_place(self, desk: Desk) -> None:
        """Else its letters would be keys, and some of them leave or send a test."""
        app = OnePage(desk, lambda: ShownSecret(1, URL, SECRET, is_new=True))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "tab", typed("Ftypcq"), "enter")
            assert says(app, "! That is not how it ends: copy it again.")
            await press(pilot, typed(SECRET.reveal()[-6:]))
            assert says(app, "That is the secret: it is stored.")
            assert "Secret" in crumbs_of(app)

        play(app, script)

    @pytest.mark.parametrize("key", ["q", "Q", "ctrl+q", "escape"])
    def test_every_way_out_asks_until_it_is_confirmed(self, empty: Desk, key: str) -> None:
        app = OnePage(empty, lambda: ShownSecret(1, URL, SECRET, is_new=True))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, key)
            assert says(app, "never shown again. Stored it? The same key once more leaves.")
            assert SECRET.reveal() in drawn(app)
            await press(pilot, key)

        play(app, script)
        assert app.return_code == 0

    def test_confirmed_it_is_left_at_once(self, desk: Desk) -> None:
        app = OnePage(desk, lambda: ShownSecret(1, URL, SECRET, is_new=True))

        async def script(pilot: Pilot[None]) -> None:
            app.post_message(Paste(SECRET.reveal()))
            await quiet(pilot)
            await press(pilot, "Q")

        play(app, script)
        assert app.return_code == 0

    def test_control_c_ends_nothing_and_says_so(self, desk: Desk) -> None:
        app = OnePage(desk, lambda: ShownSecret(1, URL, SECRET, is_new=True))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "ctrl+c", "ctrl+c")
            assert says(app, "It is never shown again. Stored it? ^q twice leaves all the same.")
            app.post_message(Paste(SECRET.reveal()))
            await quiet(pilot)
            await press(pilot, "ctrl+c")
            assert says(app, "q, Q or ^q quits.")
            assert SECRET.reveal() in drawn(app)

        play(app, script)

    def test_the_clipboard_is_only_asked(self, empty: Desk, monkeypatch: Any) -> None:
        monkeypatch.setenv("TERM", "tmux-256color")
        app = OnePage(empty, lambda: ShownSecret(1, URL, SECRET, is_new=True))
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

    def test_what_a_known_receiver_answers_is_explained(self, app: WebhooksApp) -> None:
        zapier = "https://hooks.zapier.com/hooks/catch/1/a/"
        Webhook.update(url=zapier).where(Webhook.id == CI).execute()

        async def script(pilot: Pilot[None]) -> None:
            await pilot.press("t")
            await until(pilot, lambda: actions("tested") == 1)
            deliver(Event.select(fn.MAX(Event.id)).scalar(), CI)
            await until(pilot, lambda: says(app, "200 in 143 ms · Zapier answers success"))

        play(app, script)

    def test_a_sample_is_sent_once_it_was_read_what_it_does(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "T")
            assert says(app, 'will take it for a real sale unless it looks at "sample": true')
            await press(pilot, "q")
            assert actions("sample sent") == 0
            await press(pilot, "T", "down")
            await pilot.press("enter")
            await until(pilot, lambda: actions("sample sent") == 1)
            event = Event.select().order_by(Event.id.desc()).get()
            assert (event.type, event.webhook_id) == (SELECTABLE[1], CI)
            deliver(event.id, CI)
            await until(pilot, lambda: says(app, "✓ ticket.cancelled sample delivered: 200"))
            await press(pilot, "q", "h")
            assert says(app, "Sample: ")
            assert says(app, "Sent on purpose (sample): nothing had happened.")
            await press(pilot, "enter")
            assert says(app, "arrived ticket.cancelled (sample)")

        play(app, script)

    def test_a_check_is_begun_once_and_read_until_it_is_done(
        self, app: WebhooksApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        accepted, refused = Reaction(200, None, ""), Reaction(401, None, "")
        forged = report({Ping.GOOD: accepted, Ping.WRONG_SECRET: accepted, Ping.TAMPERED: refused})
        answers = [None, None, forged]
        monkeypatch.setattr("tui.screens.check.go_on", lambda *_, **__: answers.pop(0))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "V")
            assert actions("checked") == 0
            await pilot.press("enter", "enter")
            await until(pilot, lambda: says(app, "anybody can forge sales"))
            assert says(app, "one with another secret accepted (200)")
            assert actions("checked") == 1
            assert Event.select().where(Event.purpose.is_null(is_null=False)).count() == 3

        play(app, script)

    def test_a_check_without_a_worker_says_so(self, desk: Desk) -> None:
        hours = iter(range(10_000))
        app = WebhooksApp(replace(desk, clock=lambda: NOON + next(hours) * 10 * SECOND))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "V")
            await pilot.press("enter")
            await until(pilot, lambda: says(app, "is the worker running?"))

        play(app, script)

    @pytest.mark.usefixtures("at_one_moment")
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

    def test_frozen_nothing_moves(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h", "space")
            assert "Shown: FROZEN" in drawn(app)
            before = drawn(app)
            add_delivery(900, CI, SELECTABLE[0], Status.DELIVERED, NOON, OK)
            await pilot.pause(1.2)  # more than a poll
            assert drawn(app) == before
            await press(pilot, "space")
            await until(pilot, lambda: drawn(app) != before)

        play(app, script)

    def test_a_webhook_is_paused_and_resumed_from_its_history(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "down", "h", "P")
            await until(pilot, lambda: says(app, "pay.example.net/…/aurapos is paused"))
            await until(pilot, lambda: says(app, "Paused since 17 May 12:00, 2 parked; P resumes."))
            assert says(app, "It is parked: the webhook is paused")
            await press(pilot, "q")
            await until(pilot, lambda: says(app, "■ pay.example.net/…/aurapos paused, 2 wait"))
            assert says(app, "Ticket T-113 · 55.10 € ■ parked")
            await press(pilot, "P")
            await until(pilot, lambda: says(app, "2 parked go out now, the oldest first"))
            await until(pilot, lambda: says(app, "FAILING"))

        play(app, script)

    def test_what_was_told_of_a_webhook_is_told_no_more_after_it_was_left(
        self, app: WebhooksApp
    ) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "down", "P")
            await until(pilot, lambda: says(app, "P resumes it."))
            await press(pilot, "h", "P")
            await until(pilot, lambda: says(app, "2 parked go out now"))
            await press(pilot, "q")
            await until(pilot, lambda: says(app, "FAILING"))
            assert not says(app, "P resumes it.")

        play(app, script)

    def test_until_when_a_receiver_asked_to_wait_is_told(self, app: WebhooksApp) -> None:
        Webhook.update(held_until=NOON + 5 * MINUTE).where(Webhook.id == PAY).execute()

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "down")
            await until(pilot, lambda: says(app, "it asked to wait until 12:05"))
            await press(pilot, "h")
            await until(pilot, lambda: says(app, "asked for nothing more until 12:05:00"))

        play(app, script)

    def test_a_test_says_what_it_waits_for(self, app: WebhooksApp) -> None:
        Webhook.update(held_until=NOON + 5 * MINUTE).where(Webhook.id == PAY).execute()
        Webhook.update(pace="1/h").where(Webhook.id == CI).execute()
        app.desk = replace(app.desk, timeout=-MINUTE)  # it should be there by now

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "t")
            await until(pilot, lambda: says(app, "The test waits for its turn, at 1/h."))
            await press(pilot, "down", "t")
            told = "The server asked for nothing until 12:05:00; the test goes then."
            await until(pilot, lambda: says(app, told))

        play(app, script)

    def test_the_list_tells_what_a_pause_is_about_to_lose(self, app: WebhooksApp) -> None:
        app.desk = replace(app.desk, keep=7 * DAY)
        services.pause_webhook(MARIE, PAY, NOON)
        told = "aurapos is paused. 2 wait, soon abandoned: P resumes."

        async def script(pilot: Pilot[None]) -> None:
            await until(pilot, lambda: says(app, told))

        play(app, script)

    def test_failed_only_and_the_filter(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "down", "h", "f")
            assert "Shown: failed only" in drawn(app)
            assert app.screen.query_one(Table).row_count == 4
            await press(pilot, "slash", typed("refused"))
            assert 'Shown: failed only · "refused"' in drawn(app)
            assert "1 found" in drawn(app)
            assert app.screen.query_one(Table).row_count == 1
            await press(pilot, "escape")
            assert app.screen.query_one(Table).row_count == 7
            assert "Shown:" not in drawn(app)

        play(app, script)

    def test_the_database_is_asked_for_what_is_behind_the_first_page(
        self, app: WebhooksApp
    ) -> None:
        lost = (500, None, "", "lost")
        add_delivery(800, CI, EventType.CLIENT_UPDATED, Status.FAILED, NOON, lost, due_at=NOON)
        for number in range(60):
            add_delivery(900 + number, CI, SELECTABLE[0], Status.DELIVERED, NOON, OK)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h")
            for pressed in (("f",), ("slash", typed("lost"), "enter"), ("e",) * 4):
                await press(pilot, *pressed)
                assert says(app, "Customer T-800 changed ▲ waits, try 2 of 5")
                assert app.screen.query_one(Table).row_count < 50
                assert app.screen.query_one(Table).at_key == str(uuid_of(800))
                await press(pilot, "escape")

        play(app, script)

    def test_only_events_that_were_delivered_are_gone_through(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "down", "h")
            shown = []
            for _ in range(3):
                await press(pilot, "e")
                shown += [event for event in EventType if says(app, f"Shown: {event}")]
            assert shown == [*SELECTABLE[:2]]
            assert not says(app, "Shown:")

        play(app, script)

    def test_older_pages_come_and_go(self, app: WebhooksApp) -> None:
        for number in range(60):
            add_delivery(900 + number, CI, SELECTABLE[0], Status.DELIVERED, NOON, OK)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h")
            table = app.screen.query_one(Table)
            first = table.at_key
            assert "1 of 50" in crumbs_of(app)
            await press(pilot, "n")
            assert "Shown: page 2" in drawn(app)
            second = table.at_key
            assert second != first
            Delivery.update(status=Status.ABANDONED).where(Delivery.uuid == second).execute()
            add_delivery(990, CI, SELECTABLE[0], Status.DELIVERED, NOON, OK)
            await until(pilot, lambda: "abandoned" in drawn(app))
            assert table.at_key == second
            await press(pilot, "p")
            first = table.at_key
            assert first == str(uuid_of(990))
            await press(pilot, "G", "pagedown")
            assert table.cursor_row == 0
            assert "Shown: page 2" in drawn(app)
            await press(pilot, "n")
            assert "page 3" in drawn(app)
            await press(pilot, "n")
            assert says(app, "There are no older ones.")
            await press(pilot, "p", "g", "pageup")
            assert table.at_key == first
            assert "Shown:" not in drawn(app)

        play(app, script)

    def test_an_empty_answer_says_what_was_asked(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h", "f")
            assert says(app, "No delivery is like that: failed only. Press esc to see all again.")
            assert "── response" not in drawn(app)
            await press(pilot, "escape")
            assert app.screen.query_one(Table).row_count == 46

        play(app, script)

    def test_redelivering_what_waits_is_beside_its_schedule(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "down", "h", "down", "R", "enter")
            assert says(app, "once more now; its schedule goes on at 12:02:00")

        play(app, script)

    @pytest.mark.usefixtures("at_one_moment")
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

    @of_the_screen
    def test_what_is_longer_than_the_screen_can_be_read_to_its_end(self, desk: Desk) -> None:
        lines = ", ".join(f'"line {number:02}"' for number in range(200))
        long = f"[{lines}]".encode()
        add_delivery(950, CI, SELECTABLE[0], Status.DELIVERED, NOON, OK, payload=long)
        app = WebhooksApp(desk)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h", "enter")
            assert says(app, "… 195 more")
            await press(pilot, "b")
            assert not says(app, "response, first 500")
            await press(pilot, *["pagedown"] * 4)
            assert says(app, "response, first 500")
            await press(pilot, *["pageup"] * 4)
            assert says(app, "── request ──")

        play(app, script)

    @of_the_screen
    def test_moving_the_cursor_asks_the_database_nothing(self, app: WebhooksApp) -> None:
        asked: list[str] = []

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h", "space")
            proxy.query_hooks.append(lambda *query: asked.append(str(query[0])))
            await press(pilot, ("j",) * 10, ("k",) * 10, "G", "g", "pagedown")
            proxy.query_hooks.clear()

        play(app, script)
        assert asked == []


class TestTheList:
    @pytest.mark.parametrize("key", ["escape", "left"])
    def test_going_back_once_too_often_ends_nothing_and_says_what_does(
        self, app: WebhooksApp, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ended: list[str] = []

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h", key)
            with monkeypatch.context() as patched:
                patched.setattr(app, "exit", lambda: ended.append(key))
                await press(pilot, key)
                assert ended == []
                assert says(app, "q, Q or ^q quits.")
                await press(pilot, "q")
                assert ended == [key]

        play(app, script)

    @of_the_screen
    def test_a_web_page_in_an_answer_is_told_by_what_is_to_be_read_on_it(
        self, app: WebhooksApp
    ) -> None:
        page = "<html><head><title>x</title></head><body><h1>Bad gateway</h1>nginx"
        said = (502, ErrorKind.STATUS, "", page)
        add_delivery(900, PAY, SELECTABLE[0], Status.FAILED, NOON - MINUTE, said, due_at=NOON)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "j")
            await until(pilot, lambda: says(app, "it said: 502 “Bad gateway nginx”"))
            await press(pilot, "h")
            await until(pilot, lambda: "Bad gateway nginx" in drawn(app))
            assert "<html>" not in drawn(app)

        play(app, script)

    @of_the_screen
    def test_a_long_url_keeps_the_end_that_tells_it_apart(self, app: WebhooksApp) -> None:
        for webhook_id, end in ((CI, "tickets"), (NEW, "clients")):
            url = f"https://hooks.example.org/{'x' * 60}/{end}"
            Webhook.update(url=url).where(Webhook.id == webhook_id).execute()

        async def script(pilot: Pilot[None]) -> None:
            assert "…" in drawn(app)
            assert "/tickets " in drawn(app)
            assert "/clients " in drawn(app)
            await press(pilot, "h")
            assert "/…/tickets › History" in crumbs_of(app)

        play(app, script)

    def test_a_very_wide_window_has_room_for_the_names_too(self, app: WebhooksApp) -> None:
        name = "The bookkeeper of the shop in Ghent"
        Webhook.update(name=name).where(Webhook.id == CI).execute()

        async def script(pilot: Pilot[None]) -> None:
            assert any(name in line[:80] for line in drawn(app).splitlines())

        play(app, script, (200, 50))

    @of_the_screen
    @pytest.mark.parametrize("columns", [60, 80, 120])
    def test_the_card_says_what_to_do_what_it_said_and_what_is_next(
        self, app: WebhooksApp, columns: int
    ) -> None:
        said = (503, ErrorKind.STATUS, "", "an answer that is far too long for any line " * 3)
        at, due = NOON - MINUTE, NOON + MINUTE
        add_delivery(900, PAY, SELECTABLE[0], Status.FAILED, at, said, due_at=due)

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "down")
            await until(pilot, lambda: "it said: 503 “an answer that" in drawn(app))
            assert "The server failed with 503." in drawn(app)
            assert "3 wait · next try 11:59 · 2 abandoned" in drawn(app)
            assert "▲ FAILING" in drawn(app)
            assert "Ticket T-900" in drawn(app)

        play(app, script, (columns, 30))

    def test_it_begins_at_the_gravest_and_never_moves_by_itself(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            table = app.screen.query_one(Table)
            assert table.at_key == str(PAY)
            for number in range(900, 905):
                failed = (500, None, "", "no")
                add_delivery(number, CI, SELECTABLE[0], Status.FAILED, NOON, failed, due_at=NOON)
            await until(pilot, lambda: "2 of 3 are failing" in drawn(app))
            assert table.at_key == str(PAY)

        play(app, script, at_the_top=False)

    @of_the_screen
    def test_the_card_waits_until_the_cursor_stands_still(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await pilot.press("down", "down")
            assert "new.example.org/hook" not in drawn(app).splitlines()[-15]
            await until(pilot, lambda: "Nothing was sent to it yet" in drawn(app))

        play(app, script)

    @of_the_screen
    def test_a_long_list_leaves_the_card_its_rows(self, desk: Desk, vault: Vault) -> None:
        for _ in range(6):
            register_three(vault, 1)
        app = WebhooksApp(desk)

        async def script(pilot: Pilot[None]) -> None:
            await until(pilot, lambda: "▲ FAILING" in drawn(app))
            assert app.screen.query_one("#card").size.height >= 6
            assert "2 of 21" in drawn(app)

        play(app, script, at_the_top=False)

    @of_the_screen
    def test_what_happens_just_now_is_seen_as_it_comes(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            add_delivery(900, CI, SELECTABLE[0], Status.DELIVERED, NOON, OK)
            await until(pilot, lambda: says(app, "12:00 Ticket T-900 · 55.10 € ● arrived"))

        play(app, script, (120, 40))

    @pytest.mark.parametrize("text", ["müller", "xn--mller"])
    def test_a_filter_finds_a_name_as_people_write_it(self, app: WebhooksApp, text: str) -> None:
        url = "https://xn--mller-kva.example/in"
        Webhook.update(url=url).where(Webhook.id == NEW).execute()

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "slash")
            app.screen.query_one("#filter", Entry).value = text
            await quiet(pilot)
            assert "Filter" in drawn(app)
            assert "1 of 3" in drawn(app)
            assert app.screen.query_one(Table).at_key == str(NEW)

        play(app, script)


@of_the_screen
def test_what_was_told_ends_with_the_next_key_unless_it_is_new(
    app: WebhooksApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "b", "down")
        assert says(app, "your only business")
        monkeypatch.setattr(bars, "_STAYS", 0.0)
        await press(pilot, "down")
        assert not says(app, "your only business")

    play(app, script)


@of_the_screen
class TestTypingAhead:
    @pytest.fixture
    def read(self, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
        """Set once a history has been read; until then whoever opens one waits."""
        was_read, deliveries = threading.Event(), queries.deliveries

        def slowly(*args: Any, **how: Any) -> Any:
            assert was_read.wait(PATIENCE)
            return deliveries(*args, **how)

        monkeypatch.setattr(queries, "deliveries", slowly)
        return was_read

    def test_what_is_pressed_while_a_page_is_read_is_for_that_page(
        self, app: WebhooksApp, read: threading.Event
    ) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await pilot.press("h", "slash", *"ticket", "d")
            read.set()
            await until(pilot, lambda: "ticketd" in drawn(app))

        play(app, script)

    def test_escape_calls_it_off(self, app: WebhooksApp, read: threading.Event) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await pilot.press("h", "d", "escape", "question_mark")
            await until(pilot, lambda: crumbs_of(app).startswith("Help"))
            read.set()
            await press(pilot, "escape")
            assert crumbs_of(app).startswith("Webhooks  ")

        play(app, script)

    def test_it_is_forgotten_if_the_page_does_not_come(
        self, app: WebhooksApp, desk: Desk, read: threading.Event
    ) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await pilot.press("h", "d")
            services.delete_webhook(desk.actor, CI, NOON)
            read.set()
            await until(pilot, lambda: says(app, "It is no longer here"))
            await until(pilot, lambda: not says(app, "ci.example.com"))
            assert crumbs_of(app).startswith("Webhooks  ")

        play(app, script)


@of_the_screen
class TestHelp:
    def test_the_screen_s_own_keys_come_first_and_all_of_them(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "question_mark")
            lines = drawn(app).splitlines()
            assert lines[2].split() == ["h", "History"]
            told = "\n".join(lines)
            for what in ("Recover what was abandoned", "Audit trail", "Settings"):
                assert told.index(what) < told.index("Down")

        play(app, script)

    def test_it_scrolls_with_the_keys_it_lists(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "question_mark")
            pane = app.screen.query_one("#keys")
            for key, moved in (("j", 1), ("k", -1), ("G", 1), ("g", -1)):
                before = pane.scroll_offset.y
                await press(pilot, key)
                assert (pane.scroll_offset.y - before) * moved > 0

        play(app, script, (80, 12))

    def test_in_a_text_field_a_question_mark_is_text(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            assert "? help" in drawn(app)
            await press(pilot, "n", "question_mark")
            assert app.screen.query_one(Entry).value == "?"
            assert "F1 help" in drawn(app)
            await press(pilot, "f1")
            assert "Keys of the screen you came from" in drawn(app)

        play(app, script)


class TestTwoPeople:
    def test_what_was_read_earlier_is_not_shown_after_what_was_read_later(
        self, app: WebhooksApp, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read, is_read, may_come = webhooks.overview, threading.Event(), threading.Event()

        def slowly_at_first(*asked: Any) -> webhooks.Overview:
            found, is_first = read(*asked), not is_read.is_set()
            is_read.set()
            if is_first:
                assert may_come.wait(PATIENCE)
            return found

        async def script(pilot: Pilot[None]) -> None:
            monkeypatch.setattr(webhooks, "overview", slowly_at_first)
            services.pause_webhook(MARIE, PAY, NOON)
            await until(pilot, is_read.is_set)
            url = "https://ci.example.com/theirs"
            services.edit_webhook(OPERATOR, CI, NOON, url=url, policy=desk.policy)
            await until(pilot, lambda: says(app, "ci.example.com/theirs"))
            may_come.set()
            await app.workers.wait_for_complete()
            await pilot.pause()
            assert says(app, "ci.example.com/theirs")

        play(app, script)

    def test_the_second_to_save_is_told_and_chooses(self, app: WebhooksApp, desk: Desk) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "e", "end", "2")
            now, url = NOON + MINUTE, "https://ci.example.com/theirs"
            services.edit_webhook(OPERATOR, CI, now, url=url, policy=desk.policy)
            await press(pilot, "ctrl+s")
            assert says(app, "Somebody else has changed this webhook meanwhile. ^s once more")
            assert queries.webhook(desk.actor, CI).url == url
            await pilot.pause(0.8)  # longer than what is taken for a double press
            await press(pilot, "ctrl+s")
            assert "is saved" in drawn(app)

        play(app, script)
        assert queries.webhook(desk.actor, CI).url == "https://ci.example.com/in2"

    def test_while_a_deed_is_held_up_it_says_so(self, app: WebhooksApp) -> None:
        done = threading.Event()

        async def script(pilot: Pilot[None]) -> None:
            page = cast("Page", app.screen)
            page.act("slow", lambda: done.wait(30), lambda _: None)
            await until(pilot, lambda: "Saving…" in drawn(app))
            done.set()
            await until(pilot, lambda: "Saving…" not in drawn(app))

        play(app, script)


class TestWhatCannotBeUndone:
    @of_the_screen
    def test_enter_alone_is_cancel(self, app: WebhooksApp, desk: Desk) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "d", "enter")
            assert crumbs_of(app).startswith("Webhooks  ")

        play(app, script)
        assert len(urls(desk)) == 3

    @of_the_screen
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


class TestTheWindow:
    @pytest.mark.parametrize(("page", "before"), [("n", "http"), ("h", "")])
    def test_made_small_and_big_again_the_keys_go_where_they_went(
        self, app: WebhooksApp, page: str, before: str
    ) -> None:
        """The letters of a URL would else be keys, and a list would not be moved in."""

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, page, typed(before))
            focused = app.focused
            assert focused is not None
            for size in ((30, 8), (80, 24)):
                await pilot.resize_terminal(*size)
                await quiet(pilot)
            assert app.focused is focused

        play(app, script)

    def test_a_filter_that_was_ended_meanwhile_does_not_have_them_again(
        self, app: WebhooksApp
    ) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "slash")
            await pilot.resize_terminal(30, 8)
            await press(pilot, "escape")
            await pilot.resize_terminal(80, 24)
            await quiet(pilot)
            assert isinstance(app.focused, Table)

        play(app, script)

    def test_what_was_opened_in_a_small_one_has_the_keys_once_it_is_seen(
        self, app: WebhooksApp
    ) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "h")
            await pilot.resize_terminal(80, 24)
            await quiet(pilot)
            assert isinstance(app.focused, Table)

        play(app, script, (30, 8))


class TestLivingAndDying:
    def test_a_database_that_comes_back_is_told(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            rename("attempt", "gone")
            await until(pilot, lambda: "! The database" in drawn(app))
            rename("gone", "attempt")
            await until(pilot, lambda: "answers again" in drawn(app))
            add_delivery(900, CI, SELECTABLE[0], Status.FAILED, NOON, (500, None, "", "no"))
            await until(pilot, lambda: "2 of 3 are failing" in drawn(app))

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

    def test_what_a_lost_session_left_is_told_once_in_the_next(self, desk: Desk) -> None:
        keep_lost("marie", "The secret was not checked.")

        def opened() -> WebhooksApp:
            return WebhooksApp(replace(desk, settings=settings_of("marie")))

        async def told(pilot: Pilot[None]) -> None:
            assert "! The secret was not checked." in drawn(apps[0])

        async def not_told(pilot: Pilot[None]) -> None:
            assert "not checked" not in drawn(apps[1])

        apps = [opened()]
        play(apps[0], told)
        apps.append(opened())
        play(apps[1], not_told)

    def test_left_alone_with_edits_it_says_what_was_lost(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "e", "x")
            app._last_input -= IDLE_LIMIT + 1
            app._leave_if_idle()

        play(app, script)
        assert "before your changes were saved (ci.example.com/in)" in app.left_behind

    @of_the_screen
    def test_left_alone_it_closes(self, app: WebhooksApp) -> None:
        async def script(pilot: Pilot[None]) -> None:
            app._last_input -= IDLE_LIMIT + 1
            app._leave_if_idle()

        play(app, script)
        assert app.return_code == 0

    @of_the_screen
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

        app = OnePage(empty, lambda: SetUp(set_up))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, typed("Chez Marie"), "tab", "tab", "down", "down", "ctrl+s")
            assert "Press n to create one" in drawn(app)

        play(app, script)
        assert [answers[::2] for answers in asked] == [("Chez Marie", asked[0][2])]
        assert asked[0][1] == "express"

    def test_the_field_that_is_empty_is_gone_to(self, empty: Desk) -> None:
        app = OnePage(empty, lambda: SetUp(lambda *_: empty))

        async def script(pilot: Pilot[None]) -> None:
            await press(pilot, "tab", "tab", "enter")
            assert says(app, "Type the business's name and its owner's login first.")
            assert app.focused is app.screen.query_one("#name")

        play(app, script)


@of_the_screen
def test_the_keys_of_every_screen_are_in_its_help(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "h", "question_mark")
        shown = drawn(app)
        await press(pilot, "G")
        for told in ("Show only what failed", "Redeliver", "Filter", "Help", "Back"):
            assert told in shown + drawn(app)

    play(app, script)


@of_the_screen
def test_a_footer_has_nine_entries_at_most_with_help_and_the_way_out(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        for keys in ((), ("h",), ("enter",)):
            await press(pilot, *keys)
            assert "? help" in footer(app)
            assert "q " in footer(app)
            assert len(footer(app).split("  ")) <= 9

    play(app, script)


@of_the_screen
@pytest.mark.parametrize(
    ("language", "pause", "resume"),
    [
        (Language.ENGLISH, "P pause", "P resume"),
        (Language.FRENCH, "P pause", "P reprendre"),
        (Language.DUTCH, "P pauze", "P hervat"),
    ],
)
def test_the_footer_says_what_p_does_to_the_webhook_under_the_cursor(
    desk: Desk, language: Language, pause: str, resume: str
) -> None:
    services.pause_webhook(MARIE, PAY, NOON)
    app = WebhooksApp(replace(desk, language=language))

    async def script(pilot: Pilot[None]) -> None:
        for key, told in (("down", resume), ("up", pause)):
            await press(pilot, key)
            await until(pilot, lambda told=told: told in footer(app))
            assert " F " in footer(app)  # the last of the screen's own has not gone for it
        await press(pilot, "P")
        await until(pilot, lambda: resume in footer(app))

    play(app, script)


def footer(app: WebhooksApp) -> str:
    return drawn(app).splitlines()[-1].strip()


async def until(pilot: Pilot[None], condition: Callable[[], Any]) -> None:
    """Until it is so; fails with what is on the screen when it is not."""
    await waiting.until(
        condition,
        pause=lambda: pilot.pause(0.02),
        seen=lambda: drawn_or_nothing(pilot),
    )


def drawn_or_nothing(pilot: Pilot[None]) -> str:
    return drawn(pilot.app) if isinstance(pilot.app, WebhooksApp) else ""


def deliver(event_id: int, webhook_id: int) -> None:
    """What a worker would have made of a test."""
    with proxy.atomic():
        add_delivery(950, webhook_id, SELECTABLE[0], Status.DELIVERED, NOON, OK)
        Delivery.update(event=event_id).where(Delivery.uuid == uuid_of(950)).execute()
