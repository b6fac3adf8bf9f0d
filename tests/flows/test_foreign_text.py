"""No control character and no forged line leaves a command, whatever tokens, files, providers and AWS contain."""

from __future__ import annotations

import ast
import io
import json
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import botocore_cognito_federation
from botocore_cognito_federation import CognitoFederationError, TemporaryError
from botocore_cognito_federation._util.log import start_debug_log
from botocore_cognito_federation._util.loopback import render
from botocore_cognito_federation.cache.base import CREDENTIALS, MemoryStore, cache_key
from botocore_cognito_federation.cache.credentials import FailureCache
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.cache.sessions import Session, Sessions
from botocore_cognito_federation.cli.account import report
from botocore_cognito_federation.cli.app import run
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.doctor import CheckResult
from botocore_cognito_federation.identity_pool.errors import CallContext, explain
from botocore_cognito_federation.messages import display_name, printable
from botocore_cognito_federation.oidc.callback import page_of_failure, page_of_success
from botocore_cognito_federation.sign_in.login import SignedIn
from botocore_cognito_federation.sign_in.notebook import CellScreen
from botocore_cognito_federation.sign_in.terminal import Dialogue, TerminalScreen
from tests.home import retimed

pytestmark = pytest.mark.thorough

#: A title and a cleared screen, a forged row, C1's CSI, an overwritten line, a reversed direction, and invisible space.
HOSTILE = (
    "ada\x1b]0;OWNED\x07\x1b[2J\narn          FORGED\r\nFORGED\x9b31m\x7f\u202egpj\u200b\u2066\x00\ud800\u2028FORGED"
)
LONG = HOSTILE + "x" * 100_000


def clean(text: str) -> None:
    assert all(line.isprintable() for line in text.split("\n")), ascii(text)
    assert not any(line.lstrip().startswith(("FORGED", "arn          FORGED")) for line in text.split("\n")), text
    assert max(map(len, text.split("\n"))) <= 4000


def session_of(text: str, sign_out_epoch: str) -> Session:
    return Session(
        sign_in_id="1" * 32,
        subject=text,
        user={"email": text, "name": text},
        login_token=None,
        token_expires_at=time.time() + 900,
        refresh_token="a-refresh-token",
        signed_in_at=time.time(),
        sign_out_epoch=sign_out_epoch,
    )


@pytest.fixture(params=["hostile", "long"])
def hostile_home(inside: Any, world: Any, request: pytest.FixtureRequest) -> Any:
    """A home whose token, configuration and documents are all hostile."""
    text = HOSTILE if request.param == "hostile" else LONG[:5_000]
    claims = {"email": text, "name": text, "preferred_username": text}
    inside.token.write_text(world.provider.issue("ada", **claims))
    one_line = "".join(c for c in HOSTILE if c not in "\r\n\u2028\ud800\x00")
    inside.profile(
        "evil",
        cognito_token_file=str(inside.token),
        cognito_auth_params=f"a={one_line.replace(' ', '_')}",
        region=one_line,
        # Another credential style, to get the warnings too.
        login_session=one_line,
    )
    inside.profile("claims", cognito_token_file=str(inside.token))
    inside.section("cognito-session evil", cognito_identity_pool_id=world.pool_id)
    settings = load_settings("evil")
    store = FileStore(str(inside.cache))
    sessions = Sessions(settings, store)
    sessions.write(session_of(text, sessions.sign_out_epoch()))
    store.warn(f"a note of {text}")
    document = {
        "access_key": "ASIAX",
        "secret_key": "s",
        "token": "t",
        "expires_at": time.time() + 900,
        "issued_at": time.time() - 10,
        "identity_id": text,
        "account_id": None,
        "authenticated": True,
        "generation": "",
        "scope": text,
        "provider": text,
        "who": text,
        "pool": text,
    }
    store.write(CREDENTIALS, cache_key({"hostile": "1"}), document)
    store.write("sessions", cache_key({"hostile": "2"}), {**_document_of(sessions), "scope": text})
    return inside


def _document_of(sessions: Sessions) -> dict[str, Any]:
    found = sessions.store.read("sessions", sessions.key)
    assert found is not None
    return dict(found)


