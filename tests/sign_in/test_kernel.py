"""`login("dev")` in a real Jupyter kernel: the output of the cell is enough to sign in."""

from __future__ import annotations

import contextlib
import html
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.servers.oidc_provider.browser import ScriptedBrowser
from tests.servers.tool_cache import python_in_venv
from tests.sign_in.home import ROOT, SignInHome

pytestmark = pytest.mark.slow

_KERNEL = Path(__file__).with_name("kernel.py")
_LINK = re.compile(r'<a href="([^"]+)" target="_blank" rel="noopener noreferrer">Sign in</a>')
Run = Callable[[str], Iterator[dict[str, Any]]]


@pytest.fixture
def cell(home: SignInHome) -> Iterator[Run]:
    """Runs a cell; signs in with a link in its output, and pastes the address if a field asks for it."""
    python = python_in_venv("jupyter", "ipykernel>=6.29", "jupyter_client>=8.6")
    (packages,) = (python.parents[1] / "lib").glob("python*/site-packages")
    processes = []

    def run(code: str) -> Iterator[dict[str, Any]]:
        process = subprocess.Popen(
            [python, _KERNEL, sys.executable, code],
            env=home.environment(PYTHONPATH=f"{ROOT}:{packages}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        processes.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        browser, asked = ScriptedBrowser(), False
        for line in process.stdout:
            message = json.loads(line)
            link = _LINK.search(message.get("data", {}).get("text/html", ""))
            if link:
                with contextlib.suppress(requests.ConnectionError):  # if the address is pasted, nothing listens
                    browser.open(html.unescape(link.group(1)))
            asked = asked or message["type"] == "asked"
            if asked and browser.visited:
                asked = False
                process.stdin.write(browser.visited[-1] + "\n")
                process.stdin.flush()
            yield message

    yield run
    for process in processes:
        process.communicate()


def outputs(messages: Iterator[dict[str, Any]]) -> str:
    """Return the output of the cell, in order; an exception in it fails the test."""
    shown = []
    for message in messages:
        assert message["type"] != "error", message
        shown.append(message.get("data", {}).get("text/html") or message.get("text", ""))
    return "".join(shown)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("use_device_code=True", r"</a> and confirm the code <code>[A-Z]{4}-[A-Z]{4}</code>"),
        ("no_browser=True", r"Sign in</a></p>"),
        ("remote=True", r"then copy the address of the page it ends on"),
    ],
)
def test_a_link_in_the_cell_signs_in_and_the_next_line_lists_buckets(
    home: SignInHome, cell: Run, options: str, said: str
) -> None:
    text = outputs(
        cell(
            f"import boto3, botocore_cognito_federation as b; b.login('dev', {options}); b.install()\n"
            "print(boto3.client('s3').list_buckets()['Buckets'][0]['Name'])"
        )
    )
    assert re.search(said, text), text
    assert "<p>Signed in as ada@example.com. AWS credentials until " in text
    assert home.world.bucket in text
    assert home.session_document()["subject"] == "ada"
