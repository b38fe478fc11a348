"""How it is set up: what the command's options say, checked once."""

from dataclasses import dataclass
from pathlib import Path

from proxy.core.attributes import is_name, is_namespace
from proxy.https import is_https


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that `hostclaim-proxy refresh` needs to know.

    Without a `kubeconfig` the cluster is the one that the pod is in. `lease` is the
    namespace and name of the Lease, `lease_seconds` how long it is left to a replica
    that is silent. `ca_file` is what the issuers are trusted by.

    Raises:
        ValueError: an option is missing or wrong; named as on the command line.
    """

    namespaces: tuple[str, ...]
    proxies: tuple[str, ...]
    issuers: tuple[str, ...] = ()
    ca_file: Path | None = None
    token_file: Path | None = None
    token_file_namespaces: tuple[str, ...] = ()
    kubeconfig: Path | None = None
    context: str | None = None
    lease: tuple[str, str]
    lease_seconds: int = 15
    host: str = "127.0.0.1"
    port: int = 8081

    def __post_init__(self) -> None:
        _check_namespaces("--namespace", self.namespaces)
        _check_urls("--proxy-url", self.proxies)
        if not self.issuers and self.token_file is None:
            raise ValueError("--issuer-url or --token-file must say where tokens come from")
        if self.issuers:
            _check_urls("--issuer-url", self.issuers)
        if self.token_file is not None or self.token_file_namespaces:
            _check_token_file(self.token_file, self.token_file_namespaces, self.namespaces)
        if self.context is not None and self.kubeconfig is None:
            raise ValueError("--context needs --kubeconfig")
        namespace, name = self.lease
        if not is_namespace(namespace) or not is_name(name):
            raise ValueError("--lease must be NS/NAME")


def _check_namespaces(option: str, namespaces: tuple[str, ...]) -> None:
    for namespace in namespaces:
        if not is_namespace(namespace):
            raise ValueError(f"{option}: `{namespace}` is not the name of a namespace")
    if not namespaces or len(set(namespaces)) < len(namespaces):
        raise ValueError(f"{option} must be given, and each namespace once")


def _check_urls(option: str, urls: tuple[str, ...]) -> None:
    if not urls or not all(is_https(url) for url in urls):
        raise ValueError(f"{option} must be given, and begin with `https://`")


def _check_token_file(
    file: Path | None, its_namespaces: tuple[str, ...], namespaces: tuple[str, ...]
) -> None:
    # Whoever can make a Secret there gets our own token, so nobody gets it by default.
    if file is None or not its_namespaces:
        raise ValueError("--token-file and --token-file-namespace need each other")
    if not set(its_namespaces) <= set(namespaces):
        raise ValueError("--token-file-namespace must be one of --namespace")
