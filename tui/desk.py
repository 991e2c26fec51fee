"""What the root hands to the screens: who acts, and what acting needs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.domain.actors import Actor
from core.domain.editions import WEBHOOKS_LIMIT, Edition
from core.domain.language import N_, Language
from core.domain.url_policy import UrlPolicy
from core.errors import BadKeyFile
from core.intake import Wake
from core.storage.vault import Vault
from core.use_cases.rotation import lost_secrets
from core.use_cases.settings import AS_IT_COMES, Settings
from tui.language import _, in_words, month, ngettext

TELL = N_("tell whoever runs AuraPOS Webhooks.")


@dataclass(frozen=True)
class Place:
    """Where the screens open: at one of these at most, but for what narrows down the first."""

    webhook_id: int | None = None  # its history
    only_failed: bool = False
    delivery_id: str = ""
    find: str = ""
    activity: bool = False


@dataclass(frozen=True)
class Desk:
    """One person's place at the terminal; nothing here is remembered of what they may do."""

    actor: Actor
    policy: UrlPolicy
    open_vault: Callable[[], Vault]
    wake: Wake
    clock: Callable[[], datetime]
    local: Callable[[datetime], datetime]  # a moment in the zone it is shown in
    max_attempts: int
    timeout: timedelta
    recovery_window: timedelta
    keep: timedelta  # of what is settled, or parked
    most_webhooks: int = WEBHOOKS_LIMIT  # of one business
    sends_mail: bool = False  # a server that takes it is configured
    language: Language = Language.ENGLISH  # of whoever has chosen none
    business_id: int | None = None  # the one asked for; None lets the person choose
    place: Place = Place()
    read_only: bool = False  # nothing can be changed in this session
    development: str = ""  # which development settings are on, in a sentence
    worker_command: str = ""  # what starts one; empty where this person cannot
    settings: Settings = AS_IT_COMES  # what the person chose, as it was when they came
    others_settings: Callable[[], str] = lambda: ""  # what a running worker has set otherwise
    set_up: "Callable[[str, Edition, str], Desk] | None" = None  # where there is nothing yet: makes
    # the first business (name, edition, owner's login) and all that is needed for it

    def key_trouble(self, business_id: int) -> str:
        """Why secrets of a business cannot be opened, in a sentence; empty when all is well."""
        try:
            lost = lost_secrets(self.open_vault(), business_id)
        except BadKeyFile as error:
            # The file is the operator's to mend; an owner need not know where it is.
            if self.actor.login is None:
                return _("! Deliveries wait: {why}").format(why=in_words(error))
            return _("! Deliveries wait: secrets are locked, tell whoever runs AuraPOS Webhooks.")
        if not lost:
            return ""
        told = ngettext(
            "! The secret of {count} webhook is locked: tell whoever runs AuraPOS Webhooks.",
            "! The secrets of {count} webhooks are locked: tell whoever runs AuraPOS Webhooks.",
            len(lost),
        )
        return told.format(count=len(lost))

    @property
    def worker_hint(self) -> str:
        """What to do when no worker runs."""
        if not self.worker_command:
            return _(TELL)
        told = _("start one in another terminal: {command}")
        return told.format(command=self.worker_command)

    def settings_trouble(self) -> str:
        """That a worker runs with other settings, in a sentence; empty when none does."""
        differing = self.others_settings()
        if not differing:
            return ""
        if self.actor.login is None:
            return f"! {differing[0].upper()}{differing[1:]}."
        told = _(
            "! The worker runs with other settings than this screen: open it anew, else {hint}"
        )
        return told.format(hint=_(TELL))

    def moment(self, when: datetime, *, seconds: bool = False) -> str:
        """`23 Nov 12:40`, or `23 Nov 12:40:07`."""
        local = self.local(when)
        return f"{local:%d} {month(local)} {local:{'%H:%M:%S' if seconds else '%H:%M'}}"

    def soon(self, when: datetime) -> str:
        """`12:40` of today, `23 Nov` of another day; nothing that time alone changes."""
        local = self.local(when)
        is_today = local.date() == self.local(self.clock()).date()
        return f"{local:%H:%M}" if is_today else self.day(when)

    def day(self, when: datetime) -> str:
        """`3 Nov`."""
        local = self.local(when)
        return f"{local.day} {month(local)}"

    def time(self, when: datetime) -> str:
        """`12:40:07`."""
        return f"{self.local(when):%H:%M:%S}"


def clocks_in(zone: str) -> Callable[[datetime], datetime]:
    """What the clocks there show at a moment: this machine's where it is empty, or unknown here."""
    there = _zone(zone)
    return lambda when: when.astimezone(there)


def is_known(zone: str) -> bool:
    """Whether this machine knows what the clocks there show; its own is the empty one."""
    return not zone or _zone(zone) is not None


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
