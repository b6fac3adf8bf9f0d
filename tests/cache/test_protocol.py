"""The model of a renewal, `docs/protocol.pml`, holds with all guards of the code, and with none of them left out."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).parents[2] / "docs" / "protocol.pml"
#: Guard -> where it is needed, with the guards that do the same work.
GUARDS = {
    "LOCK": (),
    "REREAD": ("NO_AGAIN",),
    "NEWER": ("UNLOCKED",),
    "PROOF": (),
    "AGAIN": ("SHARED",),
    "MARK": ("SHARED",),
    "CONDITIONAL": ("SHARED",),
    "PATIENCE": ("SHARED",),
    "DURABLE": ("SHARED",),
    "BOUND": ("SHARED", "MOVED"),
    "FIRST": (),
    "SUBJECT": (),
    "EPOCH": (),
    "CHECK": (),
}

HAS_SPIN = shutil.which("spin") is not None and shutil.which("cc") is not None


def violations(place: Path, *definitions: str) -> int:
    """Check every state of the model; return how many violations spin met before it stopped."""
    options = [f"-D{name}" for name in definitions]
    shutil.copy(MODEL, place)
    for command in (["spin", "-a", *options, MODEL.name], ["cc", "-w", "-O1", "-DSAFETY", "-o", "pan", "pan.c"]):
        subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=120)
    answer = subprocess.run(["./pan", "-m10000"], cwd=place, check=True, capture_output=True, text=True, timeout=300)
    found = re.search(r"errors: (\d+)", answer.stdout)
    assert found is not None, answer.stdout
    assert "max search depth too small" not in answer.stdout
    assert int(found[1]) or "Search not completed" not in answer.stdout
    return int(found[1])


@pytest.mark.slow
@pytest.mark.skipif(not HAS_SPIN, reason="no spin or no C compiler")
@pytest.mark.parametrize(
    "definitions",
    [("EXPIRIES=1",), ("GRACE",), ("UNLOCKED",), ("SHARED",), ("SHARED", "GRACE"), ("SHARED", "MOVED")],
    ids=" ".join,
)
def test_no_refresh_token_is_used_twice_or_lost_and_a_sign_out_wins(
    tmp_path: Path, definitions: tuple[str, ...]
) -> None:
    assert violations(tmp_path, *definitions) == 0


@pytest.mark.slow
@pytest.mark.skipif(not HAS_SPIN, reason="no spin or no C compiler")
@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_of_a_renewal_is_needed(tmp_path: Path, guard: str) -> None:
    assert violations(tmp_path, f"NO_{guard}", *GUARDS[guard]) == 1


def test_the_model_names_each_guard_once_and_where_it_is_in_the_code() -> None:
    text = MODEL.read_text(encoding="utf-8")
    named = re.findall(r"^ \*   ([A-Z]+) {2,}(?:the same|[a-z_]+(?:/[a-z_]+)*\.py)", text, re.MULTILINE)
    assert sorted(named) == sorted(GUARDS)
    assert set(re.findall(r"NO_([A-Z]{3,})\b", text)) - {"NAME"} <= set(GUARDS)
    path, guards = "", text[text.index("a violation:") : text.index("Assumed:")]
    for place, name in re.findall(r"([a-z_]+/[a-z_]+\.py|the same), (?:\w+\.)?(\w+)", guards):
        path = place if place != "the same" else path
        assert f"def {name}(" in (MODEL.parents[1] / "botocore_cognito_federation" / path).read_text(), (path, name)
