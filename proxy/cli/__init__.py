"""The commands: each reads its options, calls the app, and says how it went.

Exit codes: 0 for done, 1 for a failure, 2 for wrong usage or configuration.
"""

import click

from proxy import __version__
from proxy.cli.lazy import Commands


@click.group(
    cls=Commands,
    package=__name__,
    names=("demo", "kubeconfig", "policy", "rbac", "refresh", "serve", "tenant", "token"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="hostclaim-proxy")
def main() -> None:
    """Let tenants lease Metal3 hosts in a cluster that is not theirs, and nothing else.

    \b
    See it work on this machine:    hostclaim-proxy demo --dir demo
    Run it for your tenants:        hostclaim-proxy serve --config proxy.yaml
    Check, test, explain policies:  hostclaim-proxy policy --help
    Print the rights it needs:      hostclaim-proxy rbac --policies policies
    Make a tenant's way in:         hostclaim-proxy kubeconfig --server https://...
    Prove that it works:            hostclaim-proxy kubeconfig check FILE
    Let a tenant in, at Keycloak:   hostclaim-proxy tenant --help
    Be kubectl's credential plugin: hostclaim-proxy token --help
    Keep tokens in Secrets fresh:   hostclaim-proxy refresh --help
    """  # noqa: D301 - click wants the character \b itself
