"""The commands that set something up: ``configure``, ``native``, ``link``, ``unlink`` and ``demo``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import click

from ..botocore_plugin.native import disable, enable, inspect_environment
from ..botocore_plugin.provider import session_of_other_profile
from ..cache import STORES
from ..cache.base import SECRETS, Store
from ..cache.file import FileStore
from ..cache.local_first import LocalFirstStore
from ..cache.sessions import check_storable
from ..config.configure import (
    Files,
    Plan,
    Request,
    check_provider,
    check_region,
    check_value,
    current_values,
    make_plan,
    redirect_uris,
    signs_people_in,
    write_changes,
)
from ..config.helper_line import helper_words
from ..config.keys import PREFIX, is_without_pool
from ..config.profiles import load_settings, names_in_configuration
from ..config.settings import Settings, profile_section
from ..errors import ConfigurationError, TemporaryError
from ..factory import default_directory, linking_for, other_stores, store_for
from ..messages import flag_of, shell_command, shown_line
from ..oidc.client import secret_key
from .app import json_option, print_heading, print_json, print_line, profile_option
from .published import publish, take
from .roles import write_role_profiles

#: The keys with a flag of their own, and what to say about each; every other one goes with --set.
_FLAGS = {
    "identity_pool_id": "REGION:GUID of the identity pool.",
    "provider": "google, facebook, amazon, user-pool, guest, or a domain.",
    "client_id": "The OAuth client registered at the provider.",
    "user_pool_id": "With provider user-pool: which one.",
    "issuer": "Issuer URL, where it is not https://PROVIDER.",
    "login_key": "Exact Logins key, where the derived one is not right.",
    "scopes": "Scopes to ask for.",
    "auth_params": "NAME=VALUE pairs for the authorization request.",
    "grant": "auto, auth-code, device-code, remote or srp.",
    "redirect_uri": "Redirect URI as registered.",
    "redirect_ports": "Ports to listen on; 0 is any free one.",
    "role_arn": "Role to ask the identity pool for.",
    "account_id": "AWS account number.",
    "endpoint_url": "Endpoint of cognito-identity.",
    "cache": "file, keyring or memory.",
    "auto_login": "never, tty or always.",
}
#: Key -> the question, and what stands behind it as long as there is no value; together they fit into 80 columns.
_ASKED = {
    "identity_pool_id": ("Identity pool ID", "such as eu-west-1:11111111-2222-3333-4444-555555555555"),
    "role_arn": ("Role", "such as arn:aws:iam::123456789012:role/Developer"),
    "provider": ("Identity provider", "google, user-pool, or a domain such as corp.eu.auth0.com"),
    "client_id": ("OAuth client ID", "as registered at the provider"),
}


def _key_options(function: click.Command) -> click.Command:
    options = [click.Option([flag_of(name)], metavar="V", help=text) for name, text in _FLAGS.items()]
    function.params[1:1] = options  # after --session
    return function


def _asked(wanted: dict[str, str], current: dict[str, str]) -> dict[str, str]:
    """Return the requests with the user's answers; Enter selects the value in brackets."""
    answers = dict(wanted)
    for name in _ASKED:
        merged = {**current, **answers}
        if name in wanted or not _is_needed(name, merged):
            continue
        answer = _valid_answer(name, current.get(name))
        if answer and answer != current.get(name):
            answers[name] = answer
    return answers


def _is_needed(name: str, values: dict[str, str]) -> bool:
    """Whether a configuration with these values has a use for a key that could be asked for."""
    if name in ("identity_pool_id", "role_arn"):
        return (name == "role_arn") == is_without_pool(values.get("flow"))
    return name != "client_id" or values.get("provider") != "guest"


def _valid_answer(name: str, default: str | None) -> str:
    """Ask until the answer is one that the key can hold; empty where the user has none."""
    question, example = _ASKED[name]
    shown = f"{question} [{shown_line(default)}]" if default else f"{question} ({example})"
    while True:
        answer: str = click.prompt(shown, default=default or "", show_default=False, err=True).strip()
        try:
            if answer:
                check_value(name, answer, "This")
        except ConfigurationError as error:
            print_line(error.line, err=True)
            continue
        return answer


def _asked_profile() -> str:
    """Return the name of the profile to write; those that there are stand before the question."""
    there = names_in_configuration(os.environ)[0]
    if there:
        print_line(f"Profiles that this tool manages: {', '.join(there)}", err=True)
    answer: str = click.prompt("Profile [default]", default="default", show_default=False, err=True).strip()
    return answer


