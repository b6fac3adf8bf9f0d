"""The server's half of Cognito's SRP (SRP-6a, RFC 5054), from the description of the protocol.

Numbers are hashed as Java's ``BigInteger.toByteArray``; the session key is 16 bytes of HKDF with the info "Caldera
Derived Key". A pool stores the verifier of a password, never the password.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from . import refusals

# RFC 3526 section 3: the 3072-bit group of RFC 5054 appendix A, with the generator 2 that Cognito uses.
N = int(
    """
    FFFFFFFF FFFFFFFF C90FDAA2 2168C234 C4C6628B 80DC1CD1 29024E08 8A67CC74 020BBEA6 3B139B22 514A0879 8E3404DD
    EF9519B3 CD3A431B 302B0A6D F25F1437 4FE1356D 6D51C245 E485B576 625E7EC6 F44C42E9 A637ED6B 0BFF5CB6 F406B7ED
    EE386BFB 5A899FA5 AE9F2411 7C4B1FE6 49286651 ECE45B3D C2007CB8 A163BF05 98DA4836 1C55D39A 69163FA8 FD24CF5F
    83655D23 DCA3AD96 1C62F356 208552BB 9ED52907 7096966D 670C354E 4ABC9804 F1746C08 CA18217C 32905E46 2E36CE3B
    E39E772C 180E8603 9B2783A2 EC07A28F B5C55DF0 6F4C52C9 DE2BCBF6 95581718 3995497C EA956AE5 15D22618 98FA0510
    15728E5A 8AAAC42D AD33170D 04507A33 A85521AB DF1CBA64 ECFB8504 58DBEF0A 8AEA7157 5D060C7D B3970F85 A6E1E4C7
    ABF5AE8C DB0933D7 1E8C94E0 4A25619D CEE3D226 1AD2EE6B F12FFA06 D98A0864 D8760273 3EC86A64 521F2B18 177B200C
    BBE11757 7A615D6C 770988C0 BAD946E2 08E24FA0 74E5AB31 43DB5BFC E0FD108E 4B82D120 A93AD2CA FFFFFFFF FFFFFFFF
    """.replace(" ", "").replace("\n", ""),
    16,
)
_G = 2
_DAYS, _MONTHS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun", "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_TIMESTAMP = re.compile(rf"({_DAYS}) ({_MONTHS}) [1-9][0-9]? [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}} UTC [0-9]{{4}}")


def _signed(number: int) -> bytes:
    """Return Java's BigInteger.toByteArray of a number that is not negative."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _digest(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha256(b"".join(parts)).digest(), "big")


_K = _digest(_signed(N), _signed(_G))


@dataclass(frozen=True)
class Verifier:
    """The stored half of a password, of a user in a pool (`group`) or of a device in its device group."""

    group: str
    user: str
    salt: int = field(repr=False)
    value: int = field(repr=False)

    @classmethod
    def of_password(cls, group: str, user: str, password: str, salt: int | None = None) -> Verifier:
        chosen = int.from_bytes(secrets.token_bytes(16), "big") if salt is None else salt
        inner = hashlib.sha256(f"{group}{user}:{password}".encode()).digest()
        return cls(group, user, chosen, pow(_G, _digest(_signed(chosen), inner), N))

    def accepts(self, password: str) -> bool:
        """Return whether this is the password."""
        return self.of_password(self.group, self.user, password, self.salt).value == self.value


@dataclass(frozen=True)
class Handshake:
    """One SRP exchange: made from the client's SRP_A, it checks the claim that follows.

    Args:
        verifier: of the user or device.
        client_public: SRP_A as a number.
    """

    verifier: Verifier
    client_public: int = field(repr=False)
    private: int = field(repr=False)
    block: str = field(repr=False)

    @classmethod
    def begin(cls, verifier: Verifier, srp_a: str) -> Handshake:
        """Start an exchange.

        Raises:
            Refusal: SRP_A is not a number in hexadecimal, or it is zero modulo N.
        """
        if not re.fullmatch(r"[0-9a-fA-F]{1,1024}", srp_a) or int(srp_a, 16) % N == 0:
            raise refusals.srp_a_invalid()
        private = int.from_bytes(secrets.token_bytes(32), "big")
        return cls(verifier, int(srp_a, 16), private, base64.b64encode(secrets.token_bytes(384)).decode())

    @property
    def _public(self) -> int:
        return (_K * self.verifier.value + pow(_G, self.private, N)) % N

    def parameters(self) -> dict[str, str]:
        """Return SRP_B, SALT and SECRET_BLOCK."""
        return {"SRP_B": f"{self._public:x}", "SALT": f"{self.verifier.salt:x}", "SECRET_BLOCK": self.block}

    def accepts(self, responses: dict[str, str]) -> bool:
        """Return whether the claim proves the password.

        Raises:
            Refusal: a member of the claim is missing, or its TIMESTAMP has the wrong form.
        """
        for name in ("PASSWORD_CLAIM_SIGNATURE", "PASSWORD_CLAIM_SECRET_BLOCK", "TIMESTAMP"):
            if not responses.get(name):
                raise refusals.missing_parameter(name)
        if not _TIMESTAMP.fullmatch(responses["TIMESTAMP"]):
            raise refusals.timestamp_invalid()
        if responses["PASSWORD_CLAIM_SECRET_BLOCK"] != self.block:
            return False
        who = (self.verifier.group + self.verifier.user).encode()
        message = who + base64.b64decode(self.block) + responses["TIMESTAMP"].encode()
        proof = hmac.digest(self._key(), message, "sha256")
        try:
            claimed = base64.b64decode(responses["PASSWORD_CLAIM_SIGNATURE"], validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(proof, claimed)

    def _key(self) -> bytes:
        u = _digest(_signed(self.client_public), _signed(self._public))
        s = pow(self.client_public * pow(self.verifier.value, u, N), self.private, N)
        inner = hmac.digest(_signed(u), _signed(s), "sha256")
        return hmac.digest(inner, b"Caldera Derived Key\x01", "sha256")[:16]
