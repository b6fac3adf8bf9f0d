"""A user pool on the wire that answers SRP like the service, with the exact check of the password."""

from __future__ import annotations

from typing import Any

from botocore_cognito_federation.user_pool import Device

from . import wire as w
from .srp_server import Server

GROUP = w.POOL.split("_")[1]


class SrpPool:
    """Answers SRP like the service; `then` is the answer to a correct password."""

    def __init__(self, wire: w.Wire, then: w.Answer | None = None, password: str = "right password") -> None:
        self.server = Server.knowing(GROUP, "ada-real", password)
        self.then = then or w.tokens()
        self.srp_a = ""
        wire.answers["InitiateAuth"] = self.initiate
        wire.answers["RespondToAuthChallenge"] = self.respond

    def initiate(self, body: dict[str, Any]) -> w.Answer:
        self.srp_a = body["AuthParameters"]["SRP_A"]
        parameters = {**self.server.parameters(), "USERNAME": "ada-real", "USER_ID_FOR_SRP": "ada-real"}
        return {"ChallengeName": "PASSWORD_VERIFIER", "ChallengeParameters": parameters}

    def respond(self, body: dict[str, Any]) -> w.Answer:
        if self.server.accepts(self.srp_a, body["ChallengeResponses"]):
            return self.then
        return w.error("NotAuthorizedException", "Incorrect username or password.")


class DevicePool(SrpPool):
    """A pool that remembers devices: it checks the password's proof, then the device's."""

    device = Device("eu-west-1_0a1b-2c3d", "-GroupKey", "device password")

    def respond(self, body: dict[str, Any]) -> w.Answer:
        responses = body["ChallengeResponses"]
        device = Server.knowing(self.device.group_key, self.device.key, self.device.password, 0xABCD)
        if body["ChallengeName"] == "PASSWORD_VERIFIER":
            assert self.server.accepts(self.srp_a, responses)
            return w.challenge("DEVICE_SRP_AUTH", session="1" * 30)
        if body["ChallengeName"] == "DEVICE_SRP_AUTH":
            self.srp_a = responses["SRP_A"]
            return w.challenge("DEVICE_PASSWORD_VERIFIER", session="2" * 30, **device.parameters())
        assert body["Session"] == "2" * 30
        if device.accepts(self.srp_a, responses):
            return w.tokens()
        return w.error("NotAuthorizedException", "Incorrect username or password.")