def _check_flags(keys: dict[str, str], flags: dict[str, str | None], region: str | None) -> None:
    """Refuse a bad value by the name that the user has typed, before anything is asked."""
    for name, value in keys.items():
        check_value(name, value, flag_of(name) if flags.get(name) == value else "")
    if region is not None:
        check_region(region)


def _check_complete(keys: dict[str, str]) -> None:
    """Name the flags to give where nothing is asked and the keys can be no profile."""
    if not keys:
        raise click.UsageError(
            "Nothing is asked without a terminal. Give --identity-pool-id REGION:GUID, --provider NAME and"
            " --client-id ID, or for a job --identity-pool-id REGION:GUID and --set token_file=PATH"
        )
    if "identity_pool_id" not in keys and not is_without_pool(keys.get("flow")):
        raise click.UsageError("--identity-pool-id REGION:GUID is missing")


def _checked_plan(request: Request, files: Files, *, offline: bool) -> tuple[Plan, Store]:
    """Return the plan, once its provider and its store have been tried.

    Raises:
        ConfigurationError, TemporaryError, StorageError: see `make_plan`, `check_provider` and `check_storable`.
    """
    plan = make_plan(request, files)
    store = store_for(plan.settings, os.environ)
    if not offline:
        check_provider(plan.settings, store)
    if not STORES[plan.settings.cache].always_works:
        check_storable(store)
    if isinstance(store, LocalFirstStore):
        for engine in [] if offline else store.engines():
            engine.check()
    return plan, store


def _plan_from_answers(request: Request, files: Files, *, offline: bool) -> tuple[Plan, Store]:
    """Ask, and where the answers together make no configuration, say why and ask again with them as the defaults."""
    current = current_values(files, request.profile, request.session)[1]
    answers: dict[str, str] = {}
    while True:
        asked = _asked(dict(request.keys), {**current, **answers})
        answers.update({name: value for name, value in asked.items() if name not in request.keys})
        try:
            return _checked_plan(replace(request, keys={**answers, **request.keys}), files, offline=offline)
        except (ConfigurationError, TemporaryError) as error:
            print_line(error.line, err=True)
            if not click.confirm("Change the answers?", default=True, err=True):
                raise


