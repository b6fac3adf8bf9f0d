"""The line that ``configure`` writes, from each way in which people install: it starts, is quick, and answers.

Each way installs the wheel, and its own program writes the profile. The line is then started as an SDK starts it, from
another directory with few variables.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.compat import _windows_shell_split

from tests.home import Home, finished

from .installer import Installer, Unavailable, promised

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="the launchers of Windows are no scripts"),
]


class Ways:
    """The ways to install, each returning the folder of the program that a user has on the PATH.

    Args:
        installer: what makes environments and the wheel.
        folder: the user's home, which tools install into.
    """

    def __init__(self, installer: Installer, folder: Path) -> None:
        self._installer = installer
        self._folder = folder

    def venv(self) -> Path:
        return self._installer.python("installations", project=True)

    def uv_tool(self) -> Path:
        self._run(self._uv(), "tool", "install", "-q", "--python", sys.executable, str(self._installer.wheel()))
        return self._folder / ".local" / "bin"

    def pipx(self) -> Path:
        programs = self._installer.python("pipx", "pipx", "uv")
        wheel = str(self._installer.wheel())
        self._run(str(programs / "pipx"), "install", "--backend", "uv", "--python", sys.executable, wheel)
        return self._folder / ".local" / "bin"

    def user_site(self) -> Path:
        """As ``pip install --user`` does, which the interpreter of a virtual environment refuses."""
        prefix = self._folder / ".local"
        interpreter = os.path.realpath(sys.executable)
        self._run(self._uv(), "pip", "install", "-q", "--python", interpreter, "--prefix", str(prefix), self._wheel())
        return prefix / "bin"

    def _wheel(self) -> str:
        return str(self._installer.wheel())

    def _uv(self) -> str:
        return self._installer.uv or str(self._installer.python("uv", "uv") / "uv")

    def _run(self, *command: str) -> None:
        passed = ("PATH", "UV_CACHE_DIR", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_INDEX_URL", "SSL_CERT_FILE")
        environment = {name: value for name, value in os.environ.items() if name in passed}
        # The user's own folders: neither another installation of this user nor of this machine is touched.
        environment |= {"HOME": str(self._folder), "XDG_DATA_HOME": str(self._folder / ".local" / "share")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr


def missing(reason: Unavailable) -> None:
    if promised():
        pytest.fail(str(reason))
    pytest.skip(str(reason))


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Installer:
    return Installer(tmp_path_factory.mktemp("installations"))


@pytest.mark.parametrize(
    ("way", "isolation"),
    [
        (Ways.venv, ["-I", "-S"]),
        (Ways.uv_tool, ["-I", "-S"]),
        (Ways.pipx, ["-I", "-S"]),
        (Ways.user_site, ["-E", "-S"]),  # -I has no user site
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_the_line_of_each_installation_is_the_quick_one_and_answers_cold_and_warm(
    home: Home, installer: Installer, way: Callable[[Ways], Path], isolation: list[str]
) -> None:
    try:
        programs = way(Ways(installer, home.path))
    except Unavailable as reason:
        missing(reason)
    program = str(programs / "cognito-federation")
    configured = finished(
        home.spawn(
            [
                *(program, "configure", "mine", "--offline", "--identity-pool-id", home.world.pool_id),
                *("--provider", home.world.provider.login_key, "--endpoint-url", home.world.facts.endpoint_url),
                *("--set", f"cognito_token_file={home.token}"),
            ],
            {"PATH": f"{programs}{os.pathsep}/usr/bin:/bin"},
        )
    )
    assert configured.code == 0, configured.err
    section = home.config.read_text().partition("[profile mine]")[2]
    (line,) = re.findall(r"^credential_process = (.*)$", section, re.MULTILINE)
    words = line.split()
    assert words[1:3] == isolation
    assert words == _windows_shell_split(line)
    bare = dict.fromkeys(home.environment()) | {
        "HOME": str(home.path),
        "AWS_CONFIG_FILE": str(home.config),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    answers = [finished(home.spawn(words, bare, cwd="/")).key for _ in range(2)]
    assert answers[0] == answers[1]
    assert home.count("GetCredentialsForIdentity") == 1
    try:
        aws = installer.debian("aws", "awscli", accept=lambda text: text.startswith("aws-cli/2."))
    except Unavailable as reason:
        missing(reason)
    arguments = ["s3", "ls", "--profile", "mine", "--endpoint-url", home.world.facts.endpoint_url]
    # Debian's runs by the system's Python, which would take the packages of this user for its own.
    listed = finished(home.spawn([aws, *arguments], {"PYTHONNOUSERSITE": "1"}))
    assert home.world.bucket.encode() in listed.out, listed.err
    shutil.rmtree(home.path / ".local", ignore_errors=True)
