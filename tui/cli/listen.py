import click


@click.command()
def listen() -> None:
    """Stub."""
