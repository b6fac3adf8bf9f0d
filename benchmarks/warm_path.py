"""Rows about one process that prints an answer kept ready."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from . import peers
from .laboratory import Laboratory
from .measuring import Command, Ratio, can_count, imports, instructions, peak_mib, ratios_to
from .rows import Row

_OURS = "warm credential-process"
_WALL, _INSTRUCTIONS, _PEAK, _PEER, _ACTIVATED = 1.10, 1.05, 10.0, 0.05, 1.04
_ROUNDS, _PEER_ROUNDS, _MANY = 60, 7, 10_000
#: What the warm path may import that `python -c pass` has not: itself.
OWN_MODULES = [
    "botocore_cognito_federation",
    "botocore_cognito_federation.__main__",
    "botocore_cognito_federation.process",
]


def instruction_ratio(laboratory: Laboratory) -> float:
    """Instructions of a warm ``credential-process`` over those of a bare interpreter."""
    return instructions(_by_interpreter(laboratory), laboratory.environment) / instructions(
        laboratory.bare, laboratory.environment
    )


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
    at = ratios_to(laboratory.bare, {_OURS: laboratory.helper}, environment, _ROUNDS)[_OURS]
    found = [_wall(_OURS, at, _WALL), _cpu(_OURS, at)]
    if can_count():
        found.append(Row(_OURS, "instructions x python -c pass", instruction_ratio(laboratory), _INSTRUCTIONS))
    peak = peak_mib(laboratory.python, _by_interpreter(laboratory), environment)
    found.append(Row(_OURS, "peak MiB", peak, _PEAK))
    found.append(Row("python -c pass", "peak MiB", peak_mib(laboratory.python, laboratory.bare, environment)))
    return found


def against_peers(laboratory: Laboratory) -> list[Row]:
    """What others cost, and the ratio to them."""
    found, missing = peers.commands(laboratory)
    measured = ratios_to(laboratory.bare, {_OURS: laboratory.helper, **found}, laboratory.environment, _PEER_ROUNDS)
    ours = measured.pop(_OURS)
    table = [row for name, at in measured.items() for row in (_wall(name, at), _cpu(name, at))]
    table += [Row(f"{name}: {reason}", "") for name, reason in missing.items()]
    for name, at in measured.items():
        limit = _PEER if name.startswith("aws-sso-util") else None
        table.append(Row(_OURS, f"wall x {name}", ours.wall.median / at.wall.median, limit))
        table.append(Row(_OURS, f"CPU x {name}", ours.cpu.median / at.cpu.median))
    return table


def activated(laboratory: Laboratory) -> list[Row]:
    """What ``native enable`` adds to the start of every Python of an environment."""
    folder = laboratory.rooms.python("benchmarks-activated", project=True)
    environment = laboratory.environment
    subprocess.run(
        [folder / "cognito-federation", "native", "enable"], env=environment, check=True, capture_output=True
    )
    what, command = "activated interpreter", [str(folder / "python"), "-c", "pass"]
    at = ratios_to(laboratory.bare, {what: command}, environment, 2 * _ROUNDS)[what]
    found = [_wall(what, at, _ACTIVATED), _cpu(what, at)]
    if can_count():
        ratio = instructions(command, environment) / instructions(laboratory.bare, environment)
        found.append(Row(what, "instructions x python -c pass", ratio, _ACTIVATED))
    return found


def growing(laboratory: Laboratory) -> list[Row]:
    """One cached profile against ten thousand."""
    crowded = laboratory.scratch / "crowded"
    shutil.copytree(laboratory.cache, crowded)
    command = ["/usr/bin/env", f"COGNITO_FEDERATION_CACHE_DIR={crowded}", *laboratory.helper]
    alone = ["/usr/bin/env", f"COGNITO_FEDERATION_CACHE_DIR={laboratory.cache}", *laboratory.helper]
    _fill(crowded)
    what = f"{_MANY} cached profiles"
    at = ratios_to(alone, {what: command}, laboratory.environment, _ROUNDS // 2)[what]
    return [
        Row(what, "wall x one profile", at.wall.median, 1.05, spread=(at.wall.low, at.wall.high)),
        Row(what, "CPU x one profile", at.cpu.median, spread=(at.cpu.low, at.cpu.high)),
    ]


def _wall(what: str, at: Ratio, limit: float | None = None) -> Row:
    return Row(what, "wall x python -c pass", at.wall.median, limit, spread=(at.wall.low, at.wall.high))


def _cpu(what: str, at: Ratio) -> Row:
    return Row(what, "CPU x python -c pass", at.cpu.median, spread=(at.cpu.low, at.cpu.high))


def _fill(cache: Path) -> None:
    for file in [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]:
        for number in range(_MANY):
            shutil.copy2(file, file.with_name(f"{number:032x}{file.suffix}"))
