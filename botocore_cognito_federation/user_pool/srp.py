"""The arithmetic of Cognito's USER_SRP_AUTH: SRP-6a (RFC 5054) with AWS's key derivation.

The modulus is the 3072-bit one of RFC 5054 appendix A (first in RFC 3526), with g = 2 and SHA-256. AWS's own JavaScript
and Kotlin clients differ from the RFC in three things: numbers are hashed as signed big-endian integers (a zero byte in
front where the top bit is set) and not padded to the length of N; the session key is 16 bytes of HKDF (RFC 5869) with
the info "Caldera Derived Key"; and the proof is one HMAC over pool, user, secret block and timestamp.

The salt comes as hexadecimal text and is hashed as the integer that it represents, so leading zeros do not matter.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ..errors import SignInFailedError

N = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"
    "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"
    "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
    "3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33"
    "A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
    "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864"
    "D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2"
    "08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
    16,
)
G = 2
_INFO = b"Caldera Derived Key"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class SrpKey:
    """The client's ephemeral key pair of one sign-in: `secret` is a, `public` is A = g^a."""

    secret: int = field(repr=False)
    public: int

    @property
    def public_hex(self) -> str:
        """SRP_A in the API's format."""
        return f"{self.public:x}"


@dataclass(frozen=True)
class Identity:
    """The user or device that proves its password, and the group that it proves it to.

    Attributes:
        group: the user pool's id after the underscore, or a device group key.
        user: USER_ID_FOR_SRP, or a device key.
    """

    group: str
    user: str

    def digest(self, password: str) -> bytes:
        """H(group | user | ":" | password)."""
        return hashlib.sha256(f"{self.group}{self.user}:{password}".encode()).digest()


def padded(number: int) -> bytes:
    """Return a number as its shortest signed big-endian bytes, at least one (a zero goes before a set top bit)."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _hashed(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha256(b"".join(parts)).digest(), "big")


_K = _hashed(padded(N), padded(G))


def key_pair(random_bytes: bytes) -> SrpKey:
    """Make the ephemeral key from random bytes (128 of them in practice)."""
    secret = int.from_bytes(random_bytes, "big") % N
    public = pow(G, secret, N)
    if secret == 0:
        raise ValueError("an ephemeral key of zero proves nothing")
    return SrpKey(secret, public)


def verifier(identity: Identity, password: str, salt: int) -> int:
    """Return g^x, which a server stores instead of the password (ConfirmDevice sends it)."""
    return pow(G, _private_key(identity, password, salt), N)


def _private_key(identity: Identity, password: str, salt: int) -> int:
    return _hashed(padded(salt), identity.digest(password))


def session_key(identity: Identity, password: str, key: SrpKey, server_public: int, salt: int) -> bytes:
    """Return the 16 bytes that both sides derive; this side derives them from the password.

    Raises:
        SignInFailedError: B is zero modulo N, or u is zero (RFC 5054 section 2.5.3; SRP-6a): such a server could be an
            impostor that does not know the password.
    """
    scramble = _hashed(padded(key.public), padded(server_public))
    if server_public % N == 0 or scramble == 0:
        raise SignInFailedError(
            "The user pool's SRP answer is not a valid key; it may not be the server it claims to be"
        )
    private = _private_key(identity, password, salt)
    base = (server_public - _K * pow(G, private, N)) % N
    shared = pow(base, key.secret + scramble * private, N)
    extracted = hmac.digest(padded(scramble), padded(shared), "sha256")
    return hmac.digest(extracted, _INFO + b"\x01", "sha256")[:16]


def timestamp(now: float) -> str:
    """Return TIMESTAMP as Cognito parses it: English names, UTC, the day without a leading zero, in every locale.

    Args:
        now: seconds since the epoch.
    """
    at = datetime.fromtimestamp(now, timezone.utc)
    clock = f"{at.hour:02d}:{at.minute:02d}:{at.second:02d}"
    return f"{_DAYS[at.weekday()]} {_MONTHS[at.month - 1]} {at.day} {clock} UTC {at.year:04d}"


def claim(identity: Identity, password: str, key: SrpKey, challenge: dict[str, str], at: str) -> str:
    """Return PASSWORD_CLAIM_SIGNATURE for the parameters of a PASSWORD_VERIFIER or DEVICE_PASSWORD_VERIFIER challenge.

    Args:
        identity: the user or device.
        password: its password.
        key: the ephemeral key pair of the sign-in.
        challenge: the challenge's parameters: SRP_B and SALT in hexadecimal, SECRET_BLOCK in base64.
        at: the `timestamp` that is sent with the signature.

    Raises:
        SignInFailedError: a parameter is missing or malformed.
    """
    numbers = _server_values(challenge)
    if numbers is None:
        raise SignInFailedError("The user pool's SRP challenge has no readable SRP_B, SALT and SECRET_BLOCK")
    server_public, salt, block = numbers
    secret = session_key(identity, password, key, server_public, salt)
    message = identity.group.encode() + identity.user.encode() + block + at.encode()
    return base64.b64encode(hmac.digest(secret, message, "sha256")).decode()


def _server_values(challenge: dict[str, str]) -> tuple[int, int, bytes] | None:
    try:
        block = base64.b64decode(challenge["SECRET_BLOCK"], validate=True)
        server_public, salt = int(challenge["SRP_B"], 16), int(challenge["SALT"], 16)
    except (KeyError, ValueError, TypeError, binascii.Error):
        return None
    return (server_public, salt, block) if server_public >= 0 and salt >= 0 else None
