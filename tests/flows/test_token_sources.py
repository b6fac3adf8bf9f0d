"""The registry of token sources: each declaration is true, and a new source needs only its entry."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import pytest

from botocore_cognito_federation import login_tokens
from botocore_cognito_federation._util.http import HttpClient
from botocore_cognito_federation.botocore_plugin import shared
from botocore_cognito_federation.cache.base import MemoryStore
from botocore_cognito_federation.config.keys import KEYS, TOKEN_SOURCES
from botocore_cognito_federation.config.profiles import load_settings
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.errors import CognitoFederationError, ConfigurationError, TemporaryError
from botocore_cognito_federation.factory import system_clock
from botocore_cognito_federation.login_tokens.base import Binding, RefreshContext, SourceContext, SourceDeclaration
from botocore_cognito_federation.login_tokens.developer import DEVELOPER
from tests.home import Home

ROOT = Path(__file__).parents[2]
#: A value for the key of each source that is not selected by its name.
VALUES = {
    "token_file": "~/token",
    "token_env": "JOB_TOKEN",
    "token_url": "https://tokens.example/t",
    "token_command": "print-token",
    "refresh_handler": "package.module:function",
    "developer_user": "ada",
}


def title(source: SourceDeclaration) -> str:
    return source.name or source.key


def exchange(**more: str) -> dict[str, str]:
    return {"cognito_token_source": "token-exchange", "cognito_subject_token_env": "T", **more}


every_source = pytest.mark.parametrize("source", login_tokens.SOURCES, ids=title)


def keys_of(source: SourceDeclaration) -> dict[str, str]:
    """The minimal configuration of a source."""
    mandatory = [*source.required, *list(source.one_of)[:1]]
    keys = {source.key: source.name or VALUES[source.key], **dict.fromkeys(mandatory, "x")}
    if source is DEVELOPER:
        keys |= {
            "developer_provider": "login.example",
            "developer_profile": "admin",
            "provider": "developer",
            "issuer": "",
        }
    return {f"cognito_{name}": value for name, value in keys.items()}


@pytest.fixture
def configured(inside: Home):
    def make(source: SourceDeclaration, **more: str) -> Settings:
        return load_settings(inside.profile(f"p{os.urandom(4).hex()}", **{**keys_of(source), **more}))

    return make


@every_source
def test_each_source_is_selected_by_its_configuration(configured, source):
    assert login_tokens.source_of(configured(source)) is source


@pytest.mark.parametrize("source", [each for each in login_tokens.SOURCES if each.is_token_url], ids=title)
def test_a_platform_is_selected_by_cognito_token_url_too(configured, source):
    assert login_tokens.source_of(configured(source, cognito_token_source="", cognito_token_url=source.name)) is source


@every_source
def test_a_second_source_next_to_it_is_refused(configured, source):
    other = {"cognito_token_env": "X"} if source.key != "token_env" else {"cognito_token_file": "x"}
    with pytest.raises(ConfigurationError, match="source"):
        configured(source, **other)


@every_source
def test_what_a_source_requires_is_asked_for_and_what_it_does_not_take_is_refused(configured, source):
    for option in source.required:
        with pytest.raises(ConfigurationError, match=f"needs cognito_{option}"):
            configured(source, **{f"cognito_{option}": ""})
    if source.one_of:
        with pytest.raises(ConfigurationError, match="needs " + " .*or ".join(f"cognito_{o}" for o in source.one_of)):
            configured(source, **{f"cognito_{option}": "" for option in source.one_of})
        with pytest.raises(ConfigurationError, match="contradict each other"):
            configured(source, **{f"cognito_{option}": "x" for option in source.one_of})
    for option in set(login_tokens.options()) - set(source.options):
        with pytest.raises(ConfigurationError, match=r"goes only with|takes no"):
            configured(source, **{f"cognito_{option}": "jwt"})


@every_source
def test_every_key_a_source_declares_is_a_key_and_a_setting(source):
    known = {each.name for each in fields(Settings)}
    assert {source.key, *source.options, *source.required} <= known & set(KEYS)
    assert set(source.required) <= set(source.options)
    assert source is DEVELOPER or source.key in TOKEN_SOURCES


@every_source
def test_every_source_says_what_to_do_about_an_expired_token(configured, source):
    assert source.remedy(configured(source))


@every_source
def test_the_configuration_page_has_every_source_by_its_name(source):
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert f"`{source.name or 'cognito_' + source.key}`" in page


@every_source
def test_a_change_of_any_variable_or_file_that_a_source_reads_ends_what_is_shared_and_what_is_ready(
    configured, source, inside, monkeypatch
):
    headers = {"cognito_token_headers_env": "HEADERS"} if "token_headers_env" in source.options else {}
    file = {"cognito_token_file": "$TOKEN_DIR/token"} if source.key == "token_file" else {}
    settings = configured(source, **headers, **file)
    before = shared._key(settings, os.environ)
    bound = source.bindings(settings)
    for binding in bound:
        if binding.kind == "variable":
            with monkeypatch.context() as patch:
                patch.setenv(binding.name, "another value")
                assert shared._key(settings, os.environ) != before
    ready = login_tokens.bindings_of_answer(settings, os.environ)
    assert ready in (None, bound)
    assert bound or not (headers or file)


class Watched(dict):
    """An environment that knows which of its variables were asked for."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


