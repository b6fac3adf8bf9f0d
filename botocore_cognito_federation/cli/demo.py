"""``demo``: the whole way on this machine, with no AWS account and no internet."""

from __future__ import annotations

import click


@click.command("demo")
@click.option("--serve", is_flag=True, help="Keep it running and print the exports for your own tools.")
def command(serve: bool) -> None:
    """Show the whole way on this machine, with no account and no internet."""
    from ..demo import moto_account  # noqa: F401 - imported first: it says which extra is missing

    if serve:
        from ..demo.serve import serve as run_server

        run_server()
        return
    from ..demo.walkthrough import walk

    walk(click.echo, lambda line: click.secho(line, bold=True))
