"""`mail …`: the address at which somebody is told of a business's alerts."""

import click

from core.domain.language import Language
from core.errors import BadConfig
from core.storage.clock import utc_now
from core.use_cases import mail as addresses
from core.use_cases.mail import MailTo
from tui.cli.output import print_json, say
from tui.cli.program import (
    Program,
    actor_as,
    as_option,
    business_option,
    choose_business,
    json_option,
    pass_program,
)


@click.group(short_help="Be told of alerts by mail, at an address that was confirmed.")
def mail() -> None:
    """Show, add, confirm and remove the address that a business's alerts are mailed to.

    Each member has one, and so has the operator.
    """


@mail.command()
@business_option
@as_option
@json_option
@pass_program
def show(program: Program, business_id: int | None, login: str | None, *, as_json: bool) -> None:
    """The address that counts, and the one that waits for its code."""
    program.open()
    actor = actor_as(login)
    chosen = choose_business(actor, business_id)
    found = addresses.mail_to(actor, chosen)
    if as_json:
        print_json(_document(chosen, found))
        return
    say(f"Alerts are mailed to {found.address}." if found.address else "No alerts are mailed.")
    if found.asked:
        say(f"{found.asked} waits for its code: `aurapos-webhooks mail confirm CODE`.")


def _document(business_id: int, found: MailTo) -> dict[str, object]:
    told = {"address": found.address or None, "waits_for_code": found.asked or None}
    return {"business_id": business_id, **told, "language": found.language}


@mail.command(short_help="Mail a code to an address for alerts.")
@click.argument("address")
@click.option(
    "--language",
    type=click.Choice([each.value for each in Language]),
    default=Language.ENGLISH.value,
    show_default=True,
    help="Of what is mailed.",
)
@business_option
@as_option
@json_option
@pass_program
def add(
    program: Program,
    address: str,
    language: str,
    business_id: int | None,
    login: str | None,
    *,
    as_json: bool,
) -> None:
    """Mail a code to ADDRESS, which counts once that was given to `mail confirm`."""
    if not program.open().mail.smtp:
        raise BadConfig(
            "No mail is sent here: name a server in [mail] smtp of the configuration, and the "
            "sender."
        )
    actor = actor_as(login)
    chosen = choose_business(actor, business_id)
    known = Language(language)
    given = addresses.give_address(actor, chosen, address, known, utc_now(), wake=program.wake)
    if as_json:
        print_json(_document(chosen, addresses.mail_to(actor, chosen)))
        return
    say(
        f"A code is on its way to {given}: `aurapos-webhooks mail confirm CODE`, within 10 minutes."
    )


@mail.command()
@click.argument("code")
@business_option
@as_option
@pass_program
def confirm(program: Program, code: str, business_id: int | None, login: str | None) -> None:
    """Let the address count, with the code that was mailed to it."""
    program.open()
    actor = actor_as(login)
    chosen = choose_business(actor, business_id)
    address = addresses.confirm_address(actor, chosen, code, utc_now(), vault=program.vault())
    say(f"Alerts are mailed to {address} from now on.")


@mail.command()
@business_option
@as_option
@pass_program
def remove(program: Program, business_id: int | None, login: str | None) -> None:
    """Have nothing mailed any more."""
    program.open()
    actor = actor_as(login)
    addresses.forget_address(actor, choose_business(actor, business_id), utc_now())
    say("No alerts are mailed any more.")
