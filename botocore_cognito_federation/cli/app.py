"""The group of commands, and what every command has in common: exit codes, one line on failure, ``--debug``."""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib
import io
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.shell_completion import ShellComplete, add_completion_class, get_completion_class

from .. import __version__
from .._fast_path import EXEC_PROFILE, CacheQuery
from .._util.log import VARIABLE, start_debug_log, unexpected
from .._util.processes import hold_signals
from ..config.profiles import load_session_settings, load_settings, names_in_configuration
from ..config.settings import Settings
from ..errors import CognitoFederationError
from ..messages import shown_line, wrapped

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ..fetcher import CredentialFetcher

#: Command -> (module, one line of help). The module is imported when its command runs.
_COMMANDS = {
    "configure": ("setup", "Write a profile, its sign-in and credential_process into ~/.aws/config."),
    "login": ("account", "Sign in."),
    "refresh": ("account", "Renew login token and credentials now."),
    "logout": ("account", "Sign out: forget tokens and credentials, and revoke what can be revoked."),
    "credential-process": ("run", "Print credentials as SDKs ask for them in credential_process."),
    "export": ("run", "Print credentials for a shell."),
    "exec": ("run", "Run a program with credentials."),
    "console": ("run", "Open the AWS console, signed in."),
    "serve": ("run", "Serve credentials to the SDKs of this machine, on loopback."),
    "status": ("inspect", "What is signed in and cached, until when; no network."),
    "whoami": ("account", "Who AWS says you are; asks STS."),
    "roles": ("roles", "The roles that the login token names."),
    "token": ("tokens", "Print the login token, or one for Bedrock, CodeArtifact, ECR, EKS or RDS."),
    "doctor": ("doctor", "Check for every known problem, and say how to fix it."),
    "explain": ("doctor", "The resolved settings, and where each came from."),
    "pool": ("pool", "Make, check and delete an identity pool, as an administrator of the AWS account."),
    "user-pool": ("user_pool", "Your own account at a user pool: sign-up, passwords, second factors, devices."),
    "native": ("setup", "Let every Python session of an environment have the credentials, with no code."),
    "link": ("setup", "Make the sign-ins of several sessions one identity."),
    "unlink": ("setup", "Take a linked sign-in off the identity."),
    "cache": ("inspect", "List or clear what is cached."),
    "demo": ("setup", "Show everything end to end on this machine, with no account and no internet."),
    "completion": ("app", "Print the completion script of a shell."),
    "version": ("app", "Print the version."),
    "help": ("app", "Show the help of a command."),
}
#: What other tools call a command -> what it is here.
_ELSEWHERE = {
    "activate": "exec",
    "check": "doctor",
    "credentials": "credential-process",
    "env": "export",
    "init": "configure",
    "logon": "login",
    "print": "export",
    "renew": "refresh",
    "run": "exec",
    "setup": "configure",
    "shell": "exec",
    "signin": "login",
    "signout": "logout",
    "who": "whoami",
}


