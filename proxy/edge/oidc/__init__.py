"""How a token is had: the client side of an IAM's token endpoint (RFC 6749, RFC 8628).

`provider` finds the endpoints, `clients` proves who asks, `tokens` reads what came,
`device` is how people log in; `login` puts them together. No token, secret or
address is in any message.
"""

from proxy.edge.oidc.clients import Client, KeyClient, PublicClient, SecretClient, SigningKey
from proxy.edge.oidc.device import DeviceCode, Prompt
from proxy.edge.oidc.faults import LoginError, RefusedError, UnreachableError
from proxy.edge.oidc.login import Login
from proxy.edge.oidc.provider import Provider
from proxy.edge.oidc.tokens import Tokens

__all__ = [
    "Client",
    "DeviceCode",
    "KeyClient",
    "Login",
    "LoginError",
    "Prompt",
    "Provider",
    "PublicClient",
    "RefusedError",
    "SecretClient",
    "SigningKey",
    "Tokens",
    "UnreachableError",
]
