"""What is to be mailed, from the edge to the end: on both engines."""

from datetime import datetime, timedelta

import pytest

from core.domain.actors import Role
from core.domain.choices import Chosen
from core.domain.delivery import Schedule
from core.domain.language import Language
from core.pipeline import alerts
from core.pipeline.alerts import tell_some
from core.pipeline.leases import LEASE
from core.pipeline.mail_claims import MailClaim, claim_mail, settle_failed, settle_sent
from core.pipeline.retention import prune
from core.storage.awaited import awaited
from core.storage.database import transaction
from core.storage.models import Alert, Business, Event, Mail, Webhook
from core.storage.vault import Vault
from core.use_cases.businesses import add_business, add_member
from core.use_cases.installation_health import MailVitals, mail_vitals
from core.use_cases.mail import forget_address
from tests.support.addresses import add_address, ask
from tests.support.scene import DAY, MARIE, MINUTE, NOON, OPERATOR, SCHEDULE, SECOND, add_webhook

KEEP = 90 * DAY
HOUR = timedelta(hours=1)
ALERTS: Chosen = {"alerts": True}
LATER = NOON + MINUTE


@pytest.fixture
def shop(business: int, vault: Vault) -> int:
    """The webhook that the alerts are about."""
    return add_webhook(vault, business, "https://shop.example.com/a/long/path-1234").id


@pytest.fixture
def hers(business: int, vault: Vault) -> str:
    """An address that counts."""
    add_address(vault, business)
    return "marie@example.com"


def breaks(webhook: int, now: datetime = LATER) -> None:
    """Something was abandoned."""
    change(webhook, now, lost_since=now, up_since=None)


def recovers(webhook: int, now: datetime) -> None:
    change(webhook, now, lost_since=None, up_since=now)


def change(webhook: int, now: datetime, **how: datetime | None) -> None:
    with transaction():
        Webhook.update(look_at=now, **how).where(Webhook.id == webhook).execute()


def edge(webhook: int, now: datetime = LATER) -> None:
    """Something is told."""
    breaks(webhook, now)
    tell_some(KEEP, now)


def alert_mails() -> list[Mail]:
    return list(Mail.select().where(Mail.kind != "code").order_by(Mail.id))


def claim(now: datetime = LATER) -> MailClaim:
    claimed = claim_mail(now)
    assert claimed is not None
    return claimed


def test_an_edge_is_mailed_to_who_confirmed_though_no_webhook_is_told(
    business: int, shop: int, hers: str
) -> None:
    edge(shop)
    assert Event.select().where(Event.type == "alert").count() == 0
    assert awaited().mail_at == LATER
    claimed = claim()
    assert claimed.reader.address == hers
    assert claimed.letter.subject == (
        "Chez Marie · shop.example.com …1234 is failing · nothing accepted for 1 min"
    )
    assert "long/path" not in claimed.letter.text, "a path can be a credential"
    settle_sent(claimed, LATER)
    assert (claim_mail(NOON + DAY), awaited().mail_at) == (None, None)


def test_nothing_is_mailed_to_who_did_not_confirm(business: int, shop: int) -> None:
    ask(business)
    edge(shop)
    assert alert_mails() == []
    assert not Alert.select().exists()


def test_webhooks_and_addresses_are_told_the_same_and_as_often(
    business: int, shop: int, hers: str, vault: Vault
) -> None:
    add_webhook(vault, business, "https://chat.example.com/", chosen=ALERTS)
    for number in range(100):
        now = LATER + number * 2 * MINUTE
        breaks(shop, now)
        tell_some(KEEP, now)
        recovers(shop, now + MINUTE)
        tell_some(KEEP, now + MINUTE)
    mails = alert_mails()
    events = Event.select().where(Event.type == "alert").order_by(Event.id)
    assert [row.kind for row in mails] == ["failing", "back"] * 4, "in over three hours"
    assert [row.created_at for row in mails] == [row.created_at for row in events]


def test_each_address_is_told_in_its_language(business: int, shop: int, vault: Vault) -> None:
    add_address(vault, business, language=Language.DUTCH)
    edge(shop)
    assert "faalt" in claim().letter.subject


def test_another_business_is_told_nothing(business: int, shop: int, vault: Vault) -> None:
    other = add_business(OPERATOR, "Chez Paul", "group", "marie", NOON)
    add_address(vault, other)
    edge(shop)
    assert alert_mails() == []


