"""Commands that give credentials to programs: ``credential-process``, ``export``, ``exec``, ``serve``, ``console``."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

import click

from .._fast_path import EXEC_PROFILE, CacheQuery
from .._util.http import HttpClient
from .._util.loopback import ADDRESS
from ..config.loader import session_for_reading
from ..config.profiles import names_in_configuration
from ..config.settings import Settings
from ..credentials import FederatedCredentials
from ..errors import ConfigurationError, SignInFailedError
from ..fetcher import CredentialFetcher
from ..messages import shell_command, shown_time, span
from ..serve.child import (
    OVERRIDING_VARIABLES,
    base_environment,
    credential_variables,
    default_profile_has_credentials,
    forwarded_signals,
    launch_failure,
    region_variables,
    replace_by,
)
from ..serve.console import OneShotRedirect, destination_of, guests_have_no_console, partition_of, sign_in_url
from ..serve.endpoint import Endpoint
from ..serve.place import Place
from ..sign_in.browser import BrowserLauncher, can_open_browser
from .app import fetcher_of_profile, json_option, print_data, print_json, print_line, profile_flag, profile_option
from .credential_process import answer_and_end
from .roles import fetcher_of_role, role_option


class _Exec(click.Command):
    """``exec dev -- env`` names the profile, where there is one of that name; ``exec -- dev -- env`` starts ``dev``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        rest = super().parse_args(ctx, args)
        words: tuple[str, ...] = ctx.params["words"]
        separated = given[: len(given) - len(words)][-1:] == ["--"]
        is_profile = words[1:2] == ("--",) and not separated and words[0] in names_in_configuration(os.environ)[0]
        if is_profile and ctx.params["profile"] in (None, words[0]):
            ctx.params |= {"profile": words[0], "words": words[2:]}
        return rest


