"""Configuration files, the output of token sources, and what is stored."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.session import Session
from hypothesis import example, given
from hypothesis import strategies as st

from botocore_cognito_federation._fast_path import CacheQuery, read_answer
from botocore_cognito_federation.cli.credential_process import answer
from botocore_cognito_federation.config.keys import KEYS, PREFIX
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.login_token import parse_output
from tests.fuzz.conftest import SECRET, judge_line, judged
from tests.fuzz.shapes import ODD_TEXT, RAW, altered, bent, encoded
from tests.home import Home

_POOL = "eu-west-1:11111111-2222-3333-4444-555555555555"
_GOOD = {
    "region": "eu-west-1",
    "cognito_identity_pool_id": _POOL,
    "cognito_provider": "idp.example",
    "cognito_client_id": "client",
}
_LINES = st.dictionaries(
    st.one_of(st.sampled_from([f"{PREFIX}{name}" for name in sorted(KEYS)]), ODD_TEXT),
    st.one_of(ODD_TEXT, st.sampled_from(["0", "true", _POOL])),
)


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("config") / "config"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CONFIG_FILE", str(path))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path.with_name("none")))
        yield path


@given(_LINES, st.one_of(st.none(), st.tuples(st.floats(0, 1), st.integers(0, 3), RAW)))
@example({"cognito_redirect_ports": "9" * 400}, None)
@example({}, (0.3125, 2, b"[" * 100_000))
def test_configuration_files(config_file: Path, lines: dict[str, str], damage: tuple[float, int, bytes] | None) -> None:
    text = "[profile demo]\n" + "".join(f"{key} = {value}\n" for key, value in {**_GOOD, **lines}.items())
    content = text.encode("utf-8", "surrogateescape" if text.isascii() else "surrogatepass")
    config_file.write_bytes(bent(content, *damage) if damage else content)
    judged("configuration files", lambda: load_settings("demo", session=Session()))


_OUTPUT = {"token": SECRET, "expires_at": 2_000_000_000, "identity_id": _POOL}


@given(st.one_of(altered(_OUTPUT).map(encoded), RAW), st.sampled_from([None, "token", "a.b", ""]))
@example(encoded({"token": SECRET, "expires_at": 10**400}), None)
def test_output_of_token_sources(output: bytes, field: str | None) -> None:
    text = output.decode("utf-8", "replace")
    judged(
        "output of token sources", lambda: parse_output(text, source="the command", field=field, now=1_900_000_000.0)
    )


class Warm:
    """A home in which good credentials are stored, and what their answer is."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.good = self.ask()
        self.files = {
            path: path.read_bytes() for path in home.cache.rglob("*") if path.is_file() and path.stat().st_size
        }

    def ask(self) -> dict[str, str]:
        code, text = answer(CacheQuery("demo", os.environ))
        assert code == 0, text
        document: dict[str, str] = json.loads(text)
        return document

    def restore(self) -> None:
        for path in self.home.cache.rglob("*"):
            if path.is_file() and path not in self.files:
                path.unlink()
        for path, content in self.files.items():
            path.write_bytes(content)


@pytest.fixture
def warm(inside: Home) -> Warm:
    return Warm(inside)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 4), RAW)
def test_stored_files(warm: Warm, which: float, place: float, how: int, piece: bytes) -> None:
    """Damage is a miss: never another answer, never an error."""
    warm.restore()
    names = sorted(warm.files)
    path = names[int(which * (len(names) - 1))]
    if how == 4:  # another file's content
        path.write_bytes(warm.files[names[int(place * (len(names) - 1))]])
    else:
        path.write_bytes(bent(warm.files[path], place, how, piece))
    ready = read_answer(CacheQuery("demo", os.environ))
    if ready is not None:
        assert json.loads(ready.text) == warm.good, ready.text
    if path.parent.name != "answers":
        for found in warm.home.answers():
            found.unlink()
    document = judged("stored files", warm.ask)
    assert document["Version"] == 1
    assert document["AccessKeyId"] in {warm.good["AccessKeyId"], *_issued(warm.home)}


def _issued(home: Home) -> set[str]:
    return {call.access_key for call in home.world.calls("GetCredentialsForIdentity")}


@given(RAW)
def test_token_files(inside: Home, content: bytes) -> None:
    """The whole helper, with anything in the file that should hold a token."""
    inside.token.write_bytes(content)
    code, line = answer(CacheQuery("demo", os.environ))
    judged("token files", lambda: judge_line(code, line))
    assert threading.active_count() < 50
