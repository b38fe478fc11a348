"""Who vouches for the demo's people: an OIDC issuer that looks like Keycloak.

`accounts` says who exists, `keys` signs, `tokens` says what a token claims, `grants` decides
who gets one, `permissions` says what its holder may; `device` is for people who log in
elsewhere, `assertions` for clients that sign, `logout` tells clients what has ended; `admin`
is for who makes clients and groups; `server` puts it all behind TLS. Nothing here is fit for
anything but a demo and tests: it will sign whatever a test asks it to.
"""

from proxy.demo.issuer.accounts import DEMO_REALM, Client, Person, Realm
from proxy.demo.issuer.endpoints import Endpoint
from proxy.demo.issuer.keys import SigningKey
from proxy.demo.issuer.logout import Receiver
from proxy.demo.issuer.server import EmbeddedIssuer, Outage

__all__ = [
    "DEMO_REALM",
    "Client",
    "EmbeddedIssuer",
    "Endpoint",
    "Outage",
    "Person",
    "Realm",
    "Receiver",
    "SigningKey",
]