class _Commands(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if self.get_command(ctx, word) is None and not ctx.resilient_parsing and not word.startswith("-"):
            raise click.UsageError(f"There is no command {word!r}.{_meant(word)}", ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f".{_COMMANDS[cmd_name][0]}", __package__)
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


def _meant(word: str) -> str:
    """What a word that is no command was probably meant for."""
    plain = word.lower().replace("_", "-")
    known = _ELSEWHERE.get(plain.replace("-", ""))
    close = [known] if known else difflib.get_close_matches(plain, _COMMANDS, n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


#: Names that every shell takes as they are: bash puts what it completes into the line that it runs without a quote.
#: zsh takes =NAME for a program, fish %self for a process, and every command -NAME for an option.
_COMPLETED = re.compile(r"\w[\w.@+:/%=-]*")


def _profile_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The profiles that a shell offers."""
    return offered(names_in_configuration(os.environ)[0], incomplete)


def _session_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The sessions that a shell offers."""
    return offered(names_in_configuration(os.environ)[1], incomplete)


def offered(names: list[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete) and _COMPLETED.fullmatch(name)]


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        print_line(_version())
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-p", "--profile", metavar="NAME", shell_complete=_profile_names, help="The profile for the command.")
@click.option("--debug", is_flag=True, help="Log each step to stderr, without a secret.")
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def app(profile: str | None, debug: bool) -> None:
    """AWS credentials through an Amazon Cognito identity pool, for every AWS client on this machine."""
    where = "1" if debug else os.environ.get(VARIABLE)
    if where:
        start_debug_log(where)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    hold_signals()
    raise SystemExit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code. What cannot be written any more is dropped, and the code still says it."""
    if sys.stdout is None:
        # Closed at the start: `main` has filled its place with something that takes no writing, and that is to be said.
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - it is open as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the encoding of a terminal lacks is shown by its number; data is refused (`print_data`).
        sys.stdout.reconfigure(errors="backslashreplace")
    code = _ended_with(arguments)
    for stream in filter(None, (sys.stdout, sys.stderr)):  # one that was closed at the start is None
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                _say("stdout cannot be written, so the output is lost")
            # Python would try once more at its exit, and end with 120.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = code or 1
    return code


def _ended_with(arguments: list[str] | None) -> int:
    try:
        result = app.main(arguments, prog_name="cognito-federation", standalone_mode=False)
    except CognitoFederationError as error:
        _say_error(error)
        return error.exit_code
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        # It quotes arguments, and scripts put anything into those.
        words = sys.argv[1:] if arguments is None else arguments
        comment = "; a # begins no comment on a credential_process line" if "#" in words else ""
        error.message = shown_line(f"{error.message}{comment}")  # type: ignore[misc,unused-ignore]
        with contextlib.suppress(OSError):
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        if sys.stderr is not None and sys.stderr.isatty():
            click.echo(err=True)  # the shell's prompt does not belong on the line that was interrupted
        return 130
    except BrokenPipeError:
        return 1  # the reader has gone, and knows
    except Exception as error:  # noqa: BLE001 - a traceback would quote values that may be secret
        _say(unexpected(error).line)
        return 1
    return result if isinstance(result, int) else 0


def _say(line: str) -> None:
    """A line for people; where it cannot be written, the exit code still says it."""
    with contextlib.suppress(OSError):
        click.echo(line, err=True)


def _say_error(error: CognitoFederationError) -> None:
    """Say what is wrong in one line, which programs read; on a terminal, wrapped to its width."""
    if sys.stderr is None or not sys.stderr.isatty():
        return _say(error.line)
    for line in wrapped(error.what, error.remedy, shutil.get_terminal_size().columns - 1):
        _say(line)


F = TypeVar("F", bound=Callable[..., Any])


def profile_flag(function: F) -> F:
    """``--profile``, also before the command; else botocore's own order, then the profile that `exec` has used."""

    @functools.wraps(function)
    def with_profile(*args: Any, profile: str | None, **others: Any) -> Any:
        before = click.get_current_context().find_root().params.get("profile")
        chosen = _only_one(profile, before)
        if chosen is None and not others.get("session") and not others.get("everything"):
            chosen = CacheQuery(None, os.environ).profile if os.environ.get(EXEC_PROFILE) else None
        return function(*args, profile=chosen, **others)

    option = click.option(
        "-p",
        "--profile",
        metavar="NAME",
        shell_complete=_profile_names,
        help="The profile; default is AWS_PROFILE, then default.",
    )
    return cast(F, option(with_profile))


def profile_option(function: F) -> F:
    """``--profile``, which may also be the first argument."""

    @functools.wraps(function)
    def with_name(*args: Any, profile: str | None, named: str | None, **others: Any) -> Any:
        return function(*args, profile=_only_one(profile, named), **others)

    argument = click.argument("named", metavar="[PROFILE]", required=False, shell_complete=_profile_names)
    return profile_flag(cast(F, argument(with_name)))


def _only_one(profile: str | None, other: str | None) -> str | None:
    if profile is not None and other is not None and profile != other:
        raise click.UsageError(f"Two profiles are named, {profile!r} and {other!r}. Name one of them")
    return other if profile is None else profile


def session_option(function: F) -> F:
    """``--session``, for what concerns a sign-in that several profiles share."""
    return click.option(
        "--session", metavar="NAME", shell_complete=_session_names, help="The [cognito-session] instead of a profile."
    )(function)


def chosen_settings(profile: str | None, session: str | None) -> Settings:
    """The settings that ``--profile`` and ``--session`` name.

    Of a profile that assumes a role with the credentials of one of this tool, they are those of the latter.

    Raises:
        ConfigurationError: there is no such profile or session, or it is wrong.
        click.UsageError: both are given.
    """
    if profile is not None and session is not None:
        raise click.UsageError("--profile and --session exclude each other")
    if session is not None:
        return load_session_settings(session)
    return load_settings(profile, through_chain=True)


def fetcher_of_profile(profile: str | None) -> tuple[Settings, CredentialFetcher]:
    """The settings that ``--profile`` names, and the fetcher of its credentials.

    What it fetches is stored ready to print too: a helper that is started next finds it.

    Raises:
        ConfigurationError: there is no such profile, or it is wrong.
    """
    from ..botocore_plugin.provider import session_of_other_profile
    from ..factory import answer_writer_for, fetcher_for

    query = CacheQuery(profile, os.environ)  # before the configuration is read
    settings = load_settings(profile)
    answers = answer_writer_for(settings, query)
    return settings, fetcher_for(settings, answers=answers, open_session=session_of_other_profile)


def json_option(function: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def _version() -> str:
    import botocore

    return f"cognito-federation {__version__} (Python {platform.python_version()}, botocore {botocore.__version__})"


@click.command("version")
@json_option
def version_command(as_json: bool) -> None:
    """Print the version."""
    import botocore

    if as_json:
        print_json({"version": __version__, "python": platform.python_version(), "botocore": botocore.__version__})
    else:
        print_line(_version())


@click.command("help")
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def help_command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command, or of all."""
    parent = ctx.find_root()
    for word in words:
        group = parent.command
        command = group.get_command(parent, word) if isinstance(group, click.Group) else None
        if command is None:
            raise click.UsageError(f"There is no command {' '.join(words)!r}.{_meant(word)}", ctx)
        parent = click.Context(command, parent, command.name)
    click.echo(parent.get_help())


_VARIABLE = "_COGNITO_FEDERATION_COMPLETE"


class _PowerShellComplete(ShellComplete):
    """Completion for PowerShell, by its documentation of Register-ArgumentCompleter; not run anywhere yet."""

    name = "powershell"
    source_template = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $env:%(complete_var)s = 'powershell_complete'
    $env:COMP_WORDS = ($commandAst.CommandElements | ForEach-Object { $_.ToString() }) -join "`n"
    $env:COMP_INCOMPLETE = $wordToComplete
    try {
        & '%(prog_name)s' | ForEach-Object {
            [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
        }
    } finally {
        Remove-Item Env:%(complete_var)s, Env:COMP_WORDS, Env:COMP_INCOMPLETE
    }
}
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        words, incomplete = os.environ["COMP_WORDS"].split("\n")[1:], os.environ.get("COMP_INCOMPLETE", "")
        return words[:-1] if incomplete else words, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        return str(item.value)


add_completion_class(_PowerShellComplete)


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
def completion_command(shell: str) -> None:
    """Print the completion script of a shell, e.g. eval "$(cognito-federation completion bash)".

    It completes commands, options, and the names of profiles and sessions.
    """
    maker = get_completion_class(shell)
    if maker is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    print_data(maker(app, {}, "cognito-federation", _VARIABLE).source())


def print_line(text: str, *, err: bool = False) -> None:
    """Print one line for people; whatever is in it, it stays one line and moves no cursor."""
    _print(shown_line(text), err=err)


def print_heading(text: str) -> None:
    """Print one line for people in bold."""
    _print(click.style(shown_line(text), bold=True))


def print_marked(mark: str, text: str) -> None:
    """Print one line for people behind a mark, which may have a colour."""
    _print(mark + shown_line(text))


def print_json(value: object) -> None:
    """Print a document as JSON: lossless, with everything escaped that cannot be printed."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    _print("".join(c if (c.isprintable() and _is_encodable(c)) or c == "\n" else json.dumps(c)[1:-1] for c in text))


def _is_encodable(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def print_data(text: str) -> None:
    """Print lines for a program, letter by letter.

    Raises:
        CognitoFederationError: a terminal would not show them as they are, so that they can be no token or setting.
    """
    if not _is_encodable(text):
        raise CognitoFederationError(
            f"What should be printed holds characters that {sys.stdout.encoding} lacks, the encoding of stdout",
            remedy="Set PYTHONIOENCODING=utf-8",
        )
    if not all(line.isprintable() for line in text.split("\n")):
        raise CognitoFederationError(
            "What should be printed holds control characters", remedy="Run: cognito-federation doctor"
        )
    _print(text)


def _print(text: str, *, err: bool = False) -> None:
    click.echo(text, err=err)
