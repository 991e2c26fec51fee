"""`find`, through the real command."""

from core.storage.database import transaction
from core.storage.models import Event
from tests.support.installation import Installation
from tests.support.scripted import Scripted


def test_a_ticket_is_found_by_its_number(installed: Installation, receiver: Scripted) -> None:
    assert "Nothing was found for" in installed.ok("find", "4711")
    assert installed.json("find", "4711") == []
    installed.add_webhook(receiver.url)
    installed.emit('{"numero": 4711}')
    [waiting] = installed.json("find", "4711")
    assert waiting["deliveries"] == []
    assert "waits to go out" in installed.ok("find", "4711")
    installed.ok("tick")
    [found] = installed.json("find", "4711")
    [row] = installed.deliveries()
    assert found == {
        "event_id": 1,
        "event": "ticket.created",
        "subject": "4711",
        "created_at": row["created_at"],
        "deliveries": [
            {
                "webhook_id": 1,
                "url": receiver.url,
                "delivery_id": row["delivery_id"],
                "status": "delivered",
                "attempts": 1,
                "next_attempt_at": None,
            }
        ],
    }
    told = installed.ok("find", row["delivery_id"][:13])
    assert row["delivery_id"] in told
    assert receiver.url in told


def test_what_went_nowhere_says_so(installed: Installation) -> None:
    installed.emit('{"numero": 4711}')
    installed.ok("tick")
    assert "to no webhook" in installed.ok("find", "4711")


def test_a_member_finds_what_is_the_business_s_own(installed: Installation) -> None:
    installed.emit('{"numero": 4711}')
    installed.ok("business", "add", "Chez Paul", "--edition", "group", "--owner", "paul")
    assert len(installed.json("find", "4711", "--as", "marie")) == 1
    assert installed.json("find", "4711", "--as", "paul") == []
    assert installed.fails("find", "4711", "--as", "paul", "--business", "1") == installed.fails(
        "find", "4711", "--as", "paul", "--business", "7"
    ).replace("business 7", "business 1")
    assert "Say what to look for" in installed.fails("find", " ", "--business", "1")


def test_after_an_upgrade_migrate_makes_older_events_findable(installed: Installation) -> None:
    installed.emit('{"numero": 4711}')
    with installed.tables(), transaction():
        Event.update(subject=None).execute()
    assert installed.json("find", "4711") == []
    installed.ok("migrate")
    assert len(installed.json("find", "4711")) == 1
