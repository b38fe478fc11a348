"""Certificates for tests that listen: one authority, and leaves as they are wanted."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """Issues certificates for loopback into a folder."""

    folder: Path
    ca: trustme.CA = field(default_factory=trustme.CA)

    @property
    def cert_file(self) -> Path:
        return self.folder / "tls.crt"

    @property
    def key_file(self) -> Path:
        return self.folder / "tls.key"

    def issue(self) -> trustme.LeafCert:
        """Write a new certificate and its key over those of before."""
        leaf = self.ca.issue_cert("127.0.0.1")
        self.write_certificate(leaf)
        leaf.private_key_pem.write_to_path(self.key_file)
        return leaf

    def write_certificate(self, leaf: trustme.LeafCert) -> None:
        """Write a certificate and leave the key as it is."""
        leaf.cert_chain_pems[0].write_to_path(self.cert_file)

    @property
    def trust(self) -> ssl.SSLContext:
        """How a client trusts what this authority issues."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context


def der(leaf: trustme.LeafCert) -> bytes:
    """A certificate as a peer sees it."""
    return ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