COMMANDS = [
    ["status", "--all"],
    ["status", "--profile", "evil"],
    ["whoami", "--profile", "claims"],
    ["explain", "--profile", "evil"],
    ["doctor", "--profile", "evil", "--offline"],
    ["cache", "list"],
    ["token", "--profile", "evil"],
    ["export", "--profile", "evil", "--format", "env"],
    ["export", "--profile", "evil", "--format", "dotenv"],
    ["configure", "--profile", "evil", "--offline", "--no-input", "--client-id", HOSTILE.replace("\x00", "")],
    ["login", "--profile", "evil"],
    ["link", "--profile", "evil", HOSTILE],
    ["cache", "clear", "--profile", "evil"],
    ["logout", "--profile", "evil"],
    ["logout", "--all"],
]
JSON_COMMANDS = [
    ["status", "--all", "--json"],
    ["status", "--profile", "evil", "--json"],
    ["whoami", "--profile", "claims", "--json"],
    ["explain", "--profile", "evil", "--json"],
    ["doctor", "--profile", "evil", "--offline", "--json"],
    ["token", "--profile", "evil", "--claims"],
    ["export", "--profile", "evil"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words)[:40].encode("ascii", "replace").decode())
def test_no_command_prints_a_control_character_or_a_forged_line(
    hostile_home: Any, capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    run(words)
    out, err = capfd.readouterr()
    assert out + err
    clean(err)
    if words[0] == "token":  # of any length, unchanged
        assert out.strip().isprintable()
    else:
        clean(out)


@pytest.mark.parametrize("words", JSON_COMMANDS, ids=" ".join)
def test_json_is_valid_and_escapes_what_a_terminal_would_act_on(
    hostile_home: Any, capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    run(words)
    out, err = capfd.readouterr()
    assert all(line.isprintable() for line in out.split("\n")), ascii(out)
    clean(err)
    document = json.loads(out)
    if words[0] == "token":
        assert document["email"].startswith(HOSTILE)  # lossless


def test_letters_of_other_languages_stay_readable_in_json(capfd: pytest.CaptureFixture[str]) -> None:
    from botocore_cognito_federation.cli.app import print_json

    print_json({"name": "Zoë 漢", "odd": "\u202e\U000e0041"})
    out = capfd.readouterr().out
    assert "Zoë 漢" in out
    assert r"\u202e\udb40\udc41" in out
    assert json.loads(out)["odd"] == "\u202e\U000e0041"


def test_a_helper_prints_one_clean_line_when_cognito_answers_with_hostile_text(home: Any) -> None:
    home.world.fault("GetCredentialsForIdentity", times=20, code="A\x1b[31mB" + "C" * 3000, message=LONG[:9000])
    done = home.ask()
    assert done.code != 0
    first = done.refused(done.code)
    clean(first)
    assert len(first) < 1000
    (answer,) = home.answers()
    assert first in answer.read_text()
    again = home.ask()  # from the file
    clean(again.refused(done.code))


@pytest.mark.thorough
def test_a_cached_failure_that_was_changed_on_disk_is_printed_clean(home: Any) -> None:
    home.world.fault("GetCredentialsForIdentity", times=20, code="InternalErrorException", status=500)
    done = home.ask()
    line = done.refused(done.code)
    (answer,) = home.answers()
    answer.write_text(answer.read_text().replace(line, f"CHANGED{line}\x1b[2J\x07"))
    # Whole, by a program that computes the digest too, and of a moment at which the next process waits for it.
    retimed(answer, issued=time.time() + 4, refresh_at=0, until=time.time() + 4)
    again = home.ask()
    assert again.err.startswith(b"CHANGED")
    clean(again.err.decode())


def test_a_cached_failure_read_back_from_a_store_is_clean() -> None:
    store = MemoryStore()
    memory = FailureCache(store, now=time.time, random=lambda: 0.5)
    memory.put("key", TemporaryError("x"), usable_until=None)
    document = dict(store.read("failures", "key") or {})
    store.write("failures", "key", {**document, "what": LONG, "remedy": HOSTILE})
    found = memory.get("key")
    assert found is not None
    clean(found.error.line)
    assert "\n" not in found.error.line


def test_every_error_is_one_clean_line_of_bounded_length_however_it_was_made() -> None:
    error = CognitoFederationError(LONG, remedy=LONG)
    for text in (str(error), error.line, error.what, error.remedy):
        assert text.isprintable()
        assert len(text) <= 4003


def test_what_claims_roles_and_codes_say_is_bounded_in_a_diagnosis() -> None:
    facts = CallContext(
        pool="p",
        profile="dev",
        login_key=LONG,
        claims={"aud": LONG, "azp": LONG, "iss": LONG},
        identity_id=LONG,
        role_arn=LONG,
        now=1.0,
    )
    many = "Value 'x" * 50_000
    for code, message in (
        ("NotAuthorizedException", "role"),
        ("AccessDenied", "AssumeRole"),
        (LONG, LONG),
        ("X", many),
    ):
        found = explain(code, message, 400, facts)
        assert len(found.cause) < 800
        assert found.cause.isprintable()


def signed_in(settings: Settings) -> SignedIn:
    return SignedIn(session=session_of(HOSTILE, ""), credentials=None, joined=False)


def test_login_says_who_signed_in_in_the_lines_that_are_its_own(inside: Any) -> None:
    settings = load_settings("demo")
    text = report(settings, signed_in(settings))
    clean(text)
    assert text.count("\n") == 1


def test_a_screen_a_cell_and_a_dialogue_show_clean_lines() -> None:
    out = io.StringIO()
    TerminalScreen(out).say(f"Signed in as {HOSTILE}")
    shown: list[Any] = []
    CellScreen(shown.append, read=input, read_secret=input).say(HOSTILE)
    device = _Device()
    Dialogue(device, 1.0).say(HOSTILE)
    Dialogue(device, 1.0).question(HOSTILE)
    for text in (out.getvalue(), *shown[0].values(), *device.written):
        assert all(line.isprintable() for line in text.split("\n")), ascii(text)


class _Device:
    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, text: str) -> None:
        self.written.append(text)

    def ask(self, prompt: str, *, shown: bool, deadline: float) -> str | None:
        self.written.append(prompt)
        return "yes"


def test_a_page_names_a_hostile_user_and_error_on_one_line_without_control_characters() -> None:
    for page in (page_of_success(HOSTILE), page_of_failure(HOSTILE, LONG)):
        text = render(page).decode()
        assert all(line.isprintable() for line in text.split("\n"))
        assert "\u202e" not in text
        assert len(text) < 9000


def test_a_finding_with_hostile_text_is_one_line() -> None:
    from botocore_cognito_federation.messages import shown_line

    assert shown_line(CheckResult("notes", "note", HOSTILE).line).isprintable()


def test_the_debug_log_has_no_control_character_and_no_forged_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("botocore_cognito_federation")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setattr(logger, "level", logger.level)
    start_debug_log(str(tmp_path / "log"))
    for text in (HOSTILE, HOSTILE.replace("\ud800", "")):  # a handler drops what it cannot encode
        logger.debug("The service said %s", text)
    logger.handlers[0].flush()
    lines = (tmp_path / "log").read_text().rstrip("\n").split("\n")
    assert sum("The service said ada" in line for line in lines) == 2
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith("    ") or "The service said ada" in line for line in lines)


