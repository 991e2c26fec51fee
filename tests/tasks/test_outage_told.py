"""An outage of 40 minutes, told to a chat and by mail over real sockets, on both engines."""

import asyncio
import json
from datetime import datetime
from pathlib import Path

import pytest

from core.domain.choices import Chosen, Format
from core.domain.delivery import Schedule
from core.domain.events import EventType
from core.storage.vault import Vault
from tasks.dispatcher import Dispatcher
from tasks.postman import Postman
from tasks.shares import Limits
from tasks.writer import Rules
from tests.support.addresses import add_address
from tests.support.mailbox import Mailbox, receiving_mail
from tests.support.scene import MINUTE, NOON, add_webhook, make_sender, publish_ticket
from tests.support.wire import read_request, response, talking

FAST = Schedule((MINUTE,), 100)
CHAT: Chosen = {"alerts": True, "format": Format.CHAT, "pace": None}
OUTAGE = 40 * MINUTE


class Outage:
    """A shop that fails for 40 minutes, a chat, and a worker whose clock goes on by the minute."""

    def __init__(self, vault: Vault, mailbox: Mailbox, folder: Path) -> None:
        self.now = NOON
        self.told: list[str] = []
        self.tickets = 0
        self._vault = vault
        self._postman = Postman(mailbox.server(folder), lambda: vault, FAST, self._clock)

    def _clock(self) -> datetime:
        return self.now

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The shop and the chat, by their paths."""
        while True:
            head, _, body = (await read_request(reader)).partition(b"\r\n\r\n")
            if head.startswith(b"POST /chat"):
                self.told.append(json.loads(body)["text"])
                writer.write(response(200))
            else:
                is_up = self.now >= NOON + OUTAGE
                self.tickets += is_up
                writer.write(response(200 if is_up else 503))

    async def last(self) -> None:
        """From the first failure to an hour after the end."""
        passing = Dispatcher(
            make_sender(),
            lambda: self._vault,
            Rules(FAST),
            Limits(256, 16, 256),
            self._clock,
            on_mail=self._postman.go,
        )
        while self.now <= NOON + OUTAGE + 60 * MINUTE:
            await passing.drain(self._clock)
            self.now += MINUTE
        await passing.close()


@pytest.mark.parametrize("tickets", [1, 5])
def test_one_failing_and_one_back_reach_the_chat_and_the_mailbox(
    business: int, vault: Vault, tmp_path: Path, tickets: int
) -> None:
    async def main(outage: Outage) -> None:
        async with talking(outage.talk) as port:
            url = f"http://127.0.0.1:{port}"
            add_webhook(vault, business, f"{url}/shop")
            events = (EventType.PROMOTION_UPDATED,)
            add_webhook(vault, business, f"{url}/chat", events, chosen=CHAT)
            for _ in range(tickets):
                publish_ticket(business)
            await outage.last()

    add_address(vault, business)
    with receiving_mail() as mailbox:
        outage = Outage(vault, mailbox, tmp_path)
        asyncio.run(main(outage))
    assert outage.tickets == tickets, "nothing was lost"
    for told in (outage.told, mailbox.subjects):
        failing, back = told
        assert "is failing · nothing accepted for 30 min" in failing
        assert "is back · it had been failing for" in back
    told_after = [message["Date"].datetime - NOON for message in mailbox.messages]
    for late, due in zip(told_after, (30 * MINUTE, OUTAGE), strict=True):
        assert due <= late <= due + MINUTE, "by the next look"
