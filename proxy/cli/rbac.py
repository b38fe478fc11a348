"""`hostclaim-proxy rbac`: print the RBAC that a set of policies needs."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from proxy.cli import ending, yamltext
from proxy.cli.account import service_account
from proxy.core import rights
from proxy.core.attributes import is_namespace
from proxy.core.policy import PolicySet
from proxy.core.rights import Account, Unnamed
from proxy.edge.policyfiles import PolicyError, load


@click.command()
@click.option(
    "--policies",
    "paths",
    required=True,
    multiple=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="A policy file, or a folder of them. Can be given more than once.",
)
@click.option(
    "--namespace",
    "also",
    multiple=True,
    metavar="NS",
    help="A namespace besides those that the policies name exactly. Can be given more than once.",
)
@service_account
@click.option(
    "-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True
)
def rbac(paths: tuple[Path, ...], also: tuple[str, ...], account: Account, output: str) -> None:
    """Print the least Roles and RoleBindings with which the proxy can serve policies.

    \b
    One of each for every namespace that a policy names:
      hostclaim-proxy rbac --policies policies | kubectl apply -f -

    Which namespaces a pattern such as blue-* covers, or a token will claim, no policy says.
    Such a grant is told on standard error; give the namespaces that there are with --namespace.
    What an IAM grants is in no policy at all, and nothing is printed for it.

    Exit codes: 0 for done, 1 if there is no namespace to print anything for, 2 if the
    policies or the options cannot be used.
    """  # noqa: D301 - click wants the character \b itself
    try:
        policies = load(paths)
    except PolicyError as exc:
        raise ending.unusable(exc) from exc
    for grant in rights.unnamed(policies):
        click.echo(_cannot_be_named(grant), err=True)
    printed = [
        manifest
        for namespace in _namespaces(policies, also)
        for manifest in rights.manifests(rights.needed(policies, namespace), namespace, account)
    ]
    if not printed:
        ending.say("no policy grants anything in a namespace of a name")
        raise SystemExit(1)
    click.echo(_rendered(printed, output), nl=False)


def _namespaces(policies: PolicySet, also: tuple[str, ...]) -> list[str]:
    for namespace in also:
        if not is_namespace(namespace):
            message = f"`{namespace}` is not the name of a namespace"
            raise click.BadParameter(message, param_hint="--namespace")
        if not rights.needed(policies, namespace):
            message = f"no policy grants anything in `{namespace}`"
            raise click.BadParameter(message, param_hint="--namespace")
    named = {name for name in rights.named(policies) if rights.needed(policies, name)}
    return sorted(named.union(also))


def _cannot_be_named(grant: Unnamed) -> str:
    patterns = ", ".join(f"`{pattern}`" for pattern in grant.patterns)
    what = f"{patterns} is a pattern"
    if grant.claim:
        what = f"tokens name the namespaces, in `{grant.claim}` and within {patterns}"
    return f"{grant.origin}: {what}: give the namespaces that there are with --namespace"


def _rendered(printed: Iterable[dict[str, Any]], output: str) -> str:
    if output == "json":
        whole = {"apiVersion": "v1", "kind": "List", "items": list(printed)}
        return json.dumps(whole, indent=2) + "\n"
    return yamltext.dump(*printed, explicit_start=True)
