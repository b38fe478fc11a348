"""Where an issuer's keys are: OIDC Discovery 1.0, then its JWK Set, over HTTPS.

Nothing in an answer may send us elsewhere but `jwks_uri`, where no place is configured.
"""

from collections.abc import Mapping
from typing import Any

from proxy.edge.jwks.config import IssuerConfig
from proxy.edge.jwks.keys import KeySet, KeySetError, read_keys
from proxy.https import HttpsError, conversation, is_https


class FetchError(Exception):
    """No keys were had. The message completes `issuer X: ...` and names no address."""


async def fetch_keys(config: IssuerConfig) -> KeySet:
    """Fetch the keys that an issuer signs with now.

    Raises:
        FetchError: it did not answer, or not as an issuer would.
    """
    try:
        async with conversation(config.ca_file, config.fetch_timeout) as issuer:
            metadata = await issuer.fetch(config.metadata_url)
            jwks = await issuer.fetch(_jwks_url(metadata, config))
        return read_keys(jwks, config.algorithms)
    except (HttpsError, KeySetError) as exc:
        raise FetchError(str(exc)) from exc


def _jwks_url(metadata: Any, config: IssuerConfig) -> str:
    """Where the keys lie, by metadata that is the issuer's own (OIDC Discovery 1.0, 4.3).

    It has to be, also where an administrator knows better where the keys lie:
    who answers there may be another cluster by now.
    """
    if not isinstance(metadata, Mapping) or metadata.get("issuer") != config.rules.url:
        raise FetchError("its metadata is that of another issuer")
    if config.jwks_url:
        return config.jwks_url
    uri = metadata.get("jwks_uri")
    if not isinstance(uri, str) or not is_https(uri):
        raise FetchError("its metadata names no `jwks_uri` that begins with `https://`")
    return uri
