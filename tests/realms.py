"""A realm's admin API, as far as whoever looks for people asks it, over TLS on loopback."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import trustme

PUBLIC = "account"
"""A client without a service account."""

_ADMIN = "/admin/realms/metal3"


@dataclass
class FakeRealm:
    """Who is in it, and what it was asked. `status` is that of each answer of the admin API.

    Besides, there is the client `admin`, who asks. Who is `disabled` is there all the same; of
    what is `hidden`, `clients` or `users`, lists have nothing.
    """

    ca_file: Path
    groups: list[str] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)
    users: list[dict[str, str]] = field(default_factory=list)
    disabled: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    status: int = 200
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/realms/metal3"

    def answer(self, path: str, query: dict[str, str]) -> Any:
        """What is at a path of the admin API; None for nothing."""
        self.asked.append(path)
        match path.split("/"):
            case ["", "clients"]:
                shown = {} if "clients" in self.hidden else self._clients()
                wanted = query.get("clientId")
                return [one for name, one in shown.items() if wanted in {None, name}]
            case ["", "clients", client]:
                return self._clients().get(client)
            case ["", "clients", client, "service-account-user"]:
                return self._user({"username": f"service-account-{client}"})
            case ["", "group-by-path", *rest]:
                # Keycloak has it whatever slashes are between.
                group = "/" + "/".join(filter(None, rest))
                return (
                    {"id": group.replace("/", "."), "path": group} if group in self.groups else None
                )
            case ["", "groups", parent, "children"]:
                parent = parent.replace(".", "/")
                below = [one for one in self.groups if one.rpartition("/")[0] == parent]
                first, most = int(query["first"]), int(query["max"])
                return [{"path": one} for one in below[first : first + most]]
            case ["", "users"]:
                [(name, value)] = [
                    pair for pair in query.items() if pair[0] in {"username", "email"}
                ]
                found = [user for user in self._users() if user.get(name) == value.lower()]
                return [] if "users" in self.hidden else found
        return None

    def _clients(self) -> dict[str, dict[str, Any]]:
        return {
            name: {
                "id": name,
                "clientId": name,
                "enabled": name not in self.disabled,
                "serviceAccountsEnabled": name != PUBLIC,
            }
            for name in (*self.clients, "admin")
        }

    def _users(self) -> Iterator[dict[str, Any]]:
        yield from map(self._user, self.users)
        for name, client in self._clients().items():
            if client["serviceAccountsEnabled"]:
                yield self._user({"username": f"service-account-{name}"})

    def _user(self, user: dict[str, str]) -> dict[str, Any]:
        name = user["username"]
        return {"id": name, "enabled": name not in self.disabled, **user}


@contextmanager
def running(folder: Path) -> Iterator[FakeRealm]:
    """Answer until the context is left."""
    authority = trustme.CA()
    realm = FakeRealm(folder / "realm.crt")
    authority.cert_pem.write_to_path(realm.ca_file)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(200, {"access_token": "a.b.c", "expires_in": 300})

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            found = realm.answer(unquote(url.path).removeprefix(_ADMIN), query)
            status = realm.status if found is not None else 404
            self._answer(status, found if status == 200 else {"error": "no"})

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
            pass

        def _answer(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    realm.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield realm
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
