"""Who logs in, and how: what the options of the command said."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class BySecret:
    """A client that shares a secret with the IAM."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ByKey:
    """A client whose public key the IAM has; `pem` is the private one."""

    pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ByDeviceCode:
    """A person, in a browser."""


Way: TypeAlias = BySecret | ByKey | ByDeviceCode


@dataclass(frozen=True, slots=True)
class Account:
    """A client of an IAM, and what it asks for."""

    issuer_url: str
    client_id: str
    way: Way
    scopes: tuple[str, ...] = ()
    ca_file: Path | None = None
    ca_pem: str | None = None

    @property
    def needs_person(self) -> bool:
        """Whether somebody has to be there to log in."""
        return isinstance(self.way, ByDeviceCode)

    @property
    def digest(self) -> str:
        """What its tokens are kept under: another one wherever they might differ.

        Of the secret or key only this shows, together with the rest.
        """
        told = [self.issuer_url, self.client_id, sorted(set(self.scopes)), *_proof(self.way)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _proof(way: Way) -> tuple[str, str]:
    match way:
        case BySecret():
            return "secret", hashlib.sha256(way.secret.encode()).hexdigest()
        case ByKey():
            return "key", hashlib.sha256(way.pem).hexdigest()
        case ByDeviceCode():
            return "device-code", ""