def _more(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--set takes KEY=VALUE, not {name!r}")
        found[name.strip().removeprefix(PREFIX)] = value.strip()
    return found


def _store_client_secret(settings: Settings, store: Store) -> None:
    if sys.stdin.isatty():
        secret = click.prompt("Client secret (not shown)", hide_input=True, err=True).strip()
    else:
        secret = sys.stdin.readline().strip()
    if not secret:
        raise ConfigurationError("There is no client secret on stdin", remedy="Pipe it in: pass show corp | …")
    store.write(SECRETS, secret_key(settings), {"client_secret": secret, "scope": settings.scope})
    print_line(f"The client secret of {settings.scope} is stored (cognito_cache = {settings.cache})", err=True)


def _move_sign_ins(settings: Settings, store: Store) -> None:
    """Where ``cognito_cache`` has changed, move what was stored."""
    from ..cache.keyring import move_scope

    if not STORES[settings.cache].outlives_process:
        return
    moved = sum(move_scope(settings.scope, other, store) for other in other_stores(store, os.environ))
    if isinstance(store, LocalFirstStore):
        moved += store.publish()
    if moved:
        print_line(
            f"Moved what was stored for {settings.scope} ({moved}) to cognito_cache = {settings.cache}", err=True
        )


def _say_what_is_next(plan: Plan, *, changed: bool, files: Files) -> None:
    settings, changes = plan.settings, plan.changes
    done = "Wrote" if changed else "Nothing to change:"
    sections = [f"[{profile_section(changes.profile)}]"]
    if "cognito_session" in changes.profile_changes:
        sections.append(f"[cognito-session {changes.session}]")
    print_line(f"{done} {' and '.join(sections)} in {files.config}", err=True)
    uris = redirect_uris(settings)
    if uris:
        print_line("Register these redirect URIs at the identity provider, exactly as they are:", err=True)
        for uri in uris:
            print_line(f"  {uri}", err=True)
    if signs_people_in(settings):
        print_line(f"Then run: {shell_command('cognito-federation', 'login', '--profile', changes.profile)}", err=True)


@_key_options
@click.command("configure")
@profile_option
@click.option("--session", metavar="NAME", help="A [cognito-session] to write, for profiles that share a sign-in.")
@click.option("--region", metavar="R", help="The profile's region; default is the pool's.")
@click.option("--set", "pairs", metavar="KEY=VALUE", multiple=True, help="Any other key; may be repeated.")
@click.option(
    "--command",
    "executable",
    metavar="PATH",
    help="The program for credential_process: a path, or a command without quotes.",
)
@click.option(
    "--client-secret-stdin", is_flag=True, help="Read the OAuth client's secret from stdin or, hidden, a terminal."
)
@click.option("--offline", is_flag=True, help="Do not ask the provider for its discovery document.")
@click.option("--no-input", is_flag=True, help="Ask nothing, also on a terminal.")
@click.option("--all-roles", is_flag=True, help="Write a profile for each role that the profile's login token names.")
@click.option("--from", "source", metavar="FILE|URL", help="Take the profiles of a file that --publish has printed.")
@click.option("--publish", "is_publishing", is_flag=True, help="Print the profile for others, to be taken with --from.")
@click.option("--yes", is_flag=True, help="With --from: write without asking.")
def configure_command(
    profile: str | None,
    session: str | None,
    region: str | None,
    pairs: tuple[str, ...],
    executable: str | None,
    client_secret_stdin: bool,
    offline: bool,
    no_input: bool,
    all_roles: bool,
    source: str | None,
    is_publishing: bool,
    yes: bool,
    **flags: str | None,
) -> None:
    """Write a profile, its sign-in and credential_process into ~/.aws/config. Asks on a terminal, else takes flags."""
    name = profile or os.environ.get("AWS_DEFAULT_PROFILE") or os.environ.get("AWS_PROFILE")
    files = Files.of(os.environ)
    keys = {key: value for key, value in flags.items() if value is not None} | _more(pairs)
    chosen = [
        flag for flag, given in (("--all-roles", all_roles), ("--from", source), ("--publish", is_publishing)) if given
    ]
    if chosen:
        if keys or session or region or client_secret_stdin or len(chosen) > 1:
            raise click.UsageError(f"{chosen[0]} goes with --profile and --command only: the rest is what is there")
        _whole_profiles(name, executable, source=source, is_publishing=is_publishing, yes=yes)
        return
    _check_flags(keys, flags, region)
    asks = sys.stdin.isatty() and sys.stderr.isatty() and not no_input
    name = name or (_asked_profile() if asks else "default")
    request = Request(name, session, keys, region, executable)
    if asks:
        plan, store = _plan_from_answers(request, files, offline=offline)
    else:
        _check_complete({**current_values(files, name, session)[1], **keys})
        plan, store = _checked_plan(request, files, offline=offline)
    changed = write_changes(plan.changes, files, store)
    _move_sign_ins(plan.settings, store)
    if client_secret_stdin:
        _store_client_secret(plan.settings, store)
    _say_what_is_next(plan, changed=changed, files=files)
    if asks and signs_people_in(plan.settings) and click.confirm("Sign in now?", default=True, err=True):
        from ..sign_in.login import LoginOptions
        from .account import run_login

        run_login(load_settings(name), LoginOptions())


def _whole_profiles(
    name: str | None, executable: str | None, *, source: str | None, is_publishing: bool, yes: bool
) -> None:
    """Write or print whole profiles, for which nothing is asked."""
    if source is not None:
        take(source, executable, is_agreed=yes)
    elif is_publishing:
        publish(name or "default")
    else:
        write_role_profiles(name or "default", executable)


_python_option = click.option(
    "--python", metavar="PATH", help="The interpreter of the environment; default is this tool's own."
)


@click.group("native")
def native_command() -> None:
    """Let every Python session of an environment have the credentials, with no code."""


@native_command.command("enable")
@_python_option
def enable_command(python: str | None) -> None:
    """From now on botocore in that environment knows profiles with cognito_* keys."""
    place = enable(inspect_environment(python, os.environ))
    after = inspect_environment(python, os.environ)
    print_line(f"Wrote {place}", err=True)
    if not after.active:
        raise click.ClickException(f"{after.executable} does not run it; does it start with -S, or another site?")


@native_command.command("disable")
@_python_option
def disable_command(python: str | None) -> None:
    """Undo enable; does nothing where it is off."""
    environment = inspect_environment(python, os.environ)
    removed = disable(environment)
    for place in removed:
        print_line(f"Removed {place}", err=True)
    if not removed:
        print_line(f"It is not enabled for {environment.executable}", err=True)


@native_command.command("status")
@_python_option
@json_option
def status(python: str | None, as_json: bool) -> int:
    """Whether it is at work in that environment; exit code 0 if so, 1 if not."""
    environment = inspect_environment(python, os.environ)
    files = environment.files()
    if as_json:
        document = {
            "python": environment.executable,
            "active": environment.active,
            "files": [str(file) for file in files],
            "package": environment.package,
            "botocore": environment.botocore,
        }
        print_json(document)
        return 0 if environment.active else 1
    if environment.active:
        print_line(f"active in {environment.executable}: {', '.join(map(str, files))}")
        return 0
    print_line(f"not active in {environment.executable}")
    if files and environment.package is None:
        print_line(f"{files[0]} is there and does nothing: the package is not installed", err=True)
    return 1


@click.command("demo")
@click.option("--serve", is_flag=True, help="Keep it running and print the exports for your own tools.")
@click.option("--no-browser", is_flag=True, help="Let a script sign in in your place, as it does without a terminal.")
def demo_command(serve: bool, no_browser: bool) -> None:
    """Show everything end to end on this machine, with no account and no internet: a sign-in first."""
    from ..demo import moto_account  # noqa: F401 - imported first: it says which extra is missing

    if serve:
        from ..demo.serve import serve as run_server

        run_server(helper=_helper_of_demo())
        return
    from ..demo.walkthrough import walk
    from ..sign_in.browser import can_open_browser

    own_browser = not no_browser and sys.stdin.isatty() and sys.stdout.isatty() and can_open_browser(os.environ)[0]
    walk(print_line, print_heading, own_browser=own_browser, helper=_helper_of_demo())


def _helper_of_demo() -> str | None:
    """The line that `configure` would write; None where its path needs quotes, which the demo's own clients read."""
    try:
        return " ".join(helper_words())
    except ConfigurationError:
        return None


@click.command("link")
@profile_option
@click.option("--session", "names", multiple=True, metavar="NAME", help="Of cognito_logins; default all of them.")
@click.option("--yes", is_flag=True, help="Do it: linked identities become one for good.")
def link_command(profile: str | None, names: tuple[str, ...], yes: bool) -> None:
    """Link the sessions in cognito_logins to the profile's own sign-in."""
    settings = load_settings(profile)
    chosen = sessions_to_link(settings, names)
    if not yes:
        raise click.UsageError(
            f"This makes the users of session {' and '.join(chosen)} one identity with the user of {settings.scope}."
            " Cognito merges the identities they have, which cannot be undone. Run it again with --yes to do it."
        )
    linking = linking_for(settings, open_session=session_of_other_profile)
    try:
        for name in chosen:
            key, identity_id = linking.link(name)
            print_line(f"Linked {key} (session {name}) to {settings.scope}: identity {identity_id}", err=True)
    finally:
        FileStore(default_directory(os.environ)).forget_answers()


def sessions_to_link(settings: Settings, names: tuple[str, ...]) -> tuple[str, ...]:
    """The sessions that are named, or else all of ``cognito_logins``.

    Raises:
        ConfigurationError: there are none, or one is named that is not among them.
    """
    if not settings.logins:
        raise ConfigurationError(
            f"Profile {settings.profile or 'default'!r} has no cognito_logins",
            remedy="Name there the other [cognito-session] whose user is the same person",
        )
    for name in names:
        if name not in settings.logins:
            raise ConfigurationError(f"Session {name!r} is not in cognito_logins", remedy="Add it there first")
    return names or settings.logins


@click.command("unlink")
@profile_option
@click.option("--session", "name", required=True, metavar="NAME", help="The linked session.")
@click.option("--yes", is_flag=True, help="Do it: its user becomes a new user.")
def unlink_command(profile: str | None, name: str, yes: bool) -> None:
    """Take a linked session off the profile's identity."""
    settings = load_settings(profile)
    sessions_to_link(settings, (name,))
    if not yes:
        raise click.UsageError(
            f"This takes the user of session {name} off the identity; signed in alone, that user is a new one to the"
            " identity pool. Run it again with --yes to do it."
        )
    key = linking_for(settings, open_session=session_of_other_profile).unlink(name)
    FileStore(default_directory(os.environ)).forget_answers()
    print_line(f"Unlinked {key} (session {name}) from {settings.scope}", err=True)
