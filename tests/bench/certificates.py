"""The certificate of every server here, and the authority that signed it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM."""

    authority: Path
    chain: Path
    key: Path

    def trust(self) -> ssl.SSLContext:
        """What a client needs to know the servers by."""
        return ssl.create_default_context(cafile=str(self.authority))


def write(folder: Path) -> Certificates:
    """Make them, on the curve P-256, which all that are compared are fastest with."""
    made = Certificates(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    authority = trustme.CA(organization_name="hostclaim-proxy bench")
    authority.cert_pem.write_to_path(made.authority)
    server = authority.issue_cert("127.0.0.1", "localhost")
    made.chain.write_bytes(b"".join(pem.bytes() for pem in server.cert_chain_pems))
    made.key.write_bytes(server.private_key_pem.bytes())
    return made
