"""Clocks, and the tokens of jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .model import LOGIN, ByHand, Dash, SetUp, job, person
from .place import Place


def _fresh(place: Place) -> None:
    place.write_token()


def _flawed(name: str, says: str, remedy: str, **how: Any) -> SetUp:
    return SetUp(name, says, ByHand(remedy, _fresh), token=how)


def _written(text: str) -> Callable[[Place], object]:
    """What the token's file holds; TOKEN stands for a good one."""

    def prepare(place: Place) -> None:
        path = place.path / "token"
        path.write_text(text.replace("TOKEN", path.read_text()))

    return prepare


def _clocks(seconds: float) -> Callable[[Place], object]:
    """Let every server's clock be ahead of this machine's."""

    def prepare(place: Place) -> None:
        place.world.clock_offset = seconds
        place.op.knobs["clock"] = seconds
        place.write_token()

    return prepare


def _set(place: Place) -> None:
    _clocks(0)(place)


_SET_CLOCK = r"[Ss]et the clock"
_NOT_A_TOKEN = "the token's file holds something else"
_SOURCE = "cognito_token_file = $home/token"


def _clock(name: str, seconds: float, says: str | Dash, *, signs_in: bool = False) -> SetUp:
    return SetUp(
        name,
        says,
        ByHand(_SET_CLOCK, _set, of_doctor=isinstance(says, Dash)),
        doctor=r"clock is .* (behind|ahead of)",
        config=person() if signs_in else job(),
        command=LOGIN if signs_in else ("cognito-federation", "credential-process", "--profile", "dev"),
        prepare=_clocks(seconds),
    )


_TAKEN = "credentials are given for a clock that is this much off, and only later calls fail"

ROWS = (
    _clock("a job's clock that is seven minutes behind", 420, Dash(_TAKEN)),
    _clock("a job's clock that is seven minutes ahead", -420, Dash(_TAKEN)),
    _clock("a job's clock that is a day ahead", -86_400, r"clock.*ahead"),
    _clock("a user's clock that is seven minutes behind", 420, r"clock.*behind", signs_in=True),
    _clock("a user's clock that is a day behind", 86_400, r"clock.*behind", signs_in=True),
    _clock("a user's clock that is a day ahead", -86_400, r"clock.*ahead", signs_in=True),
    _flawed("a token that has expired", r"expired 5 min ago", r"cognito_token_file|token", lifetime=-300),
    _flawed("a token of the future", r"valid only in", r"clock|[Ww]ait", flaw="not-yet-valid"),
    _flawed("a token for another audience", r"aud \S+", r"client ID \(aud\)", flaw="wrong-audience"),
    _flawed(
        "a token of another issuer", r"issuer.*https?://", r"cognito_(provider|issuer)|issued", flaw="wrong-issuer"
    ),
    _flawed("a token without an audience", r"no aud", r"ID token", flaw="no-audience"),
    _flawed("a token with another signature", r"signature", r"key|token", flaw="other-key"),
    _flawed("a token of an unknown key", r"key", r"[Ww]ait|key|token", flaw="unknown-kid"),
    _flawed("a token that was changed", r"signature", r"key|token", flaw="tampered"),
    _flawed("a token without a signature", r"signed with none|signature", r"RS256|sign|token", flaw="alg-none"),
    _flawed("a token by a shared secret", r"HS256", r"RS256", flaw="hs256"),
    _flawed("a token without a subject", r"sub\b", r"sub|token", flaw="no-subject"),
    SetUp(
        "a file that holds no token",
        r"not a JWT.*\S+/token",
        ByHand(r"ID token|JWT|token", _fresh),
        prepare=_written("hello"),
    ),
    SetUp("an empty file", r"\S+/token.*empty", ByHand(r"token|[Ww]rite", _fresh), prepare=_written("")),
    SetUp(
        "no file",
        r"\S+/token.*(not there|does not exist|No such)",
        ByHand(r"cognito_token_file|\S+/token", _fresh),
        token=None,
    ),
    SetUp(
        "a directory in the place of the file",
        r"\S+/token.*directory",
        ByHand(r"cognito_token_file|directory", lambda place: ((place.path / "token").rmdir(), _fresh(place))),
        token=None,
        prepare=lambda place: (place.path / "token").mkdir(),
    ),
    SetUp("quotes around the token", r"quotes", ByHand(r"quotes", _fresh), prepare=_written('"TOKEN"\r\n')),
    SetUp("Bearer in front of the token", r"Bearer", ByHand(r"Bearer", _fresh), prepare=_written("Bearer TOKEN\n")),
    SetUp(
        "an access token",
        r"access token|aud",
        ByHand(r"ID token", _fresh),
        token={"audience": None, "flaw": "no-audience", "token_use": "access"},
    ),
    SetUp(
        "a variable that is not set",
        r"CI_TOKEN.*not set",
        ByHand(r"CI_TOKEN", lambda place: place.environ.update(CI_TOKEN=(place.path / "token").read_text())),
        config=job(_SOURCE, "cognito_token_env = CI_TOKEN"),
    ),
    SetUp(
        "a variable that is empty",
        r"CI_TOKEN.*empty",
        ByHand(r"CI_TOKEN", lambda place: place.environ.update(CI_TOKEN=(place.path / "token").read_text())),
        config=job(_SOURCE, "cognito_token_env = CI_TOKEN"),
        environ={"CI_TOKEN": ""},
    ),
    SetUp(
        "a command that is not there",
        r"/nowhere/mint",
        ByHand(r"cognito_token_command", lambda place: place.edit("= /nowhere/mint", "= cat $home/token")),
        config=job(_SOURCE, "cognito_token_command = /nowhere/mint"),
    ),
    SetUp(
        "a command that fails",
        r"cognito_token_command.*(status|code) 1|ended with 1",
        ByHand(r"cognito_token_command|[Rr]un", lambda place: place.edit("= false", "= cat $home/token")),
        config=job(_SOURCE, "cognito_token_command = false"),
    ),
    SetUp(
        "a command that prints nothing",
        r"cognito_token_command.*nothing|printed nothing|empty",
        ByHand(r"cognito_token_command|print", lambda place: place.edit("= true", "= cat $home/token")),
        config=job(_SOURCE, "cognito_token_command = true"),
    ),
    SetUp(
        "the source of GitHub outside of GitHub",
        r"ACTIONS_ID_TOKEN_REQUEST",
        ByHand(r"id-token: write|GitHub", lambda place: place.edit("cognito_token_url = github-actions", _SOURCE)),
        config=job(_SOURCE, "cognito_token_url = github-actions"),
    ),
    SetUp(
        "a URL where nothing answers",
        r"127\.0\.0\.1:9",
        ByHand(
            r"again|cognito_token_url|network|running",
            lambda place: place.edit("cognito_token_url = http://127.0.0.1:9/token", _SOURCE),
        ),
        config=job(_SOURCE, "cognito_token_url = http://127.0.0.1:9/token"),
    ),
    SetUp(
        "a handler in a module that is not there",
        r"no_such_module",
        ByHand(
            r"cognito_refresh_handler|install|PYTHONPATH",
            lambda place: place.edit("cognito_refresh_handler = no_such_module:token", _SOURCE),
        ),
        config=job(_SOURCE, "cognito_refresh_handler = no_such_module:token"),
    ),
    SetUp(
        "a handler that a module does not have",
        r"nothing_there",
        ByHand(
            r"cognito_refresh_handler", lambda place: place.edit("cognito_refresh_handler = os:nothing_there", _SOURCE)
        ),
        config=job(_SOURCE, "cognito_refresh_handler = os:nothing_there"),
    ),
)
