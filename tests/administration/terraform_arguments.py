"""The arguments of Terraform's AWS provider, read from the bindings that its makers generate from its schema.

``python -m tests.administration.terraform_arguments FOLDER`` writes ``terraform_arguments.json`` anew, where FOLDER is
that of the npm package @cdktf/provider-aws.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

RECORD = Path(__file__).with_suffix(".json")
PACKAGE = "@cdktf/provider-aws@21.22.1"
RESOURCES = (
    "aws_cognito_identity_pool",
    "aws_cognito_identity_pool_provider_principal_tag",
    "aws_cognito_identity_pool_roles_attachment",
    "aws_iam_openid_connect_provider",
    "aws_iam_role",
    "aws_iam_role_policy",
    "aws_iam_role_policy_attachment",
)
#: A property with the comment in front, whose link ends in the argument's own name.
_PROPERTY = re.compile(r"#(\w+)\}\s*(?:\*[^/]*)*\*/\s*readonly (\w+)(\?)?: ([^;{]+|\{)")


def arguments_of(folder: Path) -> dict[str, Any]:
    """Return, for each resource and each of its blocks, argument -> whether it is required, or the block."""
    found = {}
    for resource in RESOURCES:
        name = resource.removeprefix("aws_").replace("_", "-")
        text = (folder / "lib" / name / "index.d.ts").read_text(encoding="utf-8")
        bodies = dict(re.findall(r"export interface (\w+)[^{]*\{\n(.*?)\n\}", text, re.DOTALL))
        found[resource] = _arguments(next(one for one in bodies if one.endswith("Config")), bodies)
    return found


def _arguments(interface: str, bodies: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, _, optional, kind in _PROPERTY.findall(bodies[interface]):
        block = next((one for one in bodies if re.match(rf"{one}\b", kind)), None)
        found[name] = _arguments(block, bodies) if block else not optional
    return found


if __name__ == "__main__":
    record = {"from": PACKAGE, "resources": arguments_of(Path(sys.argv[1]))}
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
