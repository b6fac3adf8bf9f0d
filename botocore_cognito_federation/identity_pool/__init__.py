"""From a login token to AWS credentials: the operations of Cognito and STS, and what their refusals mean."""

from __future__ import annotations
