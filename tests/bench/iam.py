"""Who vouches for the callers: an issuer that is two files, and as many tokens as are wanted.

The keys are served by the stub upstream, to kube-rbac-proxy and to this proxy alike.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from proxy.demo.issuer.accounts import Algorithm
from proxy.demo.issuer.keys import SigningKey, sign

AUDIENCE: Final = "hostclaim-proxy"
USER: Final = "bench"
LIFETIME: Final = 12 * 3600
FEW: Final = 10
MANY_GROUPS: Final = 300


def groups(kind: str, count: int) -> tuple[str, ...]:
    """The groups of a caller, with full paths as Keycloak writes them."""
    return tuple(f"/tenants/{kind}/{number}" for number in range(count))


FEW_GROUPS: Final = groups("few", FEW)
GROUPS_OF_MANY: Final = groups("many", MANY_GROUPS)


class Iam:
    """An issuer with a key for each algorithm."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._keys = {name: SigningKey.generate(name) for name in ("RS256", "ES256")}
        self._made = 0

    def write(self, folder: Path) -> None:
        """Write what OIDC discovery finds, for somebody to serve below `url`."""
        folder.mkdir(exist_ok=True)
        metadata = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": list(self._keys),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
        }
        (folder / "metadata.json").write_text(json.dumps(metadata))
        jwks = {"keys": [key.jwk() for key in self._keys.values()]}
        (folder / "keys.json").write_text(json.dumps(jwks))

    def token(
        self,
        algorithm: Algorithm = "RS256",
        member_of: Sequence[str] = FEW_GROUPS,
        **overrides: Any,
    ) -> str:
        """An access token that nobody has seen, of the one caller that there is."""
        self._made += 1
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "9c5b94b1-35ad-49bb-b118-8e8fc24abf80",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": f"bench-{self._made}",
            "typ": "Bearer",
            "azp": "bench-capm3",
            "sid": "0d4c1d8a-6ef5-4d6c-9a65-3f1e0d7a3c11",
            "scope": "profile email",
            "preferred_username": USER,
            "groups": list(member_of),
        }
        key = self._keys[algorithm]
        header = {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
        return sign(claims | overrides, header, key)
