"""The admin API of the realm, as far as making tenants takes it (Keycloak 26, Admin REST API).

Objects are kept as they come, under an id; what they mean for tokens and
permissions is told to `grants` and `permissions`.
"""

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler

from proxy.demo.issuer.accounts import Client, Realm
from proxy.demo.issuer.grants import Grants
from proxy.demo.issuer.permissions import RESOURCE_SERVER, Permissions

ADMIN_CLIENT: Final = "tenant-admin"
"""Whose service account may use it."""

Object: TypeAlias = dict[str, Any]
_Objects: TypeAlias = dict[str, Object]


class _NotFoundError(Exception):
    """There is no such object."""


@dataclass(slots=True)
class Admin:
    """Clients that were made here, groups, and the policies of one resource server."""

    realm: Realm
    grants: Grants
    permissions: Permissions
    _clients: _Objects = field(default_factory=dict)
    _groups: _Objects = field(default_factory=dict)
    _members: set[tuple[str, str]] = field(default_factory=set)
    """A user, here the service account of a client by that client's id, and a group."""
    _authorization: dict[str, _Objects] = field(
        default_factory=lambda: {"scope": {}, "resource": {}, "policy": {}}
    )

    _strategy: str = "AFFIRMATIVE"

    def __post_init__(self) -> None:
        for client in self.realm.clients:
            made = {
                "clientId": client.client_id,
                "secret": client.secret,
                "enabled": True,
                "serviceAccountsEnabled": client.service_account,
            }
            self._keep(self._clients, made)

    def routes(self) -> Iterable[web.RouteDef]:
        """All of it, below `/admin/realms/NAME`."""
        server = "/clients/{id}/authz/resource-server"
        mappers = "/clients/{id}/protocol-mappers/models"
        example = "/clients/{id}/evaluate-scopes"
        for method, path, handler in (
            ("GET", "/clients", self._list_clients),
            ("POST", "/clients", self._create_client),
            ("GET", "/clients/{id}", self._get_client),
            ("PUT", "/clients/{id}", self._update_client),
            ("DELETE", "/clients/{id}", self._delete_client),
            ("GET", "/clients/{id}/client-secret", self._get_secret),
            ("POST", "/clients/{id}/client-secret", self._make_secret),
            ("GET", "/clients/{id}/service-account-user", self._get_account),
            ("GET", f"{example}/generate-example-access-token", self._make_example),
            ("GET", mappers, self._list_mappers),
            ("POST", mappers, self._create_mapper),
            ("PUT", f"{mappers}/{{part}}", self._update_mapper),
            ("GET", "/users", self._list_users),
            ("GET", "/users/{id}/groups", self._list_groups_of),
            ("PUT", "/users/{id}/groups/{part}", self._join),
            ("GET", "/group-by-path/{path:.+}", self._get_group),
            ("POST", "/groups", self._create_group),
            ("GET", "/groups/{id}/children", self._list_below),
            ("POST", "/groups/{id}/children", self._create_group),
            ("GET", "/groups/{id}/members", self._list_members),
            ("DELETE", "/groups/{id}", self._delete_group),
            ("GET", f"{server}/settings", self._get_settings),
            ("PUT", server, self._put_settings),
            ("GET", f"{server}/{{kind:scope|resource|policy|permission}}", self._list_of_server),
            ("POST", f"{server}/{{kind:scope|resource}}", self._create_at_server),
            ("POST", f"{server}/{{kind:policy}}/client", self._create_at_server),
            ("POST", f"{server}/{{kind:permission}}/scope", self._create_at_server),
            ("PUT", f"{server}/permission/scope/{{part}}", self._update_permission),
            ("GET", f"{server}/policy/{{part}}/{{kind:scopes|resources}}", self._list_of_policy),
            ("GET", f"{server}/policy/{{part}}/associatedPolicies", self._list_policies_of),
            ("DELETE", f"{server}/policy/{{part}}", self._delete_policy),
        ):
            root = f"/admin/realms/{self.realm.name}"
            yield web.route(method, root + path, self._guarded(handler))

    def _guarded(self, handler: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
        async def guarded(request: web.Request) -> web.Response:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            claims = self.grants.live(token)
            if claims is None:
                return web.json_response({"error": "HTTP 401 Unauthorized"}, status=401)
            if claims["azp"] != ADMIN_CLIENT:
                return web.json_response({"error": "HTTP 403 Forbidden"}, status=403)
            try:
                return await handler(request)
            except _NotFoundError:
                return web.json_response({"error": "Could not find it"}, status=404)

        return guarded

    # Clients.

    async def _list_clients(self, request: web.Request) -> web.Response:
        wanted = request.query.get("clientId")
        found = [c for c in self._clients.values() if wanted in {None, c["clientId"]}]
        return web.json_response(found)

    async def _create_client(self, request: web.Request) -> web.Response:
        made = await request.json()
        if any(c["clientId"] == made["clientId"] for c in self._clients.values()):
            return web.json_response({"errorMessage": "Client already exists"}, status=409)
        key = self._keep(self._clients, {"secret": uuid4().hex, "protocolMappers": []} | made)
        self._admit(key)
        return _created(request, key)

    async def _get_client(self, request: web.Request) -> web.Response:
        return web.json_response(_found(self._clients, request))

    async def _update_client(self, request: web.Request) -> web.Response:
        client = _found(self._clients, request)
        client.update(await request.json())
        self._admit(client["id"])
        return web.Response(status=204)

    async def _delete_client(self, request: web.Request) -> web.Response:
        client = _found(self._clients, request)
        del self._clients[client["id"]]
        self._members = {member for member in self._members if member[0] != client["id"]}
        self.grants.dismiss(client["clientId"])
        for policy in self._authorization["policy"].values():
            if client["id"] in policy.get("clients", ()):
                policy["clients"].remove(client["id"])
        self._permit()
        return web.Response(status=204)

    async def _get_secret(self, request: web.Request) -> web.Response:
        secret = _found(self._clients, request)["secret"]
        return web.json_response({"type": "secret", "value": secret})

    async def _make_secret(self, request: web.Request) -> web.Response:
        client = _found(self._clients, request)
        client["secret"] = uuid4().hex
        self._admit(client["id"])
        return web.json_response({"type": "secret", "value": client["secret"]})

    async def _get_account(self, request: web.Request) -> web.Response:
        client = _found(self._clients, request)
        return web.json_response(_account(client))

    async def _make_example(self, request: web.Request) -> web.Response:
        """What a token would say of a user, who is a person or a client's service account."""
        client = _found(self._clients, request)["clientId"]
        user = request.query["userId"]
        name = self._clients[user]["clientId"] if user in self._clients else user
        try:
            return web.json_response(self.grants.example(client, name))
        except KeyError as exc:
            raise _NotFoundError from exc

    async def _list_users(self, request: web.Request) -> web.Response:
        """Those of a username, which service accounts have, too."""
        name = request.query["username"]
        person = self.realm.person(name)
        found = [_user(person.username, person.username)] if person else []
        accounts = map(_account, self._clients.values())
        return web.json_response([*found, *(one for one in accounts if one["username"] == name)])

    async def _list_mappers(self, request: web.Request) -> web.Response:
        return web.json_response(_found(self._clients, request)["protocolMappers"])

    async def _create_mapper(self, request: web.Request) -> web.Response:
        mapper = await request.json() | {"id": str(uuid4())}
        _found(self._clients, request)["protocolMappers"].append(mapper)
        return _created(request, mapper["id"])

    async def _update_mapper(self, request: web.Request) -> web.Response:
        for mapper in _found(self._clients, request)["protocolMappers"]:
            if mapper["id"] == request.match_info["part"]:
                mapper.update(await request.json())
        return web.Response(status=204)

    # Groups.

    async def _list_groups_of(self, request: web.Request) -> web.Response:
        user = request.match_info["id"]
        return web.json_response([self._groups[g] for u, g in self._members if u == user])

    async def _join(self, request: web.Request) -> web.Response:
        user, group = request.match_info["id"], request.match_info["part"]
        self._members.add((user, group))
        self._admit(user)
        return web.Response(status=204)

    async def _get_group(self, request: web.Request) -> web.Response:
        path = f"/{request.match_info['path'].lstrip('/')}"
        for group in self._groups.values():
            if group["path"] == path:
                return web.json_response(group)
        raise _NotFoundError

    async def _create_group(self, request: web.Request) -> web.Response:
        above = _found(self._groups, request)["path"] if "id" in request.match_info else ""
        made = await request.json()
        key = self._keep(self._groups, {**made, "path": f"{above}/{made['name']}"})
        return _created(request, key)

    async def _list_below(self, request: web.Request) -> web.Response:
        above = _found(self._groups, request)["path"]
        found = [g for g in self._groups.values() if g["path"] == f"{above}/{g['name']}"]
        return web.json_response(found)

    async def _list_members(self, request: web.Request) -> web.Response:
        group = _found(self._groups, request)
        accounts = [_account(self._clients[u]) for u, g in self._members if g == group["id"]]
        people = [
            _user(person.username, person.username)
            for person in self.realm.people
            if self.grants.is_member(person.username, group["path"])
        ]
        return web.json_response(accounts + people)

    async def _delete_group(self, request: web.Request) -> web.Response:
        group = _found(self._groups, request)
        gone = {member for member in self._members if member[1] == group["id"]}
        self._members -= gone
        del self._groups[group["id"]]
        for user, _ in gone:
            self._admit(user)
        return web.Response(status=204)

    # Authorization Services.

    async def _get_settings(self, request: web.Request) -> web.Response:
        if _found(self._clients, request)["clientId"] != RESOURCE_SERVER:
            raise _NotFoundError
        return web.json_response({"decisionStrategy": self._strategy})

    async def _put_settings(self, request: web.Request) -> web.Response:
        """What the strategy is, is kept and shown; one answer suffices all the same."""
        self._strategy = (await request.json())["decisionStrategy"]
        return web.Response(status=204)

    async def _list_of_server(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if kind == "permission":
            return web.json_response(self._scope_permissions())
        return web.json_response([_listed(kept) for kept in self._authorization[kind].values()])

    async def _create_at_server(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"].replace("permission", "policy")
        key = self._keep(self._authorization[kind], await request.json())
        made = self._authorization[kind][key]
        made["_id"] = key
        self._permit()
        return web.json_response(made, status=201)

    async def _update_permission(self, request: web.Request) -> web.Response:
        self._policy(request).update(await request.json())
        self._permit()
        return web.Response(status=201)

    async def _list_of_policy(self, request: web.Request) -> web.Response:
        kinds = request.match_info["kind"]
        kept = self._authorization[kinds.removesuffix("s")]
        return web.json_response([kept[key] for key in self._policy(request)[kinds]])

    async def _list_policies_of(self, request: web.Request) -> web.Response:
        kept = self._authorization["policy"]
        found = [kept[key] for key in self._policy(request)["policies"] if key in kept]
        return web.json_response(found)

    async def _delete_policy(self, request: web.Request) -> web.Response:
        kept = self._authorization["policy"]
        gone = self._policy(request)["id"]
        del kept[gone]
        for permission in self._scope_permissions():
            if gone in permission["policies"]:
                permission["policies"].remove(gone)
                if not permission["policies"]:
                    del kept[permission["id"]]
        self._permit()
        return web.Response(status=204)

    def _policy(self, request: web.Request) -> Object:
        found = self._authorization["policy"].get(request.match_info["part"])
        if found is None:
            raise _NotFoundError
        return found

    def _scope_permissions(self) -> list[Object]:
        return [p for p in self._authorization["policy"].values() if p["type"] == "scope"]

    # What it means.

    def _admit(self, key: str) -> None:
        """Let a client that was made here get tokens, as it is now."""
        client = self._clients[key]
        if not client.get("enabled", True):
            self.grants.dismiss(client["clientId"])
            return
        self.grants.admit(Client(client["clientId"], client["secret"], service_account=True))
        groups = tuple(self._groups[g]["path"] for u, g in self._members if u == key)
        self.grants.move(client["clientId"], groups)

    def _permit(self) -> None:
        """Say anew what every client is permitted."""
        kept = self._authorization
        self.permissions.forget()
        for permission in self._scope_permissions():
            scopes = [kept["scope"][key]["name"] for key in permission["scopes"]]
            for policy in (kept["policy"].get(key) for key in permission["policies"]):
                for client in policy["clients"] if policy else ():
                    for resource in permission["resources"]:
                        name = kept["resource"][resource]["name"]
                        account = _account(self._clients[client])["username"]
                        self.permissions.permit(account, name, scopes)

    def _keep(self, objects: _Objects, made: Object) -> str:
        key = str(uuid4())
        objects[key] = {**made, "id": key}
        return key


def _found(objects: _Objects, request: web.Request) -> Object:
    found = objects.get(request.match_info["id"])
    if found is None:
        raise _NotFoundError
    return found


def _listed(kept: Object) -> Object:
    """As it stands in a list, where Keycloak has the clients of a policy as text."""
    return (
        kept | {"config": {"clients": json.dumps(kept["clients"])}} if "clients" in kept else kept
    )


def _account(client: Object) -> Object:
    return _user(client["id"], f"service-account-{client['clientId']}")


def _user(key: str, username: str) -> Object:
    return {"id": key, "username": username, "enabled": True}


def _created(request: web.Request, key: str) -> web.Response:
    return web.Response(status=201, headers={"Location": f"{request.url}/{key}"})
