"""What an administrator says of an issuer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from proxy.core.identity import IssuerRules
from proxy.edge.jwks.keys import ALGORITHMS
from proxy.https import is_https

Verify: TypeAlias = Literal["jwt", "introspection", "both"]

_WELL_KNOWN = "/.well-known/openid-configuration"

COOLDOWN = 10.0
"""Seconds for which an issuer is left alone after it failed, or an unknown key had it asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerConfig:
    """One issuer: what its tokens must say, and how its keys are had.

    `discovery_url` is where its metadata lies, if not below its own url, and
    `jwks_url` is where its keys lie, if not where its metadata says. With
    `jwks_file` it is never asked: its keys are those in that file, and its url
    is no more than a name.
    `ca_file` holds the PEM certificates that its servers are trusted by, instead
    of the system's. Times are in seconds: keys are fetched every
    `refresh_interval`, and no sooner than `cooldown` after a fetch that failed
    or that an unknown key asked for; a file is also read when it changes. While
    they cannot be had, those at hand are used until they are `max_stale` old. A
    fetch, metadata and keys together, is given up after `fetch_timeout`. `verify`
    says what makes a token count: a signature, the issuer's word when it is
    asked, or both.

    Raises:
        ValueError: the configuration could not work, or would not be safe.
    """

    rules: IssuerRules
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    discovery_url: str = ""
    jwks_url: str = ""
    jwks_file: Path | None = None
    ca_file: Path | None = None
    refresh_interval: float = 300
    max_stale: float = 3600
    cooldown: float = COOLDOWN
    fetch_timeout: float = 10
    verify: Verify = "jwt"
    client_id: str = ""

    def __post_init__(self) -> None:
        issuer = f"issuer `{self.rules.name}`"
        # With a symmetric algorithm, whoever can verify can also sign; `none` is no signature.
        if not self.algorithms or not ALGORITHMS.issuperset(self.algorithms):
            raise ValueError(f"{issuer}: algorithms must be of {', '.join(sorted(ALGORITHMS))}")
        if self.jwks_file is not None and (self.discovery_url or self.jwks_url):
            raise ValueError(f"{issuer}: keys are had by jwks_file or by a url, not by both")
        if self.jwks_file is None and not is_https(self.metadata_url):
            raise ValueError(f"{issuer}: the url of its metadata must begin with `https://`")
        if self.jwks_url and not is_https(self.jwks_url):
            raise ValueError(f"{issuer}: the url of its keys must begin with `https://`")
        if not 0 < self.cooldown <= self.refresh_interval <= self.max_stale < float("inf"):
            raise ValueError(
                f"{issuer}: must hold: 0 < cooldown <= refresh_interval <= max_stale < infinity"
            )
        if not 0 < self.fetch_timeout < float("inf"):
            raise ValueError(f"{issuer}: fetch_timeout must be above 0 seconds")

    @property
    def name(self) -> str:
        """What the issuer is called, in policies and in answers."""
        return self.rules.name

    @property
    def ours(self) -> frozenset[str]:
        """The names that the proxy has at the issuer."""
        return frozenset({*self.rules.audiences, self.client_id} - {""})

    @property
    def metadata_url(self) -> str:
        """Where the issuer's metadata lies (OIDC Discovery 1.0, 4)."""
        return self.discovery_url or self.rules.url.removesuffix("/") + _WELL_KNOWN
