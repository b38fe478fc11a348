"""`hostclaim-proxy policy explain`: why may somebody, or why not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from proxy.cli import printout
from proxy.cli.policy import sources, told
from proxy.cli.policy.asking import asked, details
from proxy.cli.policy.who import Who, who
from proxy.core import wording
from proxy.core.attributes import ResourceRequest
from proxy.core.errors import Unauthenticated
from proxy.core.explanation import Bound, Explanation
from proxy.core.explanation import explain as explained
from proxy.core.nearness import Near
from proxy.core.policy import Rule

DENIED: Final = 1
_NEAREST: Final = 5


@click.command()
@asked
@details
@who
@sources.options
@click.option(
    "--all", "every", is_flag=True, help="Every rule that did not match, not the nearest."
)
@printout.option()
def explain(
    *,
    request: ResourceRequest,
    who: Who,
    config: Path | None,
    paths: tuple[Path, ...],
    every: bool,
    output: str,
) -> None:
    """Say whether somebody may do something, which rules say so, and which nearly did.

    \b
    Of somebody as they are described:
      hostclaim-proxy policy explain create hostclaims -n blue-dev \\
          --as alice --as-group /tenants/blue --policies policies

    \b
    Of whoever a token is of, if it is taken at all:
      hostclaim-proxy policy explain list secrets -n blue-dev \\
          --token-file token --config proxy.yaml

    The decision is the one that `serve` makes, in its own words. Of what is refused, the
    nearest rules that did not match are told with what each of them lacked; of what is
    allowed, the bounds that a HostClaim has to keep. What is in an object is not asked:
    secrets that are no tenant's, or a claim beyond its bounds, are refused besides.

    Exit codes: 0 if it is allowed, 1 if it is denied, 2 if the files or the options cannot
    be used, or Keycloak cannot tell.
    """  # noqa: D301 - click wants the character \b itself
    if not who:
        raise click.UsageError("say who: with --as or its like, or with --token-file")
    given = sources.given(paths, config)
    try:
        identity = who.identity(given)
    except Unauthenticated as refused:
        _tell_nobody(refused, request, output)
        raise SystemExit(DENIED) from refused
    found = explained(identity, request, given.files, given.combination)
    notes = given.notes([identity.issuer])
    shown = len(found.near) if every else _NEAREST
    printout.show(
        output,
        _lines(found, request, shown, notes),
        _value(found, request, shown, notes),
    )
    if not found.allowed:
        raise SystemExit(DENIED)


def _tell_nobody(refused: Unauthenticated, request: ResourceRequest, output: str) -> None:
    """Tell of a token what `serve` would answer to it, whatever is asked."""
    lines = [f"deny: {refused.code} {refused.reason}: {told.asked(request)}", "", str(refused)]
    value = {"decision": "deny", "code": refused.code, "reason": str(refused)}
    printout.show(output, lines, value | {"request": told.request(request)})


def _lines(
    found: Explanation, request: ResourceRequest, shown: int, notes: tuple[str, ...]
) -> Iterator[str]:
    verdict = "allow" if found.allowed else "deny"
    yield f"{verdict}: {told.somebody(found.decision.identity)}: {told.asked(request)}"
    yield ""
    if found.made_by:
        yield "granted by" if found.allowed else found.decision.reason
        yield from _places(found.made_by)
    else:
        yield found.decision.reason
    if found.overruled:
        yield from ("", "which takes away what is granted by")
        yield from _places(found.overruled)
    if found.bounds:
        yield from ("", "within the bounds of")
        yield from _bound_lines(found.bounds)
    if found.near:
        yield from ("", _heading(found.near[:shown], len(found.near)))
        for near in found.near[:shown]:
            yield f"  {near.origin}"
            yield from (f"      it {lack.message}" for lack in near.lacks)
    if found.supposed is not None:
        verdict = found.supposed.verdict
        yield from ("", f"if rules in shadow counted: {verdict}: {found.supposed.reason}")
    for note in notes:
        yield from ("", f"note: {note}")


def _heading(near: tuple[Near, ...], among: int) -> str:
    more = f" ({len(near)} of {among}, --all for all)" if len(near) < among else ""
    return f"the nearest rules that do not grant it{more}"


def _places(rules: tuple[Rule, ...]) -> Iterator[str]:
    return (f"  {rule.origin}" for rule in rules)


def _bound_lines(bounds: tuple[Bound, ...]) -> Iterator[str]:
    """One of the rules has to be kept, for each verb that the request needs."""
    verb = None
    for bound in bounds:
        either = "or" if bound.verb is verb else bound.verb.value
        verb = bound.verb
        yield f"  {either}: {wording.bounds(bound.bounds)}"
        yield f"      {bound.rule.origin}"


def _value(
    found: Explanation, request: ResourceRequest, shown: int, notes: tuple[str, ...]
) -> dict[str, Any]:
    supposed = found.supposed
    shadow = {"decision": supposed.verdict.value, "reason": supposed.reason} if supposed else None
    return {
        "decision": "allow" if found.allowed else "deny",
        "reason": found.decision.reason,
        "identity": told.identity(found.decision.identity),
        "request": told.request(request),
        "rules": [told.rule(rule) for rule in found.made_by],
        "overruled": [told.rule(rule) for rule in found.overruled],
        "bounds": [told.bound(bound) for bound in found.bounds],
        "near": [_near(near) for near in found.near[:shown]],
        "shadow": shadow,
        "notes": [*notes],
    }


def _near(near: Near) -> dict[str, Any]:
    lacks = [{"what": lack.thing.name.lower(), "message": lack.message} for lack in near.lacks]
    return {"origin": near.origin, "lacks": lacks}
