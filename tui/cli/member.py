"""`member …`: who belongs to a business, and the SSH keys that let them in."""

from pathlib import Path

import click

from core.domain.actors import Role
from core.storage.clock import utc_now
from core.use_cases import businesses, membership
from core.use_cases.membership import MemberRow
from tui.cli.output import print_json, print_table, say
from tui.cli.program import (
    Program,
    business_option,
    choose_business,
    json_option,
    operator,
    pass_program,
)
from tui.cli.reading import opened

_LONGEST_KEY = 1 << 16  # bytes


@click.group()
def member() -> None:
    """Add, list and remove members and their SSH keys."""


@member.command()
@click.argument("login")
@click.option(
    "--role", default=Role.OWNER.value, show_default=True, help=f"One of {', '.join(Role)}."
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="An SSH public key (a .pub file, - for stdin) that opens the terminal UI as this member.",
)
@click.option(
    "--allow",
    type=click.Choice(["export", "nothing"]),
    metavar="WHAT",
    help="export: the key may also read what was published over SSH, without a terminal; "
    "nothing: not any more.",
)
@business_option
@json_option
@pass_program
def add(
    program: Program,
    login: str,
    role: str,
    key_file: Path | None,
    allow: str | None,
    business_id: int | None,
    *,
    as_json: bool,
) -> None:
    """Add a member, change its role, or give it a key."""
    program.open()
    actor, now = operator(), utc_now()
    chosen = choose_business(actor, business_id)
    key = _read(key_file) if key_file else None
    may_export = None if allow is None else allow == "export"
    fingerprint = businesses.add_member(
        actor, chosen, login, role, now, key=key, may_export=may_export
    )
    if as_json:
        print_json(
            {"business_id": chosen, "login": login, "role": role, "fingerprint": fingerprint}
        )
        return
    say(f"{login} is {role} of business {chosen}" + (f", key {fingerprint}" if key else ""))


def _read(key_file: Path) -> str:
    with opened(key_file) as source:
        return source.read(_LONGEST_KEY).decode("utf-8", "replace")


@member.command("list")
@business_option
@json_option
@pass_program
def list_members(program: Program, business_id: int | None, *, as_json: bool) -> None:
    """The members of a business and their keys' fingerprints."""
    program.open()
    rows = membership.members(choose_business(operator(), business_id))
    if as_json:
        print_json([_shape(row) for row in rows])
        return
    print_table(
        ("LOGIN", "ROLE", "KEYS"),
        [(row.login, row.role, ", ".join(_keys(row)) or None) for row in rows],
        "No members yet: add one with `aurapos-webhooks member add LOGIN`.",
    )


def _shape(row: MemberRow) -> dict[str, object]:
    exporting = [each for each in row.fingerprints if each in row.exporting]
    told = {"login": row.login, "role": row.role, "fingerprints": row.fingerprints}
    return {**told, **({"exporting": exporting} if exporting else {})}


def _keys(row: MemberRow) -> list[str]:
    return [f"{each} (export)" * (each in row.exporting) or each for each in row.fingerprints]


@member.command()
@click.argument("login")
@business_option
@pass_program
def remove(program: Program, login: str, business_id: int | None) -> None:
    """Remove a member; its keys go with its last business."""
    program.open()
    actor = operator()
    chosen = choose_business(actor, business_id)
    businesses.remove_member(actor, chosen, login, utc_now())
    say(f"{login} is no longer a member of business {chosen}.")
