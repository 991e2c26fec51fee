"""`manual` and `completion`: what a system keeps of a command besides the command itself."""

from collections.abc import Iterator
from importlib.metadata import version

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

_NAME = "aurapos-webhooks"
_SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
_FILES = """\
.SH FILES
.TP
.B config.toml
The configuration, in the folder where the program is run unless \\-\\-config or
.B AURAPOS_WEBHOOKS_CONFIG
names another. Every key and its default is in config.example.toml.
.SH EXIT STATUS
0 when all went well, 1 with one sentence on standard error when it did not, 2 for a wrong call.
.B status \\-\\-check
exits as monitors expect: 0, 1, 2 or 3.
"""


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what completes this command in a shell.

    For bash: aurapos-webhooks completion bash > /etc/bash_completion.d/aurapos-webhooks
    """
    variable = f"_{_NAME.replace('-', '_').upper()}_COMPLETE"
    click.echo(_SHELLS[shell](ctx.find_root().command, {}, _NAME, variable).source())


@click.command()
@click.pass_context
def manual(ctx: click.Context) -> None:
    """Print the manual page, for man(1).

    aurapos-webhooks manual > /usr/local/share/man/man1/aurapos-webhooks.1
    """
    click.echo("\n".join(_page(ctx.find_root())), nl=False)


def _page(root: click.Context) -> Iterator[str]:
    command = root.command
    yield f'.TH AURAPOS\\-WEBHOOKS 1 "" "AuraPOS Webhooks {version(_NAME)}" "User Commands"'
    yield f".SH NAME\n{_plain(_NAME)} \\- {_plain(command.get_short_help_str(200))}"
    yield f".SH SYNOPSIS\n.B {_plain(_NAME)}\n[\\-\\-config FILE] COMMAND [ARGUMENTS]"
    yield ".SH OPTIONS"
    yield from _options(command, root)
    yield ".SH COMMANDS"
    yield from _commands(root)
    yield _FILES


def _commands(parent: click.Context) -> Iterator[str]:
    group = parent.command
    if not isinstance(group, click.Group):
        return
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        if command is None or command.hidden:
            continue
        with click.Context(command, info_name=name, parent=parent) as ctx:
            path = ctx.command_path.partition(" ")[2]
            usage = " ".join(command.collect_usage_pieces(ctx))
            yield f".SS {_plain(f'{path} {usage}')}"
            yield "\n.PP\n".join(map(_plain, (command.help or "").split("\n\n")))
            yield from _options(command, ctx)
            yield from _commands(ctx)


def _options(command: click.Command, ctx: click.Context) -> Iterator[str]:
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None and record[1] and parameter.name != "help":
            yield f".TP\n.B {_plain(record[0])}\n{_plain(record[1])}"


def _plain(text: str) -> str:
    """Text as roff reads it: a hyphen that can be copied, nothing that begins a request."""
    told = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    told = told.replace('"', "\\(dq")
    return f"\\&{told}" if told.startswith((".", "'")) else told