#: What shapes any call or process, and names no user.
OF_ANY_SOURCE = re.compile(
    r"AWS_.*|_?COGNITO_FEDERATION_.*|.*_proxy|.*_CA_BUNDLE|SSL_CERT_.*|HOME|PATH|LD_.*|PYTHON.*", re.I
)


@every_source
def test_no_source_reads_a_variable_or_a_file_that_it_does_not_declare(configured, source, inside, monkeypatch):
    headers = {"cognito_token_headers_env": "HEADERS"} if "token_headers_env" in source.options else {}
    names = [name for name in ("token_file", "subject_token_file") if name in (source.key, *source.one_of)]
    file = {f"cognito_{name}": "$TOKEN_DIR/token" for name in names}
    settings = configured(source, **headers, **file)
    opened: set[str] = set()
    really_open = os.open

    def noted_open(path: str, *rest: Any, **more: Any) -> int:
        if str(path).startswith(str(inside.path)) and ".aws" not in str(path):
            opened.add(str(path))
        return really_open(path, *rest, **more)

    monkeypatch.setattr(os, "open", noted_open)
    clients: Any = types.SimpleNamespace(signing_cognito_identity=_no_answer)
    monkeypatch.setattr(HttpClient, "_answer", _no_answer)
    for values in ({}, dict.fromkeys(_variables_in(source.bindings(settings)), str(inside.path))):
        watched = Watched({**os.environ, **values})
        monkeypatch.setattr(os, "environ", watched)
        declared = source.bindings(settings)
        watched.asked.clear()
        context = SourceContext(MemoryStore(), watched, system_clock(), clients, _no_answer)
        with contextlib.suppress(CognitoFederationError):
            source.open(settings, context).fetch(RefreshContext())
        read = {name for name in watched.asked if not OF_ANY_SOURCE.fullmatch(name)}
        assert read <= _variables_in(declared)
        assert opened <= {binding.name for binding in declared if binding.kind == "file"}
        opened.clear()


def _variables_in(bindings: Iterable[Binding]) -> set[str]:
    return {binding.name for binding in bindings if binding.kind == "variable"}


def _no_answer(*_: object) -> NoReturn:
    raise TemporaryError("the network is away")


