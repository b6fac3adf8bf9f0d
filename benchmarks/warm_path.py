"""Rows about one process that prints an answer kept ready."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import peers
from .laboratory import Laboratory
from .measuring import Command, Spread, can_count, imports, instructions, peak_mib, ratios_to
from .rows import Row

_WALL, _INSTRUCTIONS, _PEAK, _PEER = 1.10, 1.05, 10.0, 0.05
_ROUNDS, _PEER_ROUNDS, _MANY = 60, 7, 10_000
#: What the warm path may import that `python -c pass` has not: itself.
OWN_MODULES = ["botocore_cognito_federation", "botocore_cognito_federation.process"]


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
    environment, helper = laboratory.environment, {"": laboratory.helper}
    wall = ratios_to(laboratory.bare, helper, environment, _ROUNDS)[""]
    what = "warm credential-process, whole process"
    found = [Row(what, "wall x python -c pass", wall.median, _WALL, spread=(wall.low, wall.high))]
    if can_count():
        found.append(Row(what, "instructions x python -c pass", instruction_ratio(laboratory), _INSTRUCTIONS))
    peak = peak_mib(laboratory.python, _by_interpreter(laboratory), environment)
    found.append(Row(what, "peak MiB", peak, _PEAK))
    bare_peak = peak_mib(laboratory.python, laboratory.bare, environment)
    found.append(Row("python -c pass", "peak MiB", bare_peak))
    return found


def against_peers(laboratory: Laboratory) -> list[Row]:
    """What others cost, and the ratio to them."""
    found, missing = peers.commands(laboratory)
    measured = ratios_to(laboratory.bare, {"": laboratory.helper, **found}, laboratory.environment, _PEER_ROUNDS)
    ours: Spread = measured.pop("")
    table = [Row(name, "wall x python -c pass", at.median, spread=(at.low, at.high)) for name, at in measured.items()]
    table += [Row(f"{name}: {reason}", "wall x python -c pass") for name, reason in missing.items()]
    for name, at in measured.items():
        limit = _PEER if name.startswith("aws-sso-util") else None
        table.append(Row(f"warm credential-process against {name}", "wall ratio", ours.median / at.median, limit))
    return table


def growing(laboratory: Laboratory) -> list[Row]:
    """One cached profile against ten thousand."""
    crowded = laboratory.scratch / "crowded"
    shutil.copytree(laboratory.cache, crowded)
    variable = "COGNITO_FEDERATION_CACHE_DIR"
    command = ["/usr/bin/env", f"{variable}={crowded}", *laboratory.helper]
    alone = ["/usr/bin/env", f"{variable}={laboratory.cache}", *laboratory.helper]
    _fill(crowded)
    measured = ratios_to(alone, {"": command}, laboratory.environment, _ROUNDS // 2)[""]
    spread = (measured.low, measured.high)
    return [Row(f"cached profiles grow from 1 to {_MANY}", "wall ratio", measured.median, 1.05, spread=spread)]


def _fill(cache: Path) -> None:
    for file in [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]:
        for number in range(_MANY):
            shutil.copy2(file, file.with_name(f"{number:032x}{file.suffix}"))
