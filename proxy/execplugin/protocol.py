"""What client-go says and hears: `ExecCredential` of `client.authentication.k8s.io`.

KEP-541; the shapes are those of client-go's `pkg/apis/clientauthentication/v1` and
`v1beta1`, which are the same for what is used here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from proxy.execplugin.faults import WrongUseError

VARIABLE = "KUBERNETES_EXEC_INFO"
"""The environment variable in which client-go says what it wants."""

_KIND = "ExecCredential"
_GROUP = "client.authentication.k8s.io"
_VERSIONS = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")


@dataclass(frozen=True, slots=True)
class ExecInfo:
    """What the caller wants: an answer in this version, and whether it lets a person be asked.

    `by_client` is false where no Kubernetes client calls, but somebody at a terminal.
    """

    api_version: str
    interactive: bool
    by_client: bool


def read(environ: Mapping[str, str]) -> ExecInfo:
    """Read what the caller wants.

    Raises:
        WrongUseError: it is something that we cannot answer.
    """
    text = environ.get(VARIABLE)
    if text is None:
        return ExecInfo(_VERSIONS[0], interactive=True, by_client=False)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise WrongUseError(f"{VARIABLE} is not JSON") from exc
    if not isinstance(document, Mapping) or document.get("kind") != _KIND:
        raise WrongUseError(f"{VARIABLE} must hold an object of kind `{_KIND}`")
    version = document.get("apiVersion")
    if version not in _VERSIONS:
        raise WrongUseError(
            f"{VARIABLE}: apiVersion must be {' or '.join(f'`{known}`' for known in _VERSIONS)}: "
            "write the first in the kubeconfig, under `users[].user.exec.apiVersion`"
        )
    return ExecInfo(version, interactive=_is_interactive(document.get("spec")), by_client=True)


def render(info: ExecInfo, token: str, expires_at: float) -> str:
    """The answer, in which client-go finds the token and when to call again.

    It calls again after `expires_at`, in seconds since the epoch, or after a 401.
    """
    status = {
        "token": token,
        "expirationTimestamp": datetime.fromtimestamp(int(expires_at), UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ),
    }
    return json.dumps({"apiVersion": info.api_version, "kind": _KIND, "status": status})


def _is_interactive(spec: Any) -> bool:
    """Whether there is somebody to ask; where nothing is said of it, there is nobody."""
    return isinstance(spec, Mapping) and spec.get("interactive") is True
