"""What a tenant is at Keycloak, made and unmade by its admin API through python-keycloak.

For the command that an administrator types, never for the proxy while it
serves. `connection` logs in and says what went wrong; `clients`, `groups` and
`permissions` each know one kind of thing there; `tenants` puts them together.
`presence` only looks who is there, and `examples` asks what a token of somebody would say.
Everything is looked at before it is changed, so that doing it twice is doing
it once.
"""

from proxy.edge.keycloakadmin.connection import Access, AdminError, Hand, connect
from proxy.edge.keycloakadmin.examples import example
from proxy.edge.keycloakadmin.presence import Sought, look
from proxy.edge.keycloakadmin.tenants import Found, Options, Staying, Tenants

__all__ = [
    "Access",
    "AdminError",
    "Found",
    "Hand",
    "Options",
    "Sought",
    "Staying",
    "Tenants",
    "connect",
    "example",
    "look",
]
