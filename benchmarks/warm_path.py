"""Rows about one process that prints credentials."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from botocore_cognito_federation.botocore_plugin.native import FILE_NAME

from . import peers
from .laboratory import Laboratory
from .measuring import Command, Ratio, can_count, imports, instructions, peak_mib, ratios_to
from .rows import Row

_ROUNDS, _PEER_ROUNDS, _COLD_ROUNDS = 60, 7, 9
_MANY, _MANY_IN_CONFIG = 10_000, 2_000
#: What the warm path may import that `python -c pass` has not: itself.
OWN_MODULES = [
    "botocore_cognito_federation",
    "botocore_cognito_federation.__main__",
    "botocore_cognito_federation._fast_path",
]


def instruction_ratio(laboratory: Laboratory) -> float:
    """Instructions of a warm ``credential-process`` over those of a bare interpreter."""
    environment = laboratory.environment
    return instructions(_by_interpreter(laboratory), environment) / instructions(laboratory.bare, environment)


def extra_imports(laboratory: Laboratory) -> list[str]:
    """What a warm ``credential-process`` imports and a bare interpreter does not."""
    environment = laboratory.environment
    bare = imports(laboratory.bare, environment)
    return [name for name in imports(_by_interpreter(laboratory), environment) if name not in bare]


def _by_interpreter(laboratory: Laboratory) -> Command:
    """The console script as the kernel starts it."""
    return [laboratory.python, *laboratory.helper]


def against_bare(laboratory: Laboratory) -> list[Row]:
    """What it costs beside Python that does nothing."""
    environment = laboratory.environment
    floor = [laboratory.python, "-I", "-S", "-c", "pass"]
    commands = {"warm": laboratory.helper, "floor": floor}
    at = ratios_to(laboratory.bare, commands, environment, _ROUNDS)
    found = [_wall("warm.wall", at["warm"]), _cpu("warm.cpu", at["warm"])]
    if can_count():
        found.append(Row("warm.instructions", instruction_ratio(laboratory)))
    found.append(Row("warm.peak", peak_mib(laboratory.python, _by_interpreter(laboratory), environment)))
    found.append(Row("bare.peak", peak_mib(laboratory.python, laboratory.bare, environment)))
    return [*found, _wall("floor.wall", at["floor"])]


def cold(laboratory: Laboratory) -> list[Row]:
    """The long way: nothing is kept, the token is in a file, Cognito is on loopback."""
    at = ratios_to(
        laboratory.bare, {"cold": laboratory.helper}, laboratory.environment, _COLD_ROUNDS, before=laboratory.forget
    )["cold"]
    laboratory.warm()
    return [_wall("cold.wall", at), _cpu("cold.cpu", at)]


def against_peers(laboratory: Laboratory) -> list[Row]:
    """What others cost, and the ratio to one of them."""
    found, missing = peers.commands(laboratory)
    commands = {"ours": laboratory.helper, **found}
    measured = ratios_to(laboratory.bare, commands, laboratory.environment, _PEER_ROUNDS)
    ours = measured.pop("ours")
    table = [row for key, at in measured.items() for row in (_wall(f"{key}.wall", at), _cpu(f"{key}.cpu", at))]
    table += [Row(f"{key}.wall", why=reason) for key, reason in missing.items()]
    if peers.SSO_UTIL in measured:
        table.append(Row("peer.ours", ours.wall.median / measured[peers.SSO_UTIL].wall.median))
    return table


def activated(laboratory: Laboratory) -> list[Row]:
    """What ``native enable`` adds to the start of every Python of an environment."""
    folder = laboratory.rooms.python("benchmarks-activated", project=True)
    environment = laboratory.environment
    subprocess.run(
        [folder / "cognito-federation", "native", "enable"], env=environment, check=True, capture_output=True
    )
    command = [str(folder / "python"), "-c", "pass"]
    at = ratios_to(laboratory.bare, {"activated": command}, environment, 2 * _ROUNDS)["activated"]
    found = [_wall("activated.wall", at), _cpu("activated.cpu", at)]
    return [*found, *_activated_in_instructions(laboratory, folder)] if can_count() else found


def _activated_in_instructions(laboratory: Laboratory, folder: Path) -> list[Row]:
    """The activation, and the least that its file could say, over an environment without any ``.pth``.

    Beside one of another package, which setuptools leaves in every environment before 3.12, a second one costs less.
    """
    command = [str(folder / "python"), "-c", "pass"]
    (ours,) = folder.parent.rglob(FILE_NAME)
    kept = {file: file.read_bytes() for file in ours.parent.glob("*.pth")}
    found = []
    try:
        for file in kept:
            file.unlink()
        for line in (None, kept[ours], b"import sys\n"):
            if line is not None:
                ours.write_bytes(line)
            found.append(instructions(command, laboratory.environment))
    finally:
        for file, content in kept.items():
            file.write_bytes(content)
    bare, activated, least = found
    return [Row("activated.instructions", activated / bare), Row("activated.floor", least / bare)]


def growing(laboratory: Laboratory) -> list[Row]:
    """One cached profile against ten thousand; a configuration of a few profiles against one of two thousand."""
    crowded = laboratory.scratch / "crowded"
    shutil.copytree(laboratory.cache, crowded)
    _fill(crowded)
    large = laboratory.scratch / "config"
    more = "".join(f"[profile p{number}]\nregion = eu-west-1\n\n" for number in range(_MANY_IN_CONFIG))
    large.write_text(more + (laboratory.home / ".aws" / "config").read_text())
    alone = ["/usr/bin/env", f"COGNITO_FEDERATION_CACHE_DIR={laboratory.cache}", *_by_interpreter(laboratory)]
    commands = {
        "growing": ["/usr/bin/env", f"COGNITO_FEDERATION_CACHE_DIR={crowded}", *_by_interpreter(laboratory)],
        "config": ["/usr/bin/env", f"AWS_CONFIG_FILE={large}", *_by_interpreter(laboratory)],
    }
    measured = ratios_to(alone, commands, laboratory.environment, _ROUNDS)
    found = [_wall(f"{key}.wall", at) for key, at in measured.items()]
    if can_count():
        one = _counted(alone, laboratory)
        found += [Row(f"{key}.instructions", _counted(command, laboratory) / one) for key, command in commands.items()]
    return found


def _counted(command: Command, laboratory: Laboratory) -> int:
    """Instructions of what ``/usr/bin/env NAME=VALUE`` starts."""
    _, variable, *program = command
    name, _, value = variable.partition("=")
    return instructions(program, {**laboratory.environment, name: value})


def _wall(key: str, at: Ratio) -> Row:
    return Row(key, at.wall.median, spread=(at.wall.low, at.wall.high))


def _cpu(key: str, at: Ratio) -> Row:
    return Row(key, at.cpu.median, spread=(at.cpu.low, at.cpu.high))


def _fill(cache: Path) -> None:
    for file in [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]:
        for number in range(_MANY):
            shutil.copy2(file, file.with_name(f"{number:032x}{file.suffix}"))
