"""The run: one world, one config file, every client in every column, a few at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from botocore_cognito_federation.demo.sessions import SESSION_SECONDS
from botocore_cognito_federation.demo.world import World
from tests.servers.aws_hosts import AwsHosts
from tests.servers.own_network import is_possible, run_in_own_network

from .catalogue import CLIENTS
from .children import ChildFailed
from .columns import SHORT_LIFE, Cell, prove
from .installer import Installer, Unavailable
from .model import Client, Column, Installed, Mark, Outcome, Place, Row
from .stand_ins import StandIns

#: Starting a client is most of its work, and takes a core.
_AT_ONCE = 3
_WAITING_AT_ONCE = 6
Progress = Callable[[Client, Column, Outcome], None]


def run(
    names: Iterable[str] = (), columns: Iterable[Column] = tuple(Column), progress: Progress | None = None
) -> list[Row]:
    """Test the clients of these names, or all; return a row for each.

    Args:
        progress: called for each cell that ends, from any thread.

    Raises:
        Unavailable: this project cannot be installed with boto3.
    """
    wanted = [client for client in CLIENTS if not list(names) or client.name in names]
    with tempfile.TemporaryDirectory(prefix="cognito-clients-") as scratch:
        installer = Installer(Path(scratch))
        executable = installer.python("boto3", "boto3", project=True) / "cognito-federation"
        found = {client.name: _installed(client, installer) for client in wanted}

        def drive() -> list[Row]:
            with (
                World() as world,
                AwsHosts(Path(scratch), partial(_answers, world)) as hosts,
                StandIns(world, own_network) as others,
            ):
                place = Place(Path(scratch) / "home", Path(scratch) / "cells", executable, hosts.variables, others)
                world.write_home(place.home, str(executable))
                return _rows(world, place, wanted, found, tuple(columns), progress or (lambda *_: None))

        # The address of the metadata service must not be used on the machine's own network.
        own_network = is_possible()
        return run_in_own_network(drive) if own_network else drive()


def _answers(world: World, host: str) -> int | None:
    """The world acts as STS for clients that assume roles at AWS itself, whatever AWS_ENDPOINT_URL says."""
    return urlsplit(world.endpoint_url).port if host.startswith("sts.") else None


def _installed(client: Client, installer: Installer) -> Installed | str:
    """Return the client, or the reason why it is not available."""
    try:
        return client.install(installer)
    except Unavailable as reason:
        return str(reason)


def _rows(
    world: World,
    place: Place,
    clients: list[Client],
    found: dict[str, Installed | str],
    columns: tuple[Column, ...],
    progress: Progress,
) -> list[Row]:
    environment = dict(os.environ)

    def outcome(client: Client, column: Column) -> Outcome:
        result = _outcome(world, place, client, found[client.name], column, environment)
        progress(client, column, result)
        return result

    outcomes: dict[tuple[str, Column], Outcome] = {}
    # The column with credentials of another lifetime comes last and alone.
    for lifetime, at_once, some in (
        (SESSION_SECONDS, _AT_ONCE, [column for column in columns if column is not Column.REFRESH]),
        (SHORT_LIFE, _WAITING_AT_ONCE, [column for column in columns if column is Column.REFRESH]),
    ):
        world.credential_lifetime = lifetime
        cells = [(client, column) for client in clients for column in some]
        with ThreadPoolExecutor(at_once) as pool:
            for (client, column), result in zip(cells, pool.map(lambda cell: outcome(*cell), cells), strict=True):
                outcomes[client.name, column] = result
    return [
        Row(client, _version(found[client.name]), {column: outcomes[client.name, column] for column in columns})
        for client in clients
    ]


def _outcome(
    world: World,
    place: Place,
    client: Client,
    installed: Installed | str,
    column: Column,
    environment: dict[str, str],
) -> Outcome:
    if column in client.lacks:
        return Outcome(Mark.NOT_APPLICABLE, client.lacks[column])
    if isinstance(installed, str):
        return Outcome(Mark.MISSING, installed)
    try:
        reaction = prove(Cell(world, place, client, installed, column, environment))
    except ChildFailed as failure:
        return Outcome(Mark.FAILED, str(failure))
    return Outcome(Mark.OK, reaction=reaction)


def _version(installed: Installed | str) -> str:
    return "" if isinstance(installed, str) else installed.version