@pytest.mark.parametrize(
    ("keys", "variables", "fixed"),
    [
        ({"cognito_token_file": "t"}, {}, False),
        ({"cognito_token_env": "T"}, {}, False),
        ({"cognito_token_url": "https://tokens.example/t"}, {}, True),
        ({}, {"COGNITO_FEDERATION_TOKEN_URL": "https://tokens.example/t"}, False),
        ({"cognito_token_url": "github-actions"}, {}, False),
        ({"cognito_token_url": "gcp", "cognito_token_audience": "a"}, {}, True),
        (
            {"cognito_token_source": "gcp", "cognito_token_audience": "a"},
            {"GCE_METADATA_HOST": "169.254.169.254"},
            True,
        ),
        ({"cognito_token_url": "gcp", "cognito_token_audience": "a"}, {"GCE_METADATA_HOST": "127.0.0.1:1"}, False),
        ({"cognito_token_url": "azure", "cognito_token_audience": "a"}, {}, True),
        ({"cognito_token_url": "azure", "cognito_token_audience": "a"}, {"IDENTITY_ENDPOINT": "http://x"}, False),
        ({"cognito_token_source": "gitlab"}, {}, False),
        ({"cognito_token_source": "circleci"}, {}, False),
        ({"cognito_token_source": "buildkite"}, {}, False),
        (exchange(), {}, True),
        (exchange(cognito_identity_id="eu-west-1:1-2"), {}, False),
        (exchange(), {"COGNITO_FEDERATION_ISSUER": "https://elsewhere.example"}, False),
        ({"cognito_token_command": "c"}, {}, True),
        ({"cognito_token_command": "c"}, {"COGNITO_FEDERATION_LOGIN_KEY": "elsewhere.example"}, False),
        ({"cognito_refresh_handler": "a.b:c"}, {}, True),
        ({}, {}, True),
        ({"cognito_provider": "guest", "cognito_issuer": ""}, {}, True),
    ],
)
def test_claims_are_believed_only_where_no_variable_argument_or_file_can_hold_a_strangers_token(
    inside, monkeypatch, keys, variables, fixed
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(inside.profile("p", **keys))
    assert login_tokens.answers_by_claims(settings, os.environ) is fixed
    if not login_tokens.address_is_fixed(settings, os.environ):
        # A cached response is used only if the token itself is bound, and not for an address from a variable.
        assert login_tokens.has_ready_answer(settings, os.environ) is (
            login_tokens.source_of(settings).read is not None
        )


def test_the_registry_imports_nothing_that_only_a_source_in_use_needs():
    program = (
        "import sys; import botocore_cognito_federation.login_tokens;"
        "print([n for n in ('requests', 'asyncio', 'subprocess', 'botocore.session', 'jwt', 'filelock', 'http.client')"
        " if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


# A new source, which only the registry knows

PLATFORM = """
import os, sys, time
from botocore_cognito_federation import login_tokens
from botocore_cognito_federation.login_tokens.base import Binding, SourceDeclaration
from botocore_cognito_federation.login_token import parse_output

PATH = os.path.join(os.environ["HOME"], "platform")

class Platform:
    description = "the new platform"
    def fetch(self, context):
        with open(os.path.join(PATH, os.environ["PLATFORM_USER"])) as file:
            return parse_output(file.read(), source=self.description, field=None, now=time.time())

login_tokens.SOURCES += (SourceDeclaration(
    "token_source",
    lambda settings, context: Platform(),
    lambda settings: "Restart the job of the new platform",
    name="new-platform",
    options=("token_audience",),
    required={"token_audience": "whom the token is for"},
    bindings=lambda settings: (
        Binding("variable", "PLATFORM_USER"),
        Binding("file", os.path.join(PATH, os.environ.get("PLATFORM_USER", ""))),
    ),
    read=lambda settings, environ: Platform().fetch(None),
),)
"""
COMMAND = PLATFORM + "\nfrom botocore_cognito_federation.__main__ import main\nsys.exit(main())\n"


class NewPlatform:
    """A home with a profile that uses a source that only the registry knows."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.folder = home.path / "platform"
        self.folder.mkdir()
        home.profile("new", cognito_token_source="new-platform", cognito_token_audience="me")

    def token(self, who: str, text: str | None = None) -> None:
        (self.folder / who).write_text(text or self.home.world.provider.issue(who))

    def run(self, *words: str, user: str = "ada") -> subprocess.CompletedProcess[str]:
        environ = self.home.environment(PLATFORM_USER=user)
        command = [sys.executable, "-c", COMMAND, *words]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=self.home.path)

    def key(self, user: str = "ada") -> str:
        done = self.run("credential-process", "--profile", "new", user=user)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["AccessKeyId"])


@pytest.fixture
def platform(home: Home) -> NewPlatform:
    return NewPlatform(home)


@pytest.mark.thorough
def test_a_new_source_is_configured_and_explained_and_its_remedy_is_given(platform):
    assert "new-platform" in platform.run("explain", "--profile", "new").stdout
    platform.token("ada", platform.home.world.provider.issue("ada", lifetime=-3600))
    refused = platform.run("credential-process", "--profile", "new")
    assert (refused.returncode, refused.stdout) == (6, "")
    assert "Restart the job of the new platform" in refused.stderr
    platform.home.profile("without", cognito_token_source="new-platform")
    assert (
        "needs cognito_token_audience: whom the token is for" in platform.run("explain", "--profile", "without").stderr
    )
    platform.home.profile("none", cognito_token_source="newplatform")
    names = ", ".join([*login_tokens.names_of("token_source"), "new-platform"])
    assert f"must be one of {names}\n" in platform.run("whoami", "--profile", "none").stderr


@pytest.mark.thorough
def test_a_change_of_what_a_new_source_reads_ends_the_ready_answer(platform):
    for who in ("ada", "bob"):
        platform.token(who)
    ada, bob = platform.key("ada"), platform.key("bob")
    assert ada != bob
    assert [platform.key("ada"), platform.key("bob")] == [ada, bob]
    assert platform.home.spent == (2, 2)
    platform.token("ada", platform.home.world.provider.issue("bob"))
    assert platform.key("ada") != ada


def test_a_change_of_what_a_new_source_reads_ends_a_sessions_credentials_natively(platform):
    for who in ("ada", "bob"):
        platform.token(who)
    program = (
        PLATFORM
        + """
import boto3, json
from botocore_cognito_federation import install
install()
def key(user):
    os.environ["PLATFORM_USER"] = user
    return boto3.Session(profile_name="new").get_credentials().get_frozen_credentials().access_key
found = [key("ada"), key("bob"), key("ada")]
with open(os.path.join(PATH, "bob")) as bob, open(os.path.join(PATH, "ada"), "w") as ada: ada.write(bob.read())
found.append(key("ada"))
print(json.dumps([found.index(each) for each in found]))
"""
    )
    done = platform.home.python(program, PLATFORM_USER="ada")
    assert done.code == 0, done.err.decode()
    assert json.loads(done.out) == [0, 1, 0, 1]
