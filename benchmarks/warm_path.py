"""Rows about one process that prints credentials."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from botocore_cognito_federation.botocore_plugin.native import FILE_NAME
from tests.servers.aws_hosts import HttpsFront

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


def ways(laboratory: Laboratory) -> dict[str, Command]:
    """The ways to start what is ready, by their rows in ``benchmarks/baseline.json``; each begins with the Python."""
    return {
        "instructions": _by_interpreter(laboratory),
        "line": laboratory.line,
        "check": [laboratory.python, *laboratory.check],
    }


def instruction_ratios(laboratory: Laboratory) -> dict[str, float]:
    """Instructions of each of the `ways` over those of a bare interpreter."""
    environment = laboratory.environment
    bare = instructions(laboratory.bare, environment)
    return {name: instructions(way, environment) / bare for name, way in ways(laboratory).items()}


def cold_instruction_ratio(laboratory: Laboratory) -> float:
    """Instructions of a cold start by http over those of a bare interpreter; an answer is ready again afterwards."""
    environment = laboratory.environment
    laboratory.forget()
    subprocess.run(laboratory.line, env=dict(environment), check=True, capture_output=True)  # byte code is written
    laboratory.forget()
    ratio = instructions(laboratory.line, environment) / instructions(laboratory.bare, environment)
    return ratio


def extra_imports(laboratory: Laboratory) -> dict[str, list[str]]:
    """What each of the `ways` imports and a bare interpreter does not."""
    environment = laboratory.environment
    bare = imports(laboratory.bare, environment)
    return {
        name: [module for module in imports(way, environment) if module not in bare]
        for name, way in ways(laboratory).items()
    }


def _by_interpreter(laboratory: Laboratory) -> Command:
    """The console script as the kernel starts it."""
    return [laboratory.python, *laboratory.helper]


def against_bare(laboratory: Laboratory) -> list[Row]:
    """What it costs beside Python that does nothing."""
    environment = laboratory.environment
    floor = [laboratory.python, "-I", "-S", "-c", "pass"]
    commands = {"warm": laboratory.helper, "line": laboratory.line, "check": laboratory.check, "floor": floor}
    at = ratios_to(laboratory.bare, commands, environment, _ROUNDS)
    found = [_wall("line.wall", at["line"]), _cpu("line.cpu", at["line"])]
    found += [_wall("warm.wall", at["warm"]), _cpu("warm.cpu", at["warm"]), _wall("check.wall", at["check"])]
    if can_count():
        ratios = instruction_ratios(laboratory)
        rows = {"line": "line.instructions", "instructions": "warm.instructions", "check": "check.instructions"}
        found += [Row(rows[way], ratio) for way, ratio in ratios.items()]
    found += [*_by_pip("old", laboratory), *_by_pip("new", laboratory), _busy(laboratory)]
    found.append(Row("warm.peak", peak_mib(laboratory.python, _by_interpreter(laboratory), environment)))
    found.append(Row("bare.peak", peak_mib(laboratory.python, laboratory.bare, environment)))
    return [*found, _wall("floor.wall", at["floor"])]


def _busy(laboratory: Laboratory) -> Row:
    """The line on a machine whose cores all have something else to do."""
    busy = [subprocess.Popen([laboratory.python, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        at = ratios_to(laboratory.bare, {"line": laboratory.line}, laboratory.environment, _ROUNDS)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return _wall("busy.wall", at["line"])


def _by_pip(age: str, laboratory: Laboratory) -> list[Row]:
    """What the oldest pip that is supported installs, or the newest, beside the bare Python of that environment."""
    folder, environment = laboratory.with_pip(newest=age == "new"), laboratory.environment
    bare = [str(folder / "python"), "-c", "pass"]
    helper = [str(folder / "cognito-federation"), *laboratory.helper[1:]]
    at = ratios_to(bare, {age: helper}, environment, _ROUNDS)[age]
    found = [_wall(f"{age}.wall", at), _cpu(f"{age}.cpu", at)]
    if can_count():
        ratio = instructions([bare[0], *helper], environment) / instructions(bare, environment)
        found.append(Row(f"{age}.instructions", ratio))
    return found


def cold(laboratory: Laboratory) -> list[Row]:
    """Nothing is kept, the token is in a file, Cognito is on loopback, by http and by https; then the long way."""
    found = _cold("cold", laboratory, laboratory.environment)
    with _by_https(laboratory) as environment:
        found += _cold("tls", laboratory, environment)
    laboratory.forget()
    laboratory.warm()
    return found


def _cold(key: str, laboratory: Laboratory, environment: Mapping[str, str]) -> list[Row]:
    commands = {key: laboratory.line}
    at = ratios_to(laboratory.bare, commands, environment, _COLD_ROUNDS, before=laboratory.forget)[key]
    found = [_wall(f"{key}.wall", at), _cpu(f"{key}.cpu", at)]
    if can_count():
        laboratory.forget()
        ratio = instructions(laboratory.line, environment) / instructions(laboratory.bare, environment)
        found.append(Row(f"{key}.instructions", ratio))
    return found


@contextmanager
def _by_https(laboratory: Laboratory) -> Iterator[Mapping[str, str]]:
    """The variables under which a helper calls Cognito by https, and loads the whole of botocore's CA bundle for it."""
    world = laboratory.world.facts.endpoint_url
    folder = laboratory.scratch / "https"
    folder.mkdir()
    with HttpsFront(folder, urlsplit(world).port or 0) as front:
        bundle = folder / "bundle.pem"
        bundle.write_bytes(_botocores_bundle(laboratory).read_bytes() + front.ca_file.read_bytes())
        config = folder / "config"
        text = (laboratory.home / ".aws" / "config").read_text(encoding="utf-8")
        config.write_text(text.replace(world, front.url), encoding="utf-8")
        yield {**laboratory.environment, "AWS_CA_BUNDLE": str(bundle), "AWS_CONFIG_FILE": str(config)}


def _botocores_bundle(laboratory: Laboratory) -> Path:
    program = "import botocore.httpsession as session; print(session.get_cert_path(True))"
    told = subprocess.run([laboratory.python, "-c", program], capture_output=True, text=True, check=True)
    return Path(told.stdout.strip())


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
    folder = laboratory.installer.python("benchmarks-activated", project=True)
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