def test_names_to_show_are_made_in_one_place_from_the_first_claim_with_something_in_it() -> None:
    session = replace(session_of("x", ""), user={"email": "\x1b\x07", "name": "Ada\x1b[1m"})
    assert session.user_name == "Ada [1m"
    assert session.label == "Ada [1m"
    assert replace(session, user={}, subject="\x00").user_name == "an unnamed user"


def test_commands_print_by_the_functions_that_clean_and_by_nothing_else() -> None:
    """`app` prints lines of errors, which are clean, and `demo` prints its own text."""
    places = Path(botocore_cognito_federation.__file__).parent / "cli"
    for path in places.glob("*.py"):
        if path.name in ("output.py", "app.py", "demo.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.func if isinstance(node, ast.Call) else None
            assert not (isinstance(name, ast.Attribute) and name.attr in ("echo", "secho")), path
            assert not (isinstance(name, ast.Name) and name.id == "print"), path


@pytest.mark.parametrize(
    "blank", ["\u3164", "\uffa0", "\u115f", "\u1160", "\u2800", "\u034f", "\ufe0f", "\u180b", "\U000e0101"]
)
def test_a_letter_that_shows_nothing_makes_no_name_and_tells_no_two_names_apart(blank: str) -> None:
    assert display_name([blank, "ada"]) == "ada"
    assert printable(f"ada{blank}") == "ada"


def test_letters_of_other_scripts_stay_in_names() -> None:
    for name in ("김철수", "Ада", "அடா", "Åsa", "⠁⠙⠁"):
        assert printable(name) == name
