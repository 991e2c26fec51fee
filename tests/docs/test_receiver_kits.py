"""The receiver kits: each as its reader starts it, against services that answer as the real ones.

What each must do is in docs/receivers/README.md.
"""

import ast
import hmac
import os
import re
import shutil
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.domain.signing import Secret
from tests.support.kits import (
    LANGUAGES,
    RECEIVERS,
    FpmKit,
    NewKit,
    delivery,
    for_brevo,
    for_slack,
    needs_fpm,
)
from tests.support.services import Brevo, Slack
from tests.support.waiting import PATIENCE, wait_until

AMELIE = {"id": 412, "prenom": "Amélie", "nom": "Dubois", "email": "Amelie@example.com"}
TICKET = {"id": 1234, "numero": 1234, "total_tvac": 55.10, "mode_paiement": "Bancontact"}

_KITS = sorted(path for path in RECEIVERS.glob("*/*") if path.suffix in {".py", ".js", ".php"})


@pytest.mark.parametrize("path", _KITS, ids=lambda path: path.name)
def test_a_file_of_a_kit_is_short_and_needs_nothing_but_its_language(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 150
    if path.suffix == ".py":
        assert _imports(text) <= set(sys.stdlib_module_names)
    required = (
        set(re.findall(r"require\(?[ \"'(]+([^\"'`)]+)", text)) if path.suffix == ".js" else ()
    )
    assert all(name.startswith(("node:", "./")) for name in required)


@pytest.mark.parametrize("page", sorted(RECEIVERS.glob("*.md")), ids=lambda path: path.name)
def test_a_page_leads_to_files_that_are_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def _imports(text: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
    return names


def test_what_aurapos_did_not_sign_is_refused(kit: NewKit, slack: Slack) -> None:
    receiver = kit("slack", **for_slack(slack))
    body = delivery(1, "ticket.created", TICKET)
    foreign = Secret("whsec_another").sign(body)
    assert receiver.post(body, foreign) == 401
    assert receiver.post(body, None) == 401
    assert receiver.post(body, "sha256=é") == 401
    assert receiver.post(body.replace(b"55.1", b"95.1"), receiver.secret.sign(body)) == 401
    assert (
        receiver.post(body.replace(b'"payload":', b'"payload": '), receiver.secret.sign(body))
        == 401
    )
    assert receiver.names("inbox") == receiver.names("done") == []
    receiver.take_and_do(body)
    assert len(slack.messages) == 1


@pytest.mark.parametrize("kit", LANGUAGES[:2], indirect=True)  # of PHP's the web server reads it
def test_a_length_below_zero_is_not_read_until_its_end(kit: NewKit, slack: Slack) -> None:
    """Whoever is not believed would fill the memory with it."""
    receiver = urlsplit(kit("slack", **for_slack(slack)).url)
    with socket.create_connection((receiver.hostname, receiver.port), PATIENCE) as client:
        client.sendall(b"POST /receiver.php HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n")
        assert b" 40" in client.recv(12)


def test_without_a_secret_nobody_is_believed(kit: NewKit, slack: Slack) -> None:
    """Else whoever signs with an empty key would be."""
    receiver = kit("slack", AURAPOS_SECRET="", **for_slack(slack))
    body = delivery(1, "ticket.created", TICKET)
    assert receiver.post(body, "sha256=" + hmac.new(b"", body, "sha256").hexdigest()) == 401


@pytest.mark.parametrize(
    "body",
    [
        b'{"text":"Ticket 1234"}',
        b'{"event":"ticket.created","delivery_id":"../../etc/cron.d/x","payload":{}}',
        b"no JSON",
        b"5",
    ],
)
def test_what_is_signed_and_no_event_is_refused(kit: NewKit, slack: Slack, body: bytes) -> None:
    receiver = kit("slack", **for_slack(slack))
    assert receiver.post(body) == 400
    assert receiver.names("inbox") == []


def test_the_answer_does_not_wait_for_the_work(kit: NewKit, brevo: Brevo) -> None:
    receiver = kit("brevo", **for_brevo(brevo))
    with brevo.standing_still("before", "POST") as reached:
        receiver.take(delivery(1, "client.created", AMELIE))
        assert reached.wait(60)
        receiver.take(delivery(2, "client.created", AMELIE | {"id": 2, "email": "b@example.com"}))
        assert brevo.contacts == {}
    receiver.await_work()
    assert set(brevo.contacts) == {"amelie@example.com", "b@example.com"}


@needs_fpm()
def test_under_php_fpm_it_answers_first_and_works_without_cron(
    slack: Slack, tmp_path: Path
) -> None:
    body = delivery(1, "ticket.created", TICKET)
    with FpmKit("slack", tmp_path, **for_slack(slack)) as receiver:
        assert receiver.post(body, Secret("whsec_another").sign(body)) == 401
        assert receiver.post(b"5", receiver.secret.sign(b"5")) == 400
        with slack.standing_still("before", "POST") as reached:
            receiver.take(body)
            assert reached.wait(PATIENCE)
            assert slack.messages == []
        receiver.await_work()
        receiver.take_and_do(body)
    assert len(slack.messages) == 1


def test_what_was_done_is_known_after_a_restart(kit: NewKit, slack: Slack) -> None:
    receiver = kit("slack", **for_slack(slack))
    body = delivery(1, "ticket.created", TICKET)
    receiver.take_and_do(body)
    receiver.restart()
    receiver.take_and_do(body, delivery(2, "ticket.cancelled", TICKET))
    assert slack.messages == [
        "Ticket 1234 · 55.10 € · Bancontact",
        "Cancelled: ticket 1234 · 55.10 € · Bancontact",
    ]


def test_what_comes_twice_at_once_is_done_once(kit: NewKit, slack: Slack) -> None:
    """The second was kept by a request that looked before the first was done."""
    receiver = kit("slack", **for_slack(slack))
    receiver.take_and_do(delivery(1, "ticket.created", TICKET))
    receiver.kill()
    [name] = receiver.names("done")
    shutil.copy(receiver.folder / "done" / f"{name}.json", receiver.folder / "inbox")
    receiver.start()
    receiver.await_work()
    assert len(slack.messages) == 1


def test_what_has_arrived_is_done_after_a_restart(kit: NewKit, slack: Slack) -> None:
    """Answered and killed before the work was begun: nobody sends it again."""
    slack.failing = (503, "upstream connect error")
    receiver = kit("slack", **for_slack(slack))
    receiver.take(delivery(1, "ticket.created", TICKET))
    receiver.kill()
    slack.failing = None
    receiver.start()
    receiver.await_work()
    assert len(slack.messages) == 1


def test_a_test_and_a_sample_do_nothing(kit: NewKit, slack: Slack) -> None:
    receiver = kit("slack", **for_slack(slack))
    receiver.take(
        delivery(1, "ping", {}),
        delivery(2, "ticket.created", {"sample": True} | TICKET),
    )
    assert receiver.names("inbox") == receiver.names("done") == []
    assert slack.asked == []


def test_what_customers_wrote_mentions_nobody(kit: NewKit, slack: Slack) -> None:
    receiver = kit("slack", **for_slack(slack))
    payload = AMELIE | {"prenom": "<!channel>", "nom": "A & B"}
    receiver.take_and_do(delivery(1, "client.created", payload))
    assert slack.messages == ["New customer: &lt;!channel&gt; A &amp; B"]
    assert slack.asked[0].document["mrkdwn"] is False


def test_of_a_customer_the_newest_change_stays(kit: NewKit, brevo: Brevo) -> None:
    receiver = kit("brevo", **for_brevo(brevo))
    older = delivery(1, "client.created", AMELIE)
    newer = delivery(2, "client.updated", AMELIE | {"nom": "Lambert"})
    other = delivery(3, "client.created", AMELIE | {"id": 413, "email": "other@example.com"})
    receiver.take_and_do(newer)
    receiver.restart()
    receiver.take_and_do(other, older)
    assert brevo.contacts["amelie@example.com"]["attributes"]["LASTNAME"] == "Lambert"
    assert brevo.created == ["amelie@example.com", "other@example.com"]
    assert len(receiver.names("done")) == 3


def test_a_message_is_told_of_an_older_change_too(kit: NewKit, slack: Slack) -> None:
    receiver = kit("slack", **for_slack(slack))
    receiver.take_and_do(delivery(2, "ticket.cancelled", TICKET))
    receiver.take_and_do(delivery(1, "ticket.created", TICKET))
    assert [message.split()[0] for message in slack.messages] == ["Cancelled:", "Ticket"]


def test_what_fails_is_tried_again(kit: NewKit, brevo: Brevo) -> None:
    receiver = kit("brevo", **for_brevo(brevo))
    brevo.failing = (503, "Service Unavailable")
    receiver.take(delivery(1, "client.created", AMELIE))
    wait_until(lambda: len(brevo.asked) > 1)
    brevo.failing = None
    receiver.await_work()
    assert brevo.created == ["amelie@example.com"]
    assert receiver.names("failed") == []


def test_a_service_that_asks_for_a_pause_gets_it(kit: NewKit, brevo: Brevo) -> None:
    """Of a backlog it is asked for one, until that goes through."""
    brevo.failing = (429, {"code": "too_many_requests"})
    receiver = kit("brevo", **for_brevo(brevo))
    customers = [AMELIE | {"id": number, "email": f"c{number}@example.com"} for number in (1, 2, 3)]
    receiver.take(*(delivery(c["id"], "client.created", c) for c in customers))
    wait_until(lambda: len(brevo.asked) > 3)
    assert {asked.document["email"] for asked in brevo.asked} == {"c1@example.com"}
    brevo.failing = None
    receiver.await_work()
    assert len(brevo.created) == 3


def test_what_is_refused_is_set_aside_and_holds_up_nobody(kit: NewKit, brevo: Brevo) -> None:
    receiver = kit("brevo", **for_brevo(brevo))
    receiver.take_and_do(
        delivery(1, "client.created", AMELIE | {"id": 1, "email": "nobody"}),
        delivery(2, "client.created", AMELIE),
        delivery(3, "client.created", {"id": 3, "nom": "without an address"}),
    )
    assert brevo.created == ["amelie@example.com"]
    assert len(receiver.names("failed")) == 1
    assert len(brevo.asked) == 2
    receiver.take(delivery(1, "client.created", AMELIE | {"id": 1, "email": "nobody"}))
    assert receiver.names("inbox") == []


def test_what_is_given_up_after_a_day_can_be_tried_once_more(kit: NewKit, brevo: Brevo) -> None:
    brevo.failing = (503, "Service Unavailable")
    receiver = kit("brevo", **for_brevo(brevo))
    receiver.take(delivery(1, "client.created", AMELIE))
    wait_until(lambda: brevo.asked)
    [name] = receiver.names("inbox")
    yesterday = time.time() - 25 * 3600
    os.utime(receiver.folder / "inbox" / f"{name}.json", (yesterday, yesterday))
    wait_until(lambda: receiver.names("failed") == [name])
    brevo.failing = None
    failed = receiver.folder / "failed" / f"{name}.json"
    failed.rename(receiver.folder / "inbox" / failed.name)
    receiver.await_work()
    assert brevo.created == ["amelie@example.com"]