def test_a_mail_and_that_it_was_told_are_written_together_or_not_at_all(
    business: int, shop: int, hers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks(shop)

    def die(_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(alerts, "passed", die)
        with pytest.raises(ZeroDivisionError):
            tell_some(KEEP, LATER)
    assert alert_mails() == []
    tell_some(KEEP, LATER)
    tell_some(KEEP, LATER)
    assert len(alert_mails()) == 1


def test_what_fails_is_tried_again_on_the_schedule_and_given_up_after_the_last(
    business: int, shop: int, hers: str
) -> None:
    edge(shop)
    now, waits = LATER, list[timedelta]()
    for number in range(1, 6):
        claimed = claim(now)
        assert claimed.attempts == number - 1
        settle_failed(claimed, f"failure {number}", SCHEDULE, now)
        due = awaited().mail_at
        assert mail_vitals(now) == MailVitals(
            *(0, 0, 1) if due is None else (1, 1, 0), f"failure {number}"
        )
        if due is not None:
            assert claim_mail(due - SECOND) is None
            waits.append(due - now)
            now = due
    assert waits == list(SCHEDULE.retry_after[:4])
    assert (awaited().mail_at, mail_vitals(now + 2 * DAY)) == (None, MailVitals(0, 0, 0, ""))


def test_what_arrives_in_the_end_is_no_trouble_any_more(
    business: int, shop: int, hers: str
) -> None:
    edge(shop)
    settle_failed(claim(), "busy", SCHEDULE, LATER)
    settle_sent(claim(LATER + MINUTE), LATER + MINUTE)
    assert mail_vitals(LATER + MINUTE) == MailVitals(0, 0, 0, "")


def test_no_two_workers_hand_in_the_same(business: int, shop: int, hers: str) -> None:
    edge(shop)
    claimed = claim()
    assert claim_mail(LATER) is None
    assert awaited().mail_at == LATER + LEASE
    settle_sent(claimed, LATER)


def test_who_died_while_handing_in_has_it_repeated_and_settles_nothing_any_more(
    business: int, shop: int, hers: str
) -> None:
    edge(shop)
    lost = claim()
    again = claim(LATER + LEASE)
    assert (again.id, again.created_at, again.attempts) == (lost.id, lost.created_at, 0)
    settle_failed(lost, "too late", SCHEDULE, LATER + LEASE)
    settle_sent(again, LATER + LEASE)
    assert Mail.get_by_id(again.id).error == ""
    assert Mail.get_by_id(again.id).sent_at == LATER + LEASE


def test_what_ends_every_worker_is_not_handed_in_for_ever(
    business: int, shop: int, hers: str
) -> None:
    edge(shop)
    now = LATER
    for _ in range(11):
        claim(now)
        now += LEASE
    assert claim_mail(now) is None
    assert "workers ended" in mail_vitals(now).why


def test_what_is_of_no_use_any_more_is_not_mailed(business: int, shop: int, hers: str) -> None:
    edge(shop)
    assert claim_mail(LATER + DAY) is None
    assert mail_vitals(LATER + DAY - SECOND).given_up == 1
    ask(business, now=NOON + 2 * DAY)
    assert claim_mail(NOON + 2 * DAY + 10 * MINUTE) is None


def test_a_schedule_ends_where_the_mail_is_of_no_use(business: int, shop: int, hers: str) -> None:
    edge(shop)
    settle_failed(claim(), "busy", Schedule((DAY,), 5), LATER)
    assert awaited().mail_at is None


@pytest.mark.parametrize("how", ["forgotten", "demoted", "switched off"])
def test_rights_are_read_again_before_it_is_handed_in(
    business: int, shop: int, hers: str, how: str
) -> None:
    edge(shop)
    if how == "forgotten":
        forget_address(MARIE, business, LATER)
    elif how == "demoted":
        add_member(OPERATOR, business, "marie", Role.STAFF, LATER)
    else:
        with transaction():
            Business.update(edition="boutique").execute()
    assert (claim_mail(LATER), awaited().mail_at) == (None, None)
    assert mail_vitals(LATER) == MailVitals(0, 0, 0, ""), "which is no trouble"


def test_old_mail_is_forgotten_and_what_waits_is_not(business: int, shop: int, hers: str) -> None:
    edge(shop)
    prune(NOON + DAY, NOON + DAY)
    assert [row.kind for row in Mail.select()] == ["failing"]
    settle_sent(claim(), LATER)
    prune(LATER, NOON + DAY)
    assert len(alert_mails()) == 1
    prune(LATER + SECOND, NOON + DAY)
    assert alert_mails() == []
