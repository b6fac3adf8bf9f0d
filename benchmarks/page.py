"""The page ``docs/performance.md``, written from a run."""

from __future__ import annotations

import os
import platform
import textwrap
from collections.abc import Sequence
from pathlib import Path

from tests.clients.installer import REPOSITORY, version_of

from . import baseline, server
from .laboratory import Laboratory
from .rows import PTH, Row, markdown

FILE = REPOSITORY / "docs" / "performance.md"

_PAGE = """# Performance

What the product costs, compared with Python itself and with similar tools,
on {versions}.

The rows of the line that `configure` writes are what an SDK runs; how the package was installed does not matter to
them. A console script costs what its installer makes of it, so it has rows of two installations: of the newest
({new_pip}), and of the oldest that is supported, the `{old_pip}` that
comes with this Python.
Cognito is called over http on loopback where a row says nothing else; the rows with https verify the server by the
whole of botocore's CA bundle, as a call to AWS does. This page is written by `python -m benchmarks --write` (or `tox -e
benchmarks -- --write`), from a wheel in virtual environments of its own.

{table}

Measured on {machine}.

How to read it: a ratio is the median over pairs of runs that alternate within one minute, since the same command may
take twice as long a minute later; the quarters are those of the pairs. Instructions are counted by callgrind and come
out the same within 0.1 % each time. `python -c pass`, in the same virtual environment, is what a process costs at
least: the warm path takes fewer instructions because it ends by `os._exit`, with nothing to tear down. Peers answer
from their own cache or from static keys, so none of them calls anybody.

{missed}## On each Python

Instructions of a warm `credential-process` over those of the bare interpreter, by its console script and by the line
that `configure` writes. CI holds every Python it finds to
these (`benchmarks/baseline.json`, at most {tolerance:g} more), a Python that is not among them to the worst of them,
and all of them to what they import: nothing that the interpreter has not imported by itself.

{pythons}

What `native enable` adds goes by the Python too. In a virtual environment without any other `.pth` the start of an
interpreter takes 1.033 x the instructions on 3.10, 1.038 on 3.11, 1.028 on 3.12.1 and 1.053 on 3.13.0, where the limit
is missed:

{pth}
"""

_MISSED = """Where a limit is missed:

{rows}

"""
_UNEXPLAINED = "The reason is not known so far: say it in `benchmarks/rows.py`."


def write(laboratory: Laboratory, rows: Sequence[Row]) -> None:
    """Put the page in place; the section that another command measures stays."""
    kept = server.section(FILE.read_text(encoding="utf-8"))
    FILE.write_text(text(laboratory, rows) + (f"\n{kept}\n" if kept else ""), encoding="utf-8")


def text(laboratory: Laboratory, rows: Sequence[Row]) -> str:
    """The page."""
    pythons = ["| Python | console script | line of `configure` |", "| --- | --- | --- |"]
    line = baseline.ratios("line")
    pythons += [f"| {version} | {ratio:.3f} | {line[version]:.3f} |" for version, ratio in baseline.ratios().items()]
    return _PAGE.format(
        table=markdown(rows),
        machine=_machine(),
        versions=_versions(laboratory),
        new_pip="made by uv, as pip since 25.2 makes it" if laboratory.installer.uv else "pip since 25.2",
        old_pip=" ".join(version_of(str(laboratory.with_pip(newest=False) / "pip"), "--version").split()[:2]),
        missed=missed(rows),
        tolerance=baseline.tolerance(),
        pythons="\n".join(pythons),
        pth=_wrapped(PTH),
    )


def missed(rows: Sequence[Row]) -> str:
    """The part of the page that says which limits are missed and why; empty where none is."""
    found = [_with_reason(row) for row in rows if row.met is False]
    return _MISSED.format(rows="\n".join(found)) if found else ""


def _with_reason(row: Row) -> str:
    text = f"* {row.line.what}, {row.line.unit}: {row.value:.3f}. {row.line.reason or _UNEXPLAINED}"
    return _wrapped(text, indent="  ")


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _machine() -> str:
    return f"{os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.release().partition('-')[0]}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _versions(laboratory: Laboratory) -> str:
    python = version_of(laboratory.python, "--version")
    program = "import boto3, botocore; print('boto3', boto3.__version__ + ', botocore', botocore.__version__)"
    return f"{python}, {version_of(laboratory.python, '-c', program)}"
