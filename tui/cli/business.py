"""`business …`: the operators' set-up of businesses."""

from dataclasses import asdict

import click

from core.domain.editions import Edition
from core.errors import BadInput
from core.storage.clock import utc_now
from core.use_cases import businesses, membership
from tui.cli.output import print_json, print_table, say
from tui.cli.program import Program, json_option, operator, pass_program

_EDITIONS = ", ".join(Edition)
_SWITCH = {"on": True, "off": False}
option_switch = click.option(
    "--option",
    type=click.Choice(list(_SWITCH)),
    help="The webhooks option, for the editions that do not include them.",
)


def switched(option: str | None) -> bool | None:
    return None if option is None else _SWITCH[option]


@click.group()
def business() -> None:
    """Add, list and change businesses."""


@business.command()
@click.argument("name")
@click.option("--edition", required=True, help=f"One of {_EDITIONS}.")
@click.option("--owner", metavar="LOGIN", help="Its first owner.")
@option_switch
@json_option
@pass_program
def add(
    program: Program,
    name: str,
    edition: str,
    owner: str | None,
    option: str | None,
    *,
    as_json: bool,
) -> None:
    """Add a business."""
    program.open()
    business_id = businesses.add_business(
        operator(), name, edition, owner, utc_now(), option=bool(switched(option))
    )
    if as_json:
        print_json({"id": business_id, "name": name, "edition": edition})
        return
    say(f"business {business_id}: {name}")


@business.command("list")
@json_option
@pass_program
def list_businesses(program: Program, *, as_json: bool) -> None:
    """Every business, its edition and its option."""
    program.open()
    rows = membership.businesses(operator())
    if as_json:
        print_json([{**asdict(row), "included": row.included} for row in rows])
        return
    print_table(
        ("BUSINESS", "EDITION", "OPTION", "WEBHOOKS", "NAME"),
        [
            (row.id, row.edition, _word(on=row.option), _word(on=row.included), row.name)
            for row in rows
        ],
        "No businesses yet: add one with `aurapos-webhooks business add NAME --edition EDITION`.",
    )


def _word(*, on: bool) -> str:
    return "on" if on else "off"


@business.command("set", short_help="Change a business, or switch its option.")
@click.argument("business_id", type=int)
@click.option("--name", help="Its new name.")
@click.option("--edition", help=f"One of {_EDITIONS}.")
@option_switch
@pass_program
def set_business(
    program: Program, business_id: int, name: str | None, edition: str | None, option: str | None
) -> None:
    """Change a business; switching the option off stops its deliveries at once."""
    program.open()
    if name is None and edition is None and option is None:
        raise BadInput("Say what to change: --name, --edition or --option.")
    businesses.set_business(
        operator(), business_id, utc_now(), name=name, edition=edition, option=switched(option)
    )
    if switched(option):
        program.wake()
    _tell_state(business_id)


def _tell_state(business_id: int) -> None:
    row = next(row for row in membership.businesses(operator()) if row.id == business_id)
    say(
        f"business {row.id}: {row.name}, {row.edition}, option {_word(on=row.option)}; "
        f"webhooks are {_word(on=row.included)}"
    )
