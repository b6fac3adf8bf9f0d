"""The server's half of Cognito's SRP, from the protocol's description and not from the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

# RFC 3526 section 3: 2^3072 - 2^3008 - 1 + 2^64 * (floor(2^2942 * pi) + 1690314), its digits from the RFC.
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


def signed(number: int) -> bytes:
    """Return Java's BigInteger.toByteArray of a number that is not negative."""
    text = f"{number:x}"
    text = text if len(text) % 2 == 0 else "0" + text
    return bytes.fromhex(text if text[0] in "01234567" else "00" + text)


def digest(*parts: bytes) -> int:
    return int(hashlib.sha256(b"".join(parts)).hexdigest(), 16)


K = digest(signed(N), signed(2))


@dataclass(frozen=True)
class Server:
    """Stores a verifier, never the password."""

    group: str
    user: str
    salt: int
    verifier: int
    b: int = 0xB0B

    @classmethod
    def knowing(cls, group: str, user: str, password: str, salt: int = 0x1234) -> Server:
        inner = hashlib.sha256(f"{group}{user}:{password}".encode()).digest()
        return cls(group, user, salt, pow(2, digest(signed(salt), inner), N))

    @property
    def public(self) -> int:
        return (K * self.verifier + pow(2, self.b, N)) % N

    def key(self, client_public: int) -> bytes:
        """Return the 16 bytes that the client must have derived too."""
        u = digest(signed(client_public), signed(self.public))
        s = pow(client_public * pow(self.verifier, u, N), self.b, N)
        prk = hmac.new(signed(u), signed(s), "sha256").digest()
        return hmac.new(prk, b"Caldera Derived Key\x01", "sha256").digest()[:16]

    def parameters(self, block: str = "c2VjcmV0IGJsb2Nr") -> dict[str, str]:
        return {"SRP_B": f"{self.public:x}", "SALT": f"{self.salt:x}", "SECRET_BLOCK": block}

    def accepts(self, client_public: str, responses: dict[str, str]) -> bool:
        """Return whether the responses prove the password for the SRP_A sent before."""
        block = base64.b64decode(responses["PASSWORD_CLAIM_SECRET_BLOCK"])
        message = self.group.encode() + self.user.encode() + block + responses["TIMESTAMP"].encode()
        proof = hmac.new(self.key(int(client_public, 16)), message, "sha256").digest()
        return base64.b64encode(proof).decode() == responses["PASSWORD_CLAIM_SIGNATURE"]
