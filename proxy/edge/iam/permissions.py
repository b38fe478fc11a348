"""What the IAM permits a caller: the resources and scopes of Keycloak's Authorization Services.

Asked with the caller's own token, by a ticket grant that is answered with
permissions (User-Managed Access 2.0; Keycloak, Authorization Services Guide).
"""

import json
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, assert_never

from keycloak.exceptions import KeycloakError

from proxy.core.errors import Refused, Unauthenticated, Unavailable
from proxy.core.policy import RuleSet, permitted
from proxy.edge.iam.answers import Ages, Answers, Room
from proxy.edge.iam.breaker import Away, Unclear
from proxy.edge.iam.lines import Lines, Realm
from proxy.ports import Caller

# About the IAM, not about the question: a proxy before it says so, too.
_BUSY: Final = (408, 429)

ROOM: Final = 500_000
"""How many rules are remembered, a quarter of a kilobyte each: twice the longest answer's."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The realm does not take a token. Remembered, since a client may send it for ever."""

    kind: type[Refused]
    message: str


_Answer: TypeAlias = RuleSet | _Refusal


class Permissions:
    """What one realm permits its callers. Implements `Entitlements`.

    `issuer` is the name that the configuration gives the realm as an issuer;
    `room` is how many rules are remembered, those of all tokens together.
    """

    def __init__(
        self,
        issuer: str,
        realm: Realm,
        ages: Ages,
        *,
        room: int = ROOM,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self.answers: Answers[_Answer] = Answers(
            issuer, ages, _gives, room=Room(room, _weight), monotonic=monotonic
        )
        self._lines = Lines(realm, monotonic=monotonic)
        self._odd = ""

    async def rules(self, caller: Caller, *, recheck: bool = False) -> RuleSet:
        """As the port says."""
        token = caller.token
        found = await self.answers.get(token, lambda: self._ask(token), recheck=recheck)
        match found:
            case RuleSet():
                return found
            case _Refusal(kind=kind, message=message):
                raise kind(message)
            case _:
                assert_never(found)

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Keycloak tells nobody; who wants to know asks again."""

    def trouble(self) -> str:
        """Why the realm cannot say what it permits; empty if all is well."""
        return self.answers.trouble() or self._odd

    async def close(self) -> None:
        """Give up what is asked, and close the lines."""
        await self.answers.close()
        await self._lines.close()

    async def _ask(self, token: str) -> _Answer:
        """What the realm permits whoever holds a token.

        Raises:
            Away: it does not say.
        """
        async with self._lines.line() as keycloak:
            try:
                found: Any = await keycloak.a_uma_permissions(token)
            except KeycloakError as exc:
                if exc.response_code is None:
                    raise _why(exc) from None
                return self._without_permissions(exc.response_code, exc.response_body)
            # What the library says of an answer that is none quotes it, so nobody sees it.
            except (TypeError, ValueError, RecursionError):
                raise Unclear("its answer is not a list of permissions") from None
        self._odd = ""
        try:
            return RuleSet(permitted.rules(self.issuer, found))
        except ValueError as exc:
            raise Unclear("its answer is not a list of permissions") from exc

    def _without_permissions(self, code: int, body: bytes | None) -> _Answer:
        """Read an answer other than of 200.

        Keycloak 26 says `access_denied` of who has no permission at all, and
        `invalid_grant`, with status 400, of a token that has expired, or whose
        login, user or client is gone.
        """
        match code, _error(body):
            case 403, "access_denied":
                self._odd = ""
                return RuleSet()
            case (401, _) | (400, "invalid_grant"):
                message = f"issuer `{self.issuer}` takes this token no longer"
                return _Refusal(Unauthenticated, message)
            case _ if 400 <= code < 500 and code not in _BUSY:
                # Whoever sends odd tokens could otherwise have everybody refused.
                self._odd = f"it answered with HTTP status {code}"
                message = f"issuer `{self.issuer}` does not say what it permits this token"
                return _Refusal(Unavailable, message)
            case _:
                raise Away(f"it answered with HTTP status {code}")


def _gives(answer: _Answer) -> bool:
    return isinstance(answer, RuleSet) and bool(answer.namespaces())


def _weight(answer: _Answer) -> int:
    """In rules: a bound on tokens alone, or on namespaces, would be none on memory."""
    return 1 + answer.size() if isinstance(answer, RuleSet) else 1


def _error(body: bytes | None) -> str:
    """The error code of a refusal (RFC 6749, 5.2); empty for anything else."""
    try:
        found = json.loads(body or b"")
    except (ValueError, RecursionError):
        return ""
    match found:
        case {"error": str(error)}:
            return error
        case _:
            return ""


def _why(failed: KeycloakError) -> Away:
    """The kind of fault; the libraries' own words hold hosts and addresses."""
    for cause in _causes(failed):
        match cause:
            case Away():
                return cause
            case ssl.SSLCertVerificationError():
                return Away("its certificate is not trusted")
            case ConnectionError() | TimeoutError():
                return Away("it cannot be reached")
            case _:
                continue
    return Away("its answer cannot be had")


def _causes(exc: BaseException) -> Iterator[BaseException]:
    while (cause := exc.__cause__ or exc.__context__) is not None:
        yield cause
        exc = cause
