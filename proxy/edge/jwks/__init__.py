"""Who asks, told by signed tokens: the OIDC issuers, their keys, and what they signed.

`jws` reads and checks one token, `keys` one key set; `discovery` fetches key
sets and `keyfile` reads them, `freshness` decides when; `issuers` are all that
are trusted, and `verifier` is the port that puts them together; `notices` reads
what issuers say they have ended.
Nothing a token says is believed before its signature holds, and no token is
kept longer than its request.
"""

from proxy.edge.jwks.config import COOLDOWN, IssuerConfig
from proxy.edge.jwks.issuers import Issuers
from proxy.edge.jwks.keys import ALGORITHMS
from proxy.edge.jwks.notices import SignedNotices
from proxy.edge.jwks.verifier import TokenVerifier

__all__ = [
    "ALGORITHMS",
    "COOLDOWN",
    "IssuerConfig",
    "Issuers",
    "SignedNotices",
    "TokenVerifier",
]
