"""A machine on which AWS's host names are the demo world: own network, own ``/etc/hosts``, own certificates.

The lines of the page name no endpoint, so their programs ask AWS's own hosts, by https. Only root can have such a
machine, on Linux.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from botocore_cognito_federation.demo.gateway import Gateway
from botocore_cognito_federation.demo.world import World
from tests.clients.stand_ins import StandIns
from tests.servers.aws_hosts import HttpsFront

_FILES = Path(__file__).parent / "files"
_BUCKET = "my-bucket"
_SERVICES = ("cognito-identity", "glue", "sts")
_DATA = ("glue:*", "s3:*")
_LONGEST_WAIT = 120.0


def hosts(region: str) -> str:
    """Return the content of ``/etc/hosts``."""
    names = [f"{service}.{region}.amazonaws.com" for service in _SERVICES]
    for place in ("", f"{region}.", "dualstack.", f"dualstack.{region}."):
        names += [f"s3.{place}amazonaws.com", f"{_BUCKET}.s3.{place}amazonaws.com"]
    return f"127.0.0.1 localhost {' '.join(names)}\n"


@dataclass
class Gates:
    """Holds the answers of S3 to some users back, each until its gate is opened."""

    _gates: dict[str, threading.Event] = field(default_factory=dict)

    @contextmanager
    def held(self, identity: str) -> Iterator[Callable[[], None]]:
        """Hold the answers to an identity inside ``with``, or until the result is called."""
        gate = self._gates[identity] = threading.Event()
        try:
            yield gate.set
        finally:
            gate.set()

    def wait(self, identity: str) -> None:
        gate = self._gates.get(identity)
        if gate is not None:
            gate.wait(_LONGEST_WAIT)


class HoldingWorld(World):
    """A world whose S3 answers wait at `gates`, when the requests have already been carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = Gates()

    def _gateway(self) -> Gateway:
        gateway = super()._gateway()

        def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            answer = gateway(environ, start_response)
            signer = environ.get("HTTP_AUTHORIZATION", "")
            if "/s3/" in signer:
                self.gates.wait(self._signer(signer.partition("Credential=")[2].partition("/")[0]))
            return answer

        return application  # type: ignore[return-value]

    def _signer(self, access_key: str) -> str:
        issued = self.calls("GetCredentialsForIdentity")
        return next((call.identity_id for call in issued if call.access_key == access_key), "")


@dataclass(frozen=True)
class Machine:
    """The machine while it runs.

    Attributes:
        others: the role of the machine itself, which may read the bucket too.
    """

    world: HoldingWorld
    others: StandIns

    def config(self, token: Path, executable: Path) -> str:
        """Return the text of ``~/.aws/config``, as ``configure`` writes it."""
        facts = self.world.facts
        keys = {
            "region": facts.region,
            "cognito_identity_pool_id": facts.pool_id,
            "cognito_provider": facts.login_key,
            "cognito_issuer": facts.issuer,
            "cognito_client_id": facts.client_id,
            "cognito_token_file": str(token),
            "credential_process": f"{executable} credential-process --profile dev",
        }
        return "\n".join(["[profile dev]", *(f"{key} = {value}" for key, value in keys.items()), ""])


@contextmanager
def running(folder: Path) -> Iterator[Machine]:
    """Run it; the caller is in its own network, whose files are those of `files`."""
    world = HoldingWorld()
    with world:
        port = urlsplit(world.endpoint_url).port
        assert port is not None
        _fill(world)
        with HttpsFront(folder, port, 443), StandIns(world, own_network=True) as others:
            yield Machine(world, others)


def files(folder: Path, region: str, trusted: Iterable[Path]) -> Mapping[str, Path]:
    """Return the machine's own content of system files.

    Args:
        folder: that of `running`, which puts its authority there.
        trusted: files of trusted authorities that programs carry.
    """
    authority, names = folder / "authority.pem", folder / "hosts"
    authority.touch()
    names.write_text(hosts(region))
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    return {"/etc/hosts": names, **{str(path): authority for path in (system, *trusted)}}


def _fill(world: World) -> None:
    """Make the bucket, and let those who are signed in use it."""
    facts = world.facts
    session = boto3.Session(facts.admin_access_key_id, facts.admin_secret_access_key, region_name=facts.region)
    statement = {"Effect": "Allow", "Action": list(_DATA), "Resource": "*"}
    session.client("iam", endpoint_url=facts.endpoint_url).put_role_policy(
        RoleName=facts.authenticated_role_arn.rpartition("/")[2],
        PolicyName="data",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    s3 = session.client("s3", endpoint_url=facts.endpoint_url)
    s3.create_bucket(Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": facts.region})
    for path in _FILES.iterdir():
        s3.upload_file(str(path), _BUCKET, path.name)
