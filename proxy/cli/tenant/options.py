"""Options that several subcommands take."""

from pathlib import Path

import click

from proxy.edge.keycloakadmin import Options

DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
PROXY_URL = click.option(
    "--proxy-url", required=True, metavar="URL", help="Where the tenant reaches the proxy."
)
PROXY_CA = click.option(
    "--proxy-ca-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The certificates (PEM) that the proxy is trusted by, instead of the system's.",
)
OUT = click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write files there, instead of documents to standard output.",
)
RESOURCE_SERVER = click.option(
    "--resource-server",
    default=Options().resource_server,
    show_default=True,
    metavar="ID",
    help="The client whose Authorization Services hold permissions.",
)
