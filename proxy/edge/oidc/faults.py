"""Why there is no token. What an IAM says of it in prose is not repeated."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from proxy.https import Answer, HttpsError, NoAnswerError

# RFC 6749, 5.2; RFC 8628, 3.5. Keycloak calls a client `unauthorized_client` also
# where its secret is wrong.
_MEANING: Mapping[str, str] = {
    "access_denied": "the login was denied",
    "expired_token": "nobody logged in before the code expired",
    "invalid_client": "it does not know the client, or not by this secret or key",
    "invalid_grant": "the login is no longer good",
    "invalid_request": "it does not understand the question",
    "invalid_scope": "it gives the client no such scope",
    "unauthorized_client": "the client may not log in this way, or not by this secret or key",
    "unsupported_grant_type": "it knows no such way to log in",
}
_YEAR = 366 * 24 * 3600
_ERROR = re.compile(r"[a-z0-9_.-]{1,64}", re.IGNORECASE)


class LoginError(Exception):
    """There is no token. The message completes `issuer X: ...` and names no address."""


class UnreachableError(LoginError):
    """The IAM did not answer, or is not well: later, it may."""


class RefusedError(LoginError):
    """The IAM said no, with the error code of RFC 6749, 5.2 or RFC 8628, 3.5."""

    def __init__(self, error: str) -> None:
        super().__init__(f"{_MEANING.get(error, 'it refused')} (`{error}`)")
        self.error = error


def _refusal(answer: Answer) -> LoginError:
    """What an answer that is no success means."""
    error = answer.document.get("error") if isinstance(answer.document, Mapping) else None
    if answer.status >= 500 or answer.status == 429:
        return UnreachableError(f"it answered with HTTP status {answer.status}")
    # Whatever else stands there may be meant for the terminal that it ends up on.
    if not isinstance(error, str) or not _ERROR.fullmatch(error):
        return LoginError(f"it answered with HTTP status {answer.status}")
    return RefusedError(error)


def granted(answer: Answer) -> Mapping[str, Any]:
    """The document of an answer that is a success.

    Raises:
        RefusedError: the IAM said no.
        LoginError: it said something else.
    """
    if answer.status != 200:
        raise _refusal(answer)
    if not isinstance(answer.document, Mapping):
        raise LoginError("its answer is not an object")
    return answer.document


@contextmanager
def told() -> Iterator[None]:
    """Tell the faults of the network as those of a login."""
    try:
        yield
    except NoAnswerError as exc:
        raise UnreachableError(str(exc)) from exc
    except HttpsError as exc:
        raise LoginError(str(exc)) from exc


def text(document: Mapping[str, Any], member: str, most: int) -> str:
    """A member that is printable ASCII without spaces, as tokens and URLs are.

    Raises:
        LoginError: it is missing, empty, longer than `most` characters, or something else.
    """
    value = document.get(member)
    if not isinstance(value, str) or not 0 < len(value) <= most or not _is_plain(value):
        raise LoginError(f"its answer has no `{member}` that can be used")
    return value


def seconds(document: Mapping[str, Any], member: str) -> int:
    """A member that is a number of seconds above 0; more than a year counts as one.

    Raises:
        LoginError: it is missing, or something else.
    """
    value = document.get(member)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise LoginError(f"its answer has no `{member}` that can be used")
    # An integer of JSON has no bound, a date has: one beyond it could never be told to client-go.
    return min(value, _YEAR)


def _is_plain(value: str) -> bool:
    return all("!" <= character <= "~" for character in value)
