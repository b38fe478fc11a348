"""How people log in: the device authorization grant (RFC 8628).

A person opens a page in any browser, on any machine, and agrees there; we ask the
IAM now and then whether they did.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from proxy.edge.oidc.faults import LoginError, RefusedError, granted, seconds, text
from proxy.https import Answer, is_https

GRANT = "urn:ietf:params:oauth:grant-type:device_code"

_USUAL_INTERVAL = 5
_SLOWER_BY = 5
_LONGEST_INTERVAL = 60
_MAX_CODE = 4096
_MAX_USER_CODE = 64
_MAX_URL = 2048


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person needs to log in, and until when.

    `url` is the page; where the IAM has one that knows the code, that is `complete_url`.
    `interval` is how many seconds lie between two questions; `expires_at` is in
    seconds since the epoch.
    """

    url: str
    user_code: str
    complete_url: str | None
    interval: int
    expires_at: float
    device_code: str = field(repr=False)


class Prompt(Protocol):
    """What a person sees of their login."""

    def show(self, code: DeviceCode) -> None:
        """Tell where to log in, and with which code."""
        ...

    def waiting(self, seconds_left: float) -> None:
        """Tell that the IAM was asked, and that nobody has logged in yet."""
        ...


def read_code(answer: Answer, asked_at: float) -> DeviceCode:
    """Read the answer of a device authorization endpoint (RFC 8628, 3.2).

    Raises:
        RefusedError: the IAM said no.
        LoginError: it said something else.
    """
    document = granted(answer)
    return DeviceCode(
        url=_page(document, "verification_uri"),
        user_code=text(document, "user_code", _MAX_USER_CODE),
        complete_url=(
            _page(document, "verification_uri_complete")
            if "verification_uri_complete" in document
            else None
        ),
        interval=seconds({"interval": _USUAL_INTERVAL, **document}, "interval"),
        expires_at=asked_at + seconds(document, "expires_in"),
        device_code=text(document, "device_code", _MAX_CODE),
    )


def slower(interval: int, refused: RefusedError) -> int:
    """How long to wait before the next question, if there may be one (RFC 8628, 3.5).

    Raises:
        RefusedError: there may not.
    """
    match refused.error:
        case "authorization_pending":
            return interval
        case "slow_down":
            return interval + _SLOWER_BY
        case _:
            raise refused


def backed_off(interval: int) -> int:
    """How long to wait after a question that was not answered (RFC 8628, 3.5)."""
    return max(interval, min(2 * interval, _LONGEST_INTERVAL))


def _page(document: Mapping[str, object], member: str) -> str:
    """Who opens the page types a password there."""
    url = text(document, member, _MAX_URL)
    if not is_https(url):
        raise LoginError(f"its answer has no `{member}` that begins with `https://`")
    return url
