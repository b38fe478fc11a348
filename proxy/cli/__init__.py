"""The commands: each reads its options, calls the app, and says how it went.

Exit codes: 0 for done, 1 for a failure, 2 for wrong usage or configuration.
"""

import click

from proxy import __version__
from proxy.cli.demo import demo
from proxy.cli.rbac import rbac
from proxy.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="hostclaim-proxy")
def main() -> None:
    """Let tenants lease Metal3 hosts in a cluster that is not theirs, and nothing else.

    \b
    See it work on this machine:   hostclaim-proxy demo --dir demo
    Run it for your tenants:       hostclaim-proxy serve --config proxy.yaml
    Print the rights it needs:      hostclaim-proxy rbac --policies policies
    """  # noqa: D301 - click wants the character \b itself


main.add_command(demo)
main.add_command(rbac)
main.add_command(serve)
