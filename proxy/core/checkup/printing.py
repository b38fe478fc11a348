"""How it is shown: for programs, and for people."""

from typing import Any

from proxy.core.checkup.findings import Checkup
from proxy.core.terminal import printable


def render(checkup: Checkup) -> dict[str, Any]:
    """All that was found, to be written as JSON or YAML. What was not found out is null."""
    place, caller = checkup.place, checkup.caller
    return {
        "usable": checkup.usable,
        "steps": [
            {"step": str(found.step), "ok": found.ok, "message": found.message}
            for found in checkup.findings
        ],
        "context": place
        and {"name": place.context, "server": place.server, "namespace": place.namespace},
        "identity": caller
        and {
            "username": caller.username,
            "groups": list(caller.groups),
            "issuer": caller.issuer,
            "namespaces": list(caller.namespaces),
        },
        "access": [
            {
                "namespace": one.namespace,
                "resources": {name: list(verbs) for name, verbs in one.verbs.items()},
            }
            for one in checkup.access
        ],
    }


def text(checkup: Checkup) -> str:
    """A line for each step, then what may be done where."""
    lines = [
        f"{found.step:<11}  {'ok' if found.ok else 'FAILED'}: {found.message}"
        for found in checkup.findings
    ]
    rows = [
        (one.namespace, resource, " ".join(verbs))
        for one in checkup.access
        for resource, verbs in one.verbs.items()
    ]
    if rows:
        lines += ["", *_table([("NAMESPACE", "RESOURCE", "VERBS"), *rows])]
    return "".join(f"{printable(line)}\n" for line in lines)


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    return [f"{row[0]:<{first}}  {row[1]:<{second}}  {row[2]}" for row in rows]