@click.command("exec", cls=_Exec, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@profile_flag
@role_option
@click.option("--server", is_flag=True, help="Stay, and let the program renew its credentials.")
@click.argument("words", metavar="[PROFILE --] [CMD [ARG]...]", nargs=-1, type=click.UNPROCESSED)
def exec_command(profile: str | None, role: str | None, server: bool, words: tuple[str, ...]) -> int:
    """Run a program with AWS credentials; without CMD a shell."""
    settings, fetcher = fetcher_of_role(profile, role)
    argv = list(words) or [_shell()]
    if not words and _on_terminal():
        print_line(f"Starting {argv[0]} with credentials of {settings.profile or 'default'}; leave it to end", err=True)
    try:
        return _with_endpoint(settings, fetcher, argv) if server else _with_variables(settings, fetcher, argv)
    except OSError as error:
        code, reason = launch_failure(error)
        print_line(f"{argv[0]} cannot be started: {reason}{_meant_as_profile(argv[0])}", err=True)
        return code


def _meant_as_profile(word: str) -> str:
    """What to type where the name of a profile stands in the place of the program."""
    if word not in names_in_configuration(os.environ)[0]:
        return ""
    return f". To use the profile: {shell_command('cognito-federation', 'exec', word, '--')} CMD"


def _with_variables(settings: Settings, fetcher: CredentialFetcher, argv: list[str]) -> int:
    credentials = fetcher.credentials()
    if _on_terminal():
        left = span(credentials.expires_at - time.time())
        print_line(f"The credentials are valid for {left}; with --server they are renewed", err=True)
    variables = credential_variables(credentials, settings.region_name)
    return replace_by(argv, base_environment(os.environ) | _name_for_prompts(settings) | variables)


def _name_for_prompts(settings: Settings) -> dict[str, str]:
    """The variable from which prompts of shells show the profile, and from which commands of this tool know it."""
    return {EXEC_PROFILE: settings.profile or "default"}


def _with_endpoint(settings: Settings, fetcher: CredentialFetcher, argv: list[str]) -> int:
    refuse_other_default_credentials(settings)
    endpoint = Endpoint(fetcher)
    # A user who has to sign in learns it here, and not from the program's SDK.
    endpoint.credentials()
    with forwarded_signals() as run, endpoint:
        variables = endpoint.variables() | region_variables(settings.region_name)
        return run(argv, base_environment(os.environ) | _name_for_prompts(settings) | variables)


def refuse_other_default_credentials(settings: Settings) -> None:
    """A program that is given an endpoint has no profile, so ``[default]`` comes first in every SDK's chain.

    Raises:
        ConfigurationError: the program would silently use other credentials.
    """
    if (settings.profile or "default") != "default" and default_profile_has_credentials(session_for_reading()):
        raise ConfigurationError(
            "[default] in the AWS configuration has credentials, which every SDK uses before an endpoint",
            remedy="Give that profile a name, or run exec without --server",
        )


def _shell() -> str:
    if os.name == "nt":
        return os.environ.get("COMSPEC") or "cmd.exe"
    return os.environ.get("SHELL") or "/bin/sh"


def _on_terminal() -> bool:
    return sys.stderr.isatty()


_SHELL_FORMATS = ("env", "env-no-export", "fish", "powershell", "windows-cmd", "dotenv")
FORMATS = ("process", "sts", *_SHELL_FORMATS, "ini")
_QUOTE_OF_FISH, _ESCAPED_IN_FISH = re.compile(r"([\\'])"), r"\\\1"
#: PowerShell ends a text at a typographic quotation mark too.
_QUOTE_OF_POWERSHELL, _DOUBLED = re.compile("(['\u2018\u2019\u201a\u201b])"), r"\1\1"
#: Characters that no quoting protects: the last one if delayed expansion is on.
_SPECIAL_IN_CMD = '"%!'
#: What readers of such files (docker, systemd, Node.js, python-dotenv) take alike without quotes, and with them.
_BARE_IN_DOTENV = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")
_NOT_IN_DOTENV = re.compile(r"['\"`$\\\x00-\x1f]")


def formatted(variables: dict[str, str], style: str) -> str:
    """Variables as lines that a shell evaluates.

    Raises:
        ConfigurationError: a value that cannot stand in the format.
    """
    return "\n".join(_line(name, value, style) for name, value in variables.items())


def _line(name: str, value: str, style: str) -> str:
    if not value.isprintable():
        raise ConfigurationError(f"{name} holds a line break or another control character and cannot be exported")
    if style == "env":
        return f"export {name}={shlex.quote(value)}"
    if style == "env-no-export":
        return f"{name}={shlex.quote(value)}"
    if style == "dotenv":
        return f"{name}={_dotenv(name, value)}"
    if style == "fish":
        return f"set -gx {name} '{re.sub(_QUOTE_OF_FISH, _ESCAPED_IN_FISH, value)}'"
    if style == "powershell":
        return f"$Env:{name} = '{re.sub(_QUOTE_OF_POWERSHELL, _DOUBLED, value)}'"
    if any(letter in value for letter in _SPECIAL_IN_CMD):
        raise ConfigurationError(f"{name} cannot be written for cmd.exe", remedy="Use --format powershell")
    return f'set "{name}={value}"'


def credentials_section(profile: str, credentials: FederatedCredentials) -> str:
    """Credentials as a section of ``~/.aws/credentials``, for programs that read nothing else.

    Raises:
        ConfigurationError: the profile's name cannot be the title of a section.
    """
    if not profile.isprintable() or any(letter in profile for letter in "[]"):
        raise ConfigurationError(f"{profile!r} cannot be the title of a section", remedy="Use another --format")
    lines = [f"[{profile}]", f"# These credentials expire at {shown_time(credentials.expires_at)}"]
    return "\n".join([*lines, *(f"{name} = {value}" for name, value in credentials.essential().items())])


def _dotenv(name: str, value: str) -> str:
    if _BARE_IN_DOTENV.fullmatch(value):
        return value
    if _NOT_IN_DOTENV.search(value):
        raise ConfigurationError(
            f"{name} holds a character that readers of dotenv files take in different ways",
            remedy="Use another --format",
        )
    return f"'{value}'"


@click.command("export")
@profile_option
@role_option
@click.option(
    "--format",
    "style",
    type=click.Choice(FORMATS),
    default="process",
    show_default=True,
    help="How to print them.",
)
def export_command(profile: str | None, role: str | None, style: str) -> None:
    """Print credentials for a shell: eval "$(cognito-federation export --format env)"."""
    settings, fetcher = fetcher_of_role(profile, role)
    credentials = fetcher.credentials()
    if style == "process":
        print_json(credentials.process_document())
    elif style == "sts":
        members = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        print_json({"Credentials": {name: credentials.process_document()[name] for name in members}})
    elif style == "ini":
        print_data(credentials_section(settings.profile or "default", credentials))
    else:
        print_data(formatted(credential_variables(credentials, settings.region_name), style))


@click.command("serve")
@profile_option
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default is one that the system chooses.")
@click.option(
    "--format",
    "style",
    type=click.Choice(_SHELL_FORMATS),
    default="env",
    show_default=True,
    help="How the variables are printed.",
)
@click.option("--address", metavar="IP", default=ADDRESS, show_default=True, help="Where to listen.")
@click.option("--path", metavar="PATH", default="", help="The path of the credentials. Default is a random one.")
@click.option("--token-file", metavar="FILE", help="Holds the token of the clients; made if it is not there.")
@click.option("--certificate", metavar="FILE", help="Speak TLS, for addresses of other machines.")
@click.option("--key", metavar="FILE", help="The private key of the certificate.")
@click.option("--host", metavar="NAME", help="The name in the printed address. Default is the address.")
@click.option("--probe", is_flag=True, help="Ask whether the endpoint at this address and port is ready; exit 0 if so.")
@json_option
def serve_command(profile: str | None, style: str, as_json: bool, probe: bool, **place: Any) -> int:
    """Serve credentials to every SDK on this machine that is given the printed variables."""
    if probe:
        return _probe(Place(**place))
    settings, fetcher = fetcher_of_profile(profile)
    where = Place(**place)
    endpoint = Endpoint(fetcher, where)
    endpoint.credentials()
    # Before there is anything to clean up, and until it is cleaned up, no signal ends this process at once.
    stopping = _Stopping()
    with endpoint:
        variables = endpoint.variables() | region_variables(settings.region_name)
        if as_json:
            print_json(variables)
        else:
            print_data(formatted(variables, style))
        sys.stdout.flush()
        for line in (*where.exposed(), *_in_the_way(settings)):
            print_line(f"warning: {line}", err=True)
        if sys.stderr.isatty():
            print_line(f"Serving {settings.profile or 'default'} on {endpoint.listens_on}; Ctrl-C ends it", err=True)
        return stopping.wait()


def _probe(place: Place) -> int:
    if place.certificate is not None or not place.port:
        raise click.UsageError("--probe goes with --port and without --certificate")
    place.is_ready()
    return 0


class _Stopping:
    """The signals that end the command, from the constructor on; what was ignored (nohup) stays ignored."""

    def __init__(self) -> None:
        self._signal = 0
        self._stopping = threading.Event()
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._received)

    def wait(self) -> int:
        """Wait for one of them; the exit code."""
        while not self._stopping.wait(0.5):
            """Short waits: on Windows Ctrl-C is only seen between them."""
        return 130 if self._signal == signal.SIGINT else 0

    def _received(self, number: int, frame: FrameType | None) -> None:
        self._signal = self._signal or number
        self._stopping.set()


