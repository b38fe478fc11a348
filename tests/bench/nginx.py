"""How nginx is told what it is to be: the stub that stands for the apiserver, or the floor.

Pure text; one worker each, keep-alive everywhere, nothing written to disk but errors.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from tests.bench import objects
from tests.bench.certificates import Certificates

_GROUP = "/apis/metal3.io/v1alpha1"
_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_REVIEW = (
    '{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1",'
    '"metadata":{},"spec":{},"status":{"allowed":false}}'
)
_NOT_FOUND = (
    '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
    '"reason":"NotFound","code":404}'
)


@dataclass(frozen=True, slots=True)
class Stub:
    """What the stub serves: files of its own folder, and every claim by its name.

    `watches` is the port of who answers watches, if anybody does.
    """

    folder: Path
    port: int
    status_port: int
    certificates: Certificates
    watches: int | None = None


def stub(of: Stub) -> str:
    """The upstream: answers every GET and PATCH of a claim, and counts its requests."""
    claim = objects.text(objects.claim("$name", "$namespace"))
    watching = (
        f"if ($arg_watch) {{ proxy_pass https://127.0.0.1:{of.watches}; }}" if of.watches else ""
    )
    servers = f"""
    open_file_cache max=16;
    default_type application/json;
    server {{
        listen 127.0.0.1:{of.port} ssl http2 backlog=16384;
        {_tls(of.certificates)}
        proxy_http_version 1.1;
        proxy_buffering off;
        proxy_read_timeout 1d;
        location = /readyz {{ return 200 ok; }}
        location = /issuer/.well-known/openid-configuration {{ alias {of.folder}/metadata.json; }}
        location = /issuer/keys {{ alias {of.folder}/keys.json; }}
        location = {_REVIEWS} {{ return 201 '{_REVIEW}'; }}
        location = {objects.CLAIMS} {{
            {watching}
            alias {of.folder}/list.json;
        }}
        location ~ ^{_GROUP}/namespaces/(?<namespace>[a-z0-9-]+)/hostclaims/(?<name>[a-z0-9-]+)$ {{
            return 200 '{claim}';
        }}
        location / {{ return 404 '{_NOT_FOUND}'; }}
    }}
    server {{
        listen 127.0.0.1:{of.status_port};
        location / {{ stub_status; }}
    }}"""
    return _whole(of.folder, servers)


@dataclass(frozen=True, slots=True)
class Floor:
    """A reverse proxy that decides nothing, in front of the stub."""

    folder: Path
    port: int
    upstream_port: int
    certificates: Certificates


def floor(of: Floor) -> str:
    """TLS on both sides, keep-alive to the upstream, and its certificate verified."""
    servers = f"""
    upstream stub {{
        server 127.0.0.1:{of.upstream_port};
        keepalive 256;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{of.port} ssl backlog=16384;
        {_tls(of.certificates)}
        location / {{
            proxy_pass https://stub;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_ssl_verify on;
            proxy_ssl_name localhost;
            proxy_ssl_trusted_certificate {of.certificates.authority};
            proxy_read_timeout 1d;
            proxy_max_temp_file_size 0;
            proxy_buffers 16 64k;
            proxy_buffer_size 16k;
            proxy_busy_buffers_size 128k;
        }}
    }}"""
    return _whole(of.folder, servers)


def _whole(folder: Path, servers: str) -> str:
    # Started as root its worker would become somebody who may not read our files.
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    large_client_header_buffers 8 64k;
    client_max_body_size 8m;
    keepalive_timeout 1h;
    keepalive_requests 100000000;
    output_buffers 2 512k;
    tcp_nodelay on;
{servers}
}}
"""


def _tls(certificates: Certificates) -> str:
    return f"ssl_certificate {certificates.chain}; ssl_certificate_key {certificates.key};"
