"""The commands: each reads its options, calls the app, and says how it went.

Exit codes: 0 for done, 1 for a failure, 2 for wrong usage or configuration.
"""

from importlib import import_module

import click

from proxy import __version__

_COMMANDS = ("demo", "kubeconfig", "rbac", "refresh", "serve", "tenant", "token")
"""Each is a module here, and a command of its name in it."""


class _Commands(click.Group):
    """Imports a command when it is called: one that answers at once does not load the server."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"proxy.cli.{cmd_name}"), cmd_name)
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="hostclaim-proxy")
def main() -> None:
    """Let tenants lease Metal3 hosts in a cluster that is not theirs, and nothing else.

    \b
    See it work on this machine:    hostclaim-proxy demo --dir demo
    Run it for your tenants:        hostclaim-proxy serve --config proxy.yaml
    Print the rights it needs:      hostclaim-proxy rbac --policies policies
    Make a tenant's way in:         hostclaim-proxy kubeconfig --server https://...
    Prove that it works:            hostclaim-proxy kubeconfig check FILE
    Let a tenant in, at Keycloak:   hostclaim-proxy tenant --help
    Be kubectl's credential plugin: hostclaim-proxy token --help
    Keep tokens in Secrets fresh:   hostclaim-proxy refresh --help
    """  # noqa: D301 - click wants the character \b itself
