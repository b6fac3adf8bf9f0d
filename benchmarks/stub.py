"""Servers of AWS that cost next to nothing, for measuring clients: an identity pool, and S3 that says who has asked.

As a program it prints its address and serves until its stdin ends. `DELAY` has the seconds before each answer of the
identity pool. The access key of a user has the user's subject in it, so S3's answer shows for whom a request was
signed. No signature is verified.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys
import time

DELAY = "BENCHMARK_STUB_DELAY"
_KEY = re.compile(rb"Credential=([A-Z0-9]+)/")
_BUCKETS = '<?xml version="1.0"?><ListAllMyBucketsResult><Owner><ID>{}</ID></Owner><Buckets/></ListAllMyBucketsResult>'
#: As long as one of Cognito's.
_SESSION_TOKEN = "x" * 1100


def access_key(subject: str) -> str:
    """Return the access key of a user, by the user's subject."""
    return f"ASIA{subject.upper():0>16}"


def token(subject: str) -> str:
    """Return a login token of a user; the stub verifies none."""
    now = int(time.time())
    claims = {"iss": "https://login.example.com", "aud": "app", "sub": subject, "iat": now, "exp": now + 7200}
    parts = ({"alg": "RS256", "kid": "1"}, claims)
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{head}.{body}.{base64.urlsafe_b64encode(subject.encode() * 40)[:342].decode()}"


def answer(head: bytes, body: bytes) -> tuple[bytes, str, bool]:
    """Return an answer, its type, and whether it is the identity pool's."""
    signed = _KEY.search(head)
    if signed is not None:
        return _BUCKETS.format(signed[1].decode()).encode(), "application/xml", False
    asked = json.loads(body)
    if "IdentityPoolId" in asked:
        ((_, login),) = asked["Logins"].items()
        claims = json.loads(base64.urlsafe_b64decode(login.split(".")[1] + "=="))
        number = int(claims["sub"])
        found: dict[str, object] = {"IdentityId": f"eu-west-1:00000000-0000-4000-8000-{number:012d}"}
    else:
        subject = str(int(asked["IdentityId"].rpartition("-")[2]))
        keys = {"AccessKeyId": access_key(subject), "SecretKey": "s" * 40, "SessionToken": _SESSION_TOKEN}
        found = {"IdentityId": asked["IdentityId"], "Credentials": {**keys, "Expiration": time.time() + 3600}}
    return json.dumps(found).encode(), "application/x-amz-json-1.1", True


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    delay = float(os.environ.get(DELAY, "0"))
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            content, kind, is_pool = answer(head, body)
            if is_pool and delay:
                await asyncio.sleep(delay)
            lines = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
            writer.write(lines.encode() + content)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
