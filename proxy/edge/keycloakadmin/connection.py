"""The admin API of one realm: who logs in there, and what its refusals mean."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import requests
from keycloak import KeycloakAdmin, KeycloakOpenIDConnection
from keycloak.exceptions import KeycloakConnectionError, KeycloakError

from proxy.https import is_https

TIMEOUT: Final = 30
"""Seconds for one request."""

WRITES: Final = "`manage-clients`, for groups also `manage-users`"
"""The roles of `realm-management` with which tenants are made."""

_REALM: Final = re.compile(r"[^/?#]+")

_T = TypeVar("_T")


class AdminError(Exception):
    """Keycloak did not do what was asked. The message says what, and what to mend."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the realm is, and the confidential client whose service account administers it.

    `issuer_url` is the realm's, `https://HOST/realms/REALM`; `ca_file` has the PEM
    certificates that it is trusted by, instead of the system's.

    Raises:
        ValueError: the URL is not that of a realm.
    """

    issuer_url: str
    client_id: str
    client_secret: str = field(repr=False)
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        # It goes into the tenant's kubeconfig, and a password in it would, too.
        if not is_https(self.issuer_url) or not _REALM.fullmatch(self.realm):
            raise ValueError("the issuer's URL must be `https://HOST/realms/REALM`")

    @property
    def server_url(self) -> str:
        """What the paths of Keycloak's APIs begin with."""
        return self.issuer_url.partition("/realms/")[0] + "/"

    @property
    def realm(self) -> str:
        """The name of the realm."""
        return self.issuer_url.partition("/realms/")[2].strip("/")


class Hand:
    """Changes things, or only says what it would change."""

    def __init__(self, say: Callable[[str], None], *, dry_run: bool) -> None:
        self.changes = 0
        self._say = say
        self._dry_run = dry_run

    def change(self, what: str, do: Callable[[], _T]) -> _T | None:
        """Do it and return what came of it; None where nothing is to be done yet.

        Raises:
            AdminError: Keycloak refused.
        """
        self.changes += 1
        self._say(what)
        if self._dry_run:
            return None
        with doing(what):
            return do()


def connect(access: Access) -> KeycloakAdmin:
    """Log in.

    Raises:
        AdminError: nobody answers there, or not to these credentials.
    """
    what = f"log in as client `{access.client_id}` of realm `{access.realm}`"
    with doing(what), warnings.catch_warnings():
        # The library makes asynchronous clients as well, in a way that their maker no longer
        # likes. Nobody uses them here.
        warnings.simplefilter("ignore", DeprecationWarning)
        connection = KeycloakOpenIDConnection(
            server_url=access.server_url,
            realm_name=access.realm,
            client_id=access.client_id,
            client_secret_key=access.client_secret,
            verify=True if access.ca_file is None else str(access.ca_file),
            timeout=TIMEOUT,
        )
        connection.get_token()
        return KeycloakAdmin(connection=connection)


@contextmanager
def doing(what: str, roles: str = WRITES) -> Iterator[None]:
    """Say what could not be done, and why. What Keycloak answered in full may hold secrets.

    `roles` are those of `realm-management` that it takes.
    """
    try:
        yield
    except KeycloakConnectionError as exc:
        raise AdminError(f"cannot {what}: {_why_unreachable(exc)}") from exc
    except KeycloakError as exc:
        raise AdminError(f"cannot {what}: {_why_refused(exc.response_code, roles)}") from exc
    except OSError as exc:
        # The file of CA certificates is read by the library, when it first connects.
        raise AdminError(f"cannot {what}: the CA file cannot be used") from exc
    except (TypeError, ValueError, KeyError):
        # The library quotes an answer that it does not expect, and secrets are in some.
        raise AdminError(f"cannot {what}: its answer is not one of Keycloak's") from None


def lacking(what: str, roles: str) -> AdminError:
    """What there is to say where Keycloak only kept something back, for want of a role."""
    return AdminError(f"cannot {what}: {_why_refused(403, roles)}")


def _why_unreachable(exc: KeycloakConnectionError) -> str:
    match exc.__cause__:
        case requests.exceptions.SSLError():
            return "its certificate is not trusted, give the right one with --ca-file"
        case requests.exceptions.Timeout():
            return f"Keycloak did not answer within {TIMEOUT} s"
        case OSError() as cause if not isinstance(cause, requests.exceptions.RequestException):
            return "the CA file cannot be used"
        case _:
            return "Keycloak cannot be reached"


def _why_refused(code: int | None, roles: str) -> str:
    match code:
        case 400 | 401:
            return "its client id or secret is not the right one"
        case 403:
            return f"the admin client lacks a role of `realm-management`: {roles}"
        case 404:
            return "there is no such thing, or it was deleted meanwhile"
        case 409:
            return "something else of that name was made meanwhile"
        case _:
            return f"Keycloak answered with HTTP status {code}"