def _in_the_way(settings: Settings) -> list[str]:
    of_the_endpoint = Endpoint.VARIABLES
    found = [
        f"{name} is set here; where it is set too, SDKs use it before the endpoint. Unset it there"
        for name in OVERRIDING_VARIABLES
        if name not in of_the_endpoint and os.environ.get(name)
    ]
    if (settings.profile or "default") != "default" and default_profile_has_credentials(session_for_reading()):
        found.append("[default] in the AWS configuration has credentials, which SDKs use before the endpoint")
    return found


@click.command("console")
@profile_option
@role_option
@click.option("--service", metavar="NAME", help="The service to land on, e.g. s3.")
@click.option("--destination", metavar="URL", help="The page of the console to land on.")
@click.option("--print", "show", is_flag=True, help="Print the address; it signs in any browser that opens it.")
@json_option
@click.option("--endpoint-url", metavar="URL", help="Another sign-in endpoint, e.g. a region's; default is AWS's own.")
def console_command(
    profile: str | None,
    role: str | None,
    service: str | None,
    destination: str | None,
    show: bool,
    as_json: bool,
    endpoint_url: str | None,
) -> None:
    """Open the AWS console in a browser, signed in."""
    if service is not None and destination is not None:
        raise click.UsageError("--service and --destination exclude each other")
    if as_json and not show:
        raise click.UsageError("--json goes with --print")
    settings, fetcher = fetcher_of_role(profile, role)
    if settings.is_guest:
        raise guests_have_no_console()
    partition = partition_of(settings.pool_region)
    region = settings.region_name or settings.pool_region
    page = destination_of(partition, region, service=service, url=destination)
    possible, reason = (True, "") if show else can_open_browser(os.environ)
    if not possible:
        raise SignInFailedError(
            f"No browser can be opened here: {reason}", remedy="Use --print and open the address yourself"
        )
    endpoint = endpoint_url or partition.sign_in
    if "?" in endpoint or "#" in endpoint:
        raise ConfigurationError("--endpoint-url has a query or fragment", remedy="Give the address without it")
    http = HttpClient(ca_bundle=settings.ca_bundle)
    url = sign_in_url(fetcher.credentials(), page, endpoint=endpoint, http=http)
    if as_json:
        print_json({"url": url})
        return
    if show:
        print_data(url)
        return
    launcher = BrowserLauncher(say=_say)
    with OneShotRedirect(url, random=secrets.token_urlsafe) as redirect, launcher:
        by_hand = f"Open this URL in a browser on this machine:\n\n  {redirect.url}\n"
        if launcher.open(redirect.url):
            redirect.wait(unopened=lambda: _say(f"No browser has come yet. {by_hand}"))
        else:
            _say(by_hand)
            redirect.wait()


def _say(text: str) -> None:
    for line in text.splitlines():
        print_line(line, err=True)


@click.command("credential-process")
@profile_option
def credential_process_command(profile: str | None) -> None:
    """Print credentials as SDKs ask for them in credential_process."""
    answer_and_end(CacheQuery(profile, dict(os.environ)))
