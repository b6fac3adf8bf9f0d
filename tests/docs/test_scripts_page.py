"""What docs/scripts.md shows is what the commands print."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from botocore_cognito_federation.demo.serve import find_executable
from tests.docs.pages import ROOT
from tests.home import Home
from tests.servers.tool_cache import lacking

PAGE = ROOT / "docs" / "scripts.md"
SAMPLES = re.findall(r"^### `(.+?)`\n\n```json\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
BASH = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
#: The commands that ask about no profile.
OF_NO_PROFILE = ("explain --keys", "cache", "version", "native")
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def compare(documented: Any, found: Any, place: str = "$") -> None:
    """Every documented member is there, with the same kind of value."""
    if isinstance(documented, dict) and isinstance(found, dict):
        assert documented.keys() <= found.keys() or place.endswith(("claims", "settings", "keys")), place
        for name in documented.keys() & found.keys():
            compare(documented[name], found[name], f"{place}.{name}")
    elif isinstance(documented, list) and isinstance(found, list):
        for each in found[:1]:
            compare((documented or [each])[0], each, f"{place}[]")
    elif found is not None and documented is not None:
        assert type(documented) is type(found), (place, documented, found)


def refuse_numbers_as_times(value: Any, place: str = "$") -> None:
    if isinstance(value, dict):
        for name, each in value.items():
            if name.endswith("_at"):
                assert each is None or ISO.fullmatch(each), (place, name, each)
            elif name != "claims":
                refuse_numbers_as_times(each, f"{place}.{name}")
    elif isinstance(value, list):
        for each in value:
            refuse_numbers_as_times(each, f"{place}[]")


@pytest.mark.thorough
@pytest.mark.parametrize(("command", "sample"), SAMPLES, ids=[command for command, _ in SAMPLES])
def test_a_command_prints_what_the_page_shows(inside: Home, command: str, sample: str) -> None:
    inside.ask()
    words = command.split()
    if not command.startswith(OF_NO_PROFILE):
        words += ["--profile", "demo"]
    done = inside.run(*words)
    found = json.loads(done.out)
    compare(json.loads(sample), found)
    refuse_numbers_as_times(found)
    if command.startswith(("status", "cache list")):
        assert len(found["credentials"]) == 1


@pytest.mark.thorough
def test_the_variables_of_an_endpoint_are_one_object(inside: Home) -> None:
    process = inside.start("serve", "--json", "--profile", "demo")
    try:
        assert process.stdout is not None
        text = b""
        while not text.endswith(b"}\n"):
            text += process.stdout.readline()
        assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" in json.loads(text)
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.thorough
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_prompt_shows_the_profile_and_whether_it_needs_a_sign_in(inside: Home, shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        lacking(f"{shell} is not installed")
    inside.profile("people", cognito_client_id="c")
    environment = {
        **inside.environment(COGNITO_FEDERATION_EXEC_PROFILE=None, AWS_PROFILE=None, COGNITO_FEDERATION_CI=None),
        "PATH": f"{Path(find_executable()).parent}:{os.environ['PATH']}",
    }
    code = f"PS1='$ '; {BASH[0]}\nprompt_of_profile; AWS_PROFILE=people prompt_of_profile"
    code += "; COGNITO_FEDERATION_EXEC_PROFILE=demo prompt_of_profile"
    inside.ask()
    done = subprocess.run([shell, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("(people: sign in) (demo) ", "")
