"""`hostclaim-proxy demo`: the whole story on one machine."""

import asyncio
import logging
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import click


@click.command()
@click.option(
    "--dir",
    "directory",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to put kubeconfigs, settings, policies and the audit log; made if missing.",
)
@click.option(
    "--assets",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    envvar="KUBEBUILDER_ASSETS",
    help="A folder with kube-apiserver and etcd, to use a real cluster. [env: KUBEBUILDER_ASSETS]",
)
@click.option(
    "--tour", is_flag=True, help="Play the story, say what was expected and what came, and end."
)
def demo(directory: Path, assets: Path | None, *, tour: bool) -> None:
    """Run a BMH cluster, an OIDC issuer and the proxy on this machine.

    The cluster is in memory unless --assets names a real one. Once everything
    runs, a line that begins with `ready` is printed, and a few commands worth typing.

    \b
    In DIR you find:
      blue.kubeconfig     editor in blue-dev and blue-prod
      red.kubeconfig      editor in red
      auditor.kubeconfig  viewer in all three
      admin.kubeconfig    the infrastructure manager, straight to the cluster
      proxy.yaml          the settings of the proxy, as `serve --config` reads them
      policies/           the policy files in use: edit one and see what changes
      audit.jsonl         a line for each request

    Exit codes: 0 after a clean stop, or a tour in which all went as expected; 1 otherwise.
    """  # noqa: D301 - click wants the character \b itself
    if find_spec("trustme") is None:
        raise click.ClickException("the demo needs its extra: pip install 'hostclaim-proxy[demo]'")
    directory.mkdir(parents=True, exist_ok=True)
    sys.exit(asyncio.run(_demo(directory, assets, tour=tour)))


async def _demo(directory: Path, assets: Path | None, *, tour: bool) -> int:
    # Only here: whoever serves tenants has no demo in the process.
    from proxy.demo.stack import running  # noqa: PLC0415
    from proxy.demo.tour import play  # noqa: PLC0415

    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    if not tour:
        _tell_of_policies()
    click.echo(f"starting a {'real' if assets else 'small'} cluster, an issuer and the proxy ...")
    async with running(directory, assets):
        click.echo(f"ready: kubeconfigs, settings and policies are in {directory}")
        if tour:
            return 0 if await play(directory, click.echo) else 1
        click.echo(_worth_typing(directory))
        await told.wait()
        click.echo("stopping")
    return 0


def _tell_of_policies() -> None:
    """Whoever edits one sees what became of it, good or bad."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("proxy.edge.policyfiles").setLevel(logging.INFO)


def _worth_typing(directory: Path) -> str:
    where = os.path.relpath(directory)
    return f"""
export KUBECONFIG={where}/blue.kubeconfig
kubectl auth whoami
kubectl auth can-i --list
kubectl create secret generic node-0-user-data --from-literal=value='#cloud-config'
kubectl apply -f {where}/hostclaim.yaml
kubectl wait hostclaim/node-0 --for=jsonpath='{{.status.bareMetalHost.name}}'
kubectl get hostclaims -n red           # refused, and says why
kubectl get secrets -n pool-a           # refused: the BMC credentials are not yours
tail -n 1 {where}/audit.jsonl

Ctrl-C ends it."""
