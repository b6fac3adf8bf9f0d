"""The helper that SDKs start: the line of ``credential_process``, and the program that it names."""

from __future__ import annotations

from collections.abc import Callable

from .model import BOTO3, DOCTOR, JOB, Dash, Literal, SetUp, job
from .place import Place

_OF_DOCTOR = Literal(of_doctor=True)
_LINE = "$helper credential-process --profile dev"


def _line(new: str) -> str:
    return JOB.replace(_LINE, new)


def _program(text: str, *, mode: int = 0o755, name: str = "cognito-federation") -> Callable[[Place], object]:
    """Put a program into ``~/bin``."""

    def prepare(place: Place) -> None:
        path = place.path / "bin" / name
        path.parent.mkdir(parents=True)
        path.write_text(place.filled(text))
        path.chmod(mode)

    return prepare


_OWN = "$home/bin/cognito-federation credential-process --profile dev"
_SHELL = '#!/bin/sh\nexec $script "$@"\n'

ROWS = (
    SetUp(
        "a program that is not there",
        r"/nowhere/cognito-federation",
        _OF_DOCTOR,
        config=_line("/nowhere/cognito-federation credential-process --profile dev"),
        command=BOTO3,
    ),
    SetUp(
        "a program that is not executable",
        r"Permission denied.*bin/cognito-federation",
        _OF_DOCTOR,
        doctor=r"bin/cognito-federation",
        config=_line(_OWN),
        prepare=_program(_SHELL, mode=0o644),
        command=BOTO3,
    ),
    SetUp(
        "a directory in the place of the program",
        r"Permission denied.*/bin|Is a directory",
        _OF_DOCTOR,
        doctor=r"home/bin\b",
        config=_line("$home/bin/ credential-process --profile dev"),
        prepare=_program(_SHELL),
        command=BOTO3,
    ),
    SetUp(
        "a script whose Python is gone",
        r"bin/cognito-federation",
        _OF_DOCTOR,
        doctor=r"/nowhere/python",
        config=_line(_OWN),
        prepare=_program("#!/nowhere/python\nimport botocore_cognito_federation\n"),
        command=BOTO3,
    ),
    SetUp(
        "a script whose package was removed",
        r"ModuleNotFoundError.*botocore_cognito_federation|botocore_cognito_federation",
        _OF_DOCTOR,
        doctor=r"botocore_cognito_federation",
        config=_line(_OWN),
        prepare=_program(
            "#!/usr/bin/env -S $python -I -S\nfrom botocore_cognito_federation.__main__ import main\nmain()\n"
        ),
        command=BOTO3,
    ),
    SetUp(
        "another Python that has no such package",
        r"botocore_cognito_federation",
        _OF_DOCTOR,
        doctor=r"botocore_cognito_federation",
        config=_line("$python -I -S -m botocore_cognito_federation credential-process --profile dev"),
        command=BOTO3,
    ),
    SetUp(
        "the helper asks for another profile",
        r"There is no profile 'other'",
        _OF_DOCTOR,
        doctor=r"profile 'other'",
        config=_line("$helper credential-process --profile other"),
        command=BOTO3,
    ),
    SetUp(
        "the helper asks for no profile",
        r"no cognito_ keys|no profile",
        _OF_DOCTOR,
        doctor=r"profile 'default'",
        config=_line("$helper credential-process"),
        command=BOTO3,
    ),
    SetUp(
        "an underscore in the command",
        r"credential_process",
        _OF_DOCTOR,
        doctor=r"credential_process --profile|'credential_process'|credential-process",
        config=_line("$script credential_process --profile dev"),
        command=BOTO3,
    ),
    SetUp(
        "another word for the command",
        r"credentials",
        _OF_DOCTOR,
        doctor=r"'credentials'|credentials --profile",
        config=_line("$script credentials --profile dev"),
        command=BOTO3,
    ),
    SetUp(
        "no command",
        r"--profile|[Mm]issing command|command",
        _OF_DOCTOR,
        doctor=r"credential-process",
        config=_line("$script --profile dev"),
        command=BOTO3,
    ),
    SetUp(
        "an option that there is not",
        r"--format",
        _OF_DOCTOR,
        doctor=r"--format",
        config=_line("$helper credential-process --profile dev --format json"),
        command=BOTO3,
    ),
    SetUp(
        "a comment behind the line",
        r"#",
        _OF_DOCTOR,
        doctor=r"comment",
        config=_line(f"{_LINE}  # the helper"),
        command=BOTO3,
    ),
    SetUp(
        "a shell's redirection behind the line",
        r"2>/dev/null",
        _OF_DOCTOR,
        doctor=r"2>/dev/null",
        config=_line(f"{_LINE} 2>/dev/null"),
        command=BOTO3,
    ),
    SetUp(
        "a tilde in front of the path",
        r"~/bin/cognito-federation",
        _OF_DOCTOR,
        config=_line("~/bin/cognito-federation credential-process --profile dev"),
        prepare=_program(_SHELL),
        command=BOTO3,
    ),
    SetUp(
        "a variable in front of the path",
        r"\$HOME/bin/cognito-federation",
        _OF_DOCTOR,
        config=_line("$$HOME/bin/cognito-federation credential-process --profile dev"),
        prepare=_program(_SHELL),
        command=BOTO3,
    ),
    SetUp(
        "a name that is on no PATH",
        r"cognito-fed\b",
        _OF_DOCTOR,
        config=_line("cognito-fed credential-process --profile dev"),
        command=BOTO3,
    ),
    SetUp(
        "another helper",
        r"aws-vault",
        Literal({"cognito-federation configure": "cognito-federation configure"}, of_doctor=True),
        config=_line("/usr/local/bin/aws-vault exec --json dev"),
        command=BOTO3,
    ),
    SetUp(
        "a path with a space that is not quoted",
        r"my\b",
        _OF_DOCTOR,
        doctor=r"my",
        config=_line("$home/my bin/cognito-federation credential-process --profile dev"),
        prepare=lambda place: _program(_SHELL)(place) or (place.path / "bin").rename(place.path / "my bin"),
        command=BOTO3,
    ),
    SetUp(
        "no helper",
        r"Unable to locate credentials",
        _OF_DOCTOR,
        doctor=r"no credential_process",
        config=_line("").replace("credential_process = \n", ""),
        command=BOTO3,
    ),
    SetUp(
        "a helper that prints something else first",
        r"JSON|Expecting value",
        _OF_DOCTOR,
        doctor=r"JSON",
        config=_line("$home/bin/cognito-federation credential-process --profile dev"),
        prepare=_program('#!/bin/sh\necho Welcome\nexec $script "$@"\n'),
        command=BOTO3,
    ),
    SetUp(
        "a helper of an older version of the answer",
        r"[Vv]ersion",
        _OF_DOCTOR,
        doctor=r"[Vv]ersion",
        config=_line("$home/bin/cognito-federation credential-process --profile dev"),
        prepare=_program('#!/bin/sh\n$script "$@" | sed s/.Version.:1/\\"Version\\":2/\n'),
        command=BOTO3,
    ),
    SetUp(
        "the name of the program alone",
        Dash("it works from a shell, and not from programs that have another PATH"),
        _OF_DOCTOR,
        doctor=r"PATH",
        config=_line("cognito-federation credential-process --profile dev"),
        works=DOCTOR,
    ),
    SetUp(
        "an equals sign that is missing behind the key",
        r"Unable to locate|ParsingError|parse",
        _OF_DOCTOR,
        doctor=r"line 4",
        config=job("credential_process = ", "credential_process "),
        command=BOTO3,
    ),
)
