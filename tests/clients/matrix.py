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
from .model import Client, Column, Installed, Mark, Outcome, Place, Row
from .rooms import Rooms, Unavailable
from .stand_ins import StandIns

#: A client is mostly start-up, which takes a core.
_AT_ONCE = 3
_WAITING_AT_ONCE = 6
Progress = Callable[[Client, Column, Outcome], None]


def run(
    names: Iterable[str] = (), columns: Iterable[Column] = tuple(Column), progress: Progress | None = None
) -> list[Row]:
    """Drive the clients of these names, or all; a row each.

    Args:
        progress: is told of each cell as it ends, from any thread.

    Raises:
        Unavailable: not even this project can be installed beside boto3.
    """
    wanted = [client for client in CLIENTS if not list(names) or client.name in names]
    with tempfile.TemporaryDirectory(prefix="cognito-clients-") as scratch:
        rooms = Rooms(Path(scratch))
        executable = rooms.python("boto3", "boto3", project=True) / "cognito-federation"
        found = {client.name: _installed(client, rooms) for client in wanted}

        def drive() -> list[Row]:
            with (
                World() as world,
                AwsHosts(Path(scratch), partial(_answers, world)) as hosts,
                StandIns(world, own_network) as others,
            ):
                place = Place(Path(scratch) / "home", Path(scratch) / "cells", executable, hosts.variables, others)
                world.write_home(place.home, str(executable))
                return _rows(world, place, wanted, found, tuple(columns), progress or (lambda *_: None))

        # The address of the metadata service must not be taken on the machine's own network.
        own_network = is_possible()
        return run_in_own_network(drive) if own_network else drive()


def _answers(world: World, host: str) -> int | None:
    """The world is STS for clients that assume roles at AWS itself, whatever AWS_ENDPOINT_URL says."""
    return urlsplit(world.endpoint_url).port if host.startswith("sts.") else None


def _installed(client: Client, rooms: Rooms) -> Installed | str:
    """The client, or why it is not there."""
    try:
        return client.install(rooms)
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
    # The one column with credentials of another lifetime comes last and by itself.
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
