"""The composition root: the only module that knows every room that serves tenants.

Builds the rooms from the settings, starts them in order, and stops them in
the order in which nothing is lost. `serving` says in how many processes, and
what operators and issuers are served beside.
"""

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from proxy.background import Background
from proxy.core.policy import Hits, PolicySet, inforce
from proxy.edge.auditlog import JsonLines
from proxy.edge.certificate import Certificate
from proxy.edge.iam import Ages, Answers, Introspected, Introspection
from proxy.edge.jwks import COOLDOWN, IssuerConfig, Issuers, SignedNotices, TokenVerifier
from proxy.edge.management import JSON, POLICIES, Check, Looks, Page, looking
from proxy.edge.metrics import CONTENT_TYPE, Metrics
from proxy.edge.policyfiles import PolicyError, PolicyFiles
from proxy.edge.server import Bounds, Server
from proxy.edge.upstream import ApiServer, ClusterAccess, ClusterError, Timeouts
from proxy.edge.yamlbody import to_json
from proxy.pipeline import CombinedEntitlements, Limits, Pipeline, Ports, Source
from proxy.ports import Entitlements
from proxy.settings import (
    IntrospectionSettings,
    IssuerSettings,
    PermissionEntitlements,
    PolicySettings,
    QuestionSettings,
    Settings,
)

if TYPE_CHECKING:
    from proxy.edge.iam.permissions import Permissions

REFUSED_SECONDS = 5.0
"""For how long an IAM that says no is not asked again, at most."""


class StartError(Exception):
    """The proxy cannot start; the message says what to mend."""


class App:
    """What serves tenants: built from settings, started, and stopped.

    `looks` is what operators see of it, `notices` takes what issuers end, and
    `certificate` is what it shows to whoever connects.
    """

    def __init__(self, settings: Settings) -> None:
        """Build everything that needs no I/O beyond reading files.

        Raises:
            StartError: a file or a value in the settings cannot be used.
        """
        self._settings = settings
        self._stopping = False
        self._background = Background()
        self._metrics = Metrics()
        with needing("server.certFile, server.keyFile"):
            self.certificate = Certificate(settings.server.cert_file, settings.server.key_file)
        self._issuers, self._introspections, self._verifier = _trusting(settings.issuers)
        self._policies = _policies(settings.policies)
        with needing("entitlements.permissions"):
            self._permissions = _permissions(settings)
        self._questions: dict[tuple[str, str], Answers[Any]] = {
            **{(n, "introspection"): each.answers for n, each in self._introspections.items()},
            **{(each.issuer, "permissions"): each.answers for each in self._permissions},
        }
        with needing("audit.file"):
            self._audit = JsonLines(settings.audit.file, shared=settings.server.workers > 1)
        cluster = settings.cluster
        self._upstream = ApiServer(
            ClusterAccess(cluster.kubeconfig, cluster.context),
            Timeouts(connect=cluster.connect_seconds, answer=cluster.answer_seconds),
        )
        self._pipeline = Pipeline(
            Ports(
                authenticator=self._verifier,
                entitlements=self._entitlements(),
                upstream=self._upstream,
                read_yaml=to_json,
                audit_log=self._audit,
                meter=self._metrics,
                hits=Hits(PolicySet()) if self._policies is None else self._policies.hits,
                clock=time.time,
                new_id=partial(next, _ids()),
            ),
            Limits(
                requests=settings.server.max_requests,
                requests_per_caller=settings.server.max_requests_per_caller,
                watches=settings.server.max_watches,
                watches_per_caller=settings.server.max_watches_per_caller,
            ),
        )
        self._server = Server(
            self._pipeline,
            self.certificate.context,
            Bounds(
                idle=settings.server.idle_seconds,
                body=settings.server.body_seconds,
                stall=settings.server.stall_seconds,
                connections=settings.server.max_connections,
            ),
        )
        self.notices = SignedNotices(self._issuers, self._verifier.revoke)
        self.looks = Looks(
            live=looking({}),  # that the event loop got here is what is asked
            ready=looking(self._checks()),
            notes=looking(self._notes()),
            metrics=self._page,
            pages={POLICIES: self._policies_in_force},
        )
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Start all but the listener; what was begun is undone if something cannot start.

        Raises:
            StartError: the cluster's credentials cannot be had.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self._audit.close)
            stack.callback(self._pipeline.write_down)
            stack.push_async_callback(self._upstream.close)
            with needing("cluster"):
                await self._upstream.start()
            for introspection in self._introspections.values():
                stack.push_async_callback(introspection.close)
            for permissions in self._permissions:
                stack.push_async_callback(permissions.close)
            stack.push_async_callback(self._issuers.close)
            await self._issuers.start()
            if self._policies is not None:
                self._background.run(stack, self._policies.run())
            self._background.run(stack, self.certificate.run())
            if (interval := _recheck_interval(self._settings)) is not None:
                self._background.run(stack, self._pipeline.recheck_watches(interval))
            self._show_metrics()
            self._stack = stack.pop_all()

    async def listen(self, bound: socket.socket | None = None) -> int:
        """Let tenants in, by a socket that is bound if there is one; returns the port.

        Raises:
            StartError: the address cannot be had.
        """
        address = self._settings.server.address
        with needing("server.address"):
            if bound is not None:
                return await self._server.start_on(bound)
            return await self._server.start(address.host, address.port)

    async def drain(self, *, at_once: bool = False) -> None:
        """Let nobody in any more: not ready, no new connections, watches end, requests finish.

        `at_once` waits for no load balancers first.
        """
        shutdown = self._settings.shutdown
        self._stopping = True
        if not at_once:
            await asyncio.sleep(shutdown.delay_seconds)
        self._pipeline.drain()
        await self._server.stop(shutdown.grace_seconds)

    async def close(self) -> None:
        """Undo the start."""
        await self._stack.aclose()

    async def failed(self) -> None:
        """Return once a part of the proxy has failed and it must stop."""
        await self._background.failed()

    def reopen_logs(self) -> None:
        """Start a new audit file under the same name."""
        self._audit.reopen()

    async def _page(self) -> Page:
        return self._metrics.page(), CONTENT_TYPE

    async def _policies_in_force(self) -> Page:
        if self._policies is None:
            return inforce.encode(inforce.InForce(configured=False)), JSON
        return inforce.encode(self._policies.in_force()), JSON

    def _entitlements(self) -> Entitlements:
        """Every source that is configured, as one."""
        settings = self._settings.entitlements
        if self._policies is not None and not settings.claims and not self._permissions:
            return self._policies
        files = () if self._policies is None else (Source(self._policies),)
        asked = (Source(one, frozenset({one.issuer})) for one in self._permissions)
        return CombinedEntitlements(settings.combination(), (*files, *asked))

    def _checks(self) -> dict[str, Check]:
        """What must hold before tenants are sent here; each says what is wrong, or nothing."""
        return {
            "shutdown": _plain(lambda: "stopping" if self._stopping else ""),
            "audit": _plain(
                lambda: "" if self._pipeline.audit_works else "records cannot be written"
            ),
            "cluster": self._check_cluster,
            "issuers": _plain(self._trouble_with_all_issuers),
        }

    def _notes(self) -> dict[str, Check]:
        """What is degraded while the proxy goes on."""
        notes = {"policies": _plain(self._trouble_with_policies)}
        for issuer in self._settings.issuers:
            notes[f"issuer-{issuer.name}"] = self._note_on_issuer(issuer.name)
        for (name, question), answers in self._questions.items():
            notes[f"{question}-{name}"] = _plain(answers.trouble)
        for permissions in self._permissions:
            notes[f"permissions-{permissions.issuer}"] = _plain(permissions.trouble)
        return notes

    def _trouble_with_policies(self) -> str:
        return "" if self._policies is None else self._policies.trouble()

    def _note_on_issuer(self, name: str) -> Check:
        return _plain(lambda: self._issuers.troubles()[name])

    def _trouble_with_all_issuers(self) -> str:
        """One issuer may be a tenant's own; its absence must not stop the others' service."""
        troubles = self._issuers.troubles()
        if not all(troubles.values()):
            return ""
        return "; ".join(f"{name}: {trouble}" for name, trouble in troubles.items())

    async def _check_cluster(self) -> str:
        return "" if await self._upstream.reachable() else "the apiserver does not answer"

    def _show_metrics(self) -> None:
        show = self._metrics.show
        show(
            "hostclaim_proxy_upstream_requests",
            "Requests sent to the apiserver since the start.",
            lambda: self._upstream.sent,
        )
        show(
            "hostclaim_proxy_upstream_retries",
            "Reads sent once more since the start: the connection kept for them was dead.",
            lambda: self._upstream.retried,
        )
        show(
            "hostclaim_proxy_upstream_connections_made",
            "Connections made to the apiserver since the start.",
            lambda: self._upstream.connections_made,
        )
        show(
            "hostclaim_proxy_upstream_connections_open",
            "Connections to the apiserver that there are; each open watch has one.",
            lambda: self._upstream.connections_open,
        )
        if (policies := self._policies) is not None:
            show(
                "hostclaim_proxy_policies_loaded_timestamp_seconds",
                "When the policies in force were loaded, in seconds since the epoch.",
                lambda: policies.status.loaded_at,
            )
            show(
                "hostclaim_proxy_policies_rules",
                "Rules of the policy files that are in force.",
                lambda: policies.status.rules,
            )
            show(
                "hostclaim_proxy_policies_reloads",
                "Changes of the policy files since the start that are or were in force.",
                lambda: policies.status.reloads,
            )
            show(
                "hostclaim_proxy_policies_failures",
                "Changes of the policy files since the start that could not be loaded.",
                lambda: policies.status.failures,
            )
            show(
                "hostclaim_proxy_policies_broken",
                "1 while the policy files cannot be loaded and the last good ones are in force.",
                lambda: policies.status.error is not None,
            )
        self._show_metrics_of_iams()

    def _show_metrics_of_iams(self) -> None:
        show = self._metrics.show_each
        show(
            "hostclaim_proxy_token_verifications",
            "Tokens looked at since the start, by what came of it.",
            ("result",),
            lambda: {(result,): count for result, count in self._verifier.verifications.items()},
        )
        show(
            "hostclaim_proxy_key_fetches",
            "Fetches of signing keys since the start, by issuer and result.",
            ("issuer", "result"),
            self._issuers.fetches,
        )
        show(
            "hostclaim_proxy_revocations",
            "What issuers said they had ended, since the start.",
            ("issuer", "kind"),
            lambda: self.notices.taken,
        )
        show(
            "hostclaim_proxy_iam_questions",
            "Questions to an IAM since the start, by issuer and kind.",
            ("issuer", "question"),
            lambda: {key: answers.asked for key, answers in self._questions.items()},
        )
        show(
            "hostclaim_proxy_iam_failures",
            "Questions to an IAM that had no answer, since the start.",
            ("issuer", "question"),
            lambda: {key: answers.failed for key, answers in self._questions.items()},
        )
        show(
            "hostclaim_proxy_iam_answers_in_grace",
            "Requests since the start that went by what an IAM had said before it was away.",
            ("issuer", "question"),
            lambda: {key: answers.in_grace for key, answers in self._questions.items()},
        )
        show(
            "hostclaim_proxy_iam_breaker_open",
            "1 while an IAM does not answer and is mostly not asked.",
            ("issuer", "question"),
            lambda: {key: answers.spared for key, answers in self._questions.items()},
        )


@asynccontextmanager
async def verifying(settings: Settings) -> AsyncIterator[TokenVerifier]:
    """What tells who asks, as it does while it serves, for whoever serves nobody.

    Raises:
        StartError: a file or a value in the settings cannot be used.
    """
    issuers, introspections, verifier = _trusting(settings.issuers)
    async with AsyncExitStack() as stack:
        for introspection in introspections.values():
            stack.push_async_callback(introspection.close)
        stack.push_async_callback(issuers.close)
        await issuers.start()
        yield verifier


def _trusting(
    settings: Sequence[IssuerSettings],
) -> tuple[Issuers, dict[str, Introspection], TokenVerifier]:
    """Whose tokens count, who is asked about them, and who verifies them."""
    with needing("issuers"):
        configs = [_issuer(issuer) for issuer in settings]
        issuers = Issuers(configs)
        introspections = _introspections(settings, configs)
    return issuers, introspections, TokenVerifier(issuers, introspections)


def _ids() -> Iterator[str]:
    """UUIDs (RFC 9562, 5.8), as the apiserver has for an Audit-ID.

    They are told apart, and are no secret: the first digits are random, the others count on.
    """
    made = str(uuid.uuid4())
    first = f"{made[:14]}8{made[15:-12]}"
    return (f"{first}{number:012x}" for number in count(int(made[-11:], 16)))


@contextmanager
def needing(fields: str) -> Iterator[None]:
    """Name the fields of the settings by which something cannot be had."""
    try:
        yield
    except (PolicyError, ClusterError) as exc:
        # These name what they are about, down to the line.
        raise StartError(str(exc)) from exc
    except (OSError, ValueError) as exc:
        raise StartError(f"{fields}: {exc}") from exc


def _issuer(settings: IssuerSettings) -> IssuerConfig:
    return IssuerConfig(
        rules=settings.rules(),
        algorithms=settings.algorithms,
        discovery_url=settings.discovery_url,
        jwks_url=settings.jwks_url,
        jwks_file=settings.jwks_file,
        ca_file=settings.ca_file,
        refresh_interval=settings.refresh_seconds,
        max_stale=settings.max_stale_seconds,
        cooldown=min(COOLDOWN, settings.refresh_seconds),
        verify=settings.verify,
        client_id=settings.introspection.client_id if settings.introspection else "",
    )


def _introspections(
    issuers: Iterable[IssuerSettings], configs: Iterable[IssuerConfig]
) -> dict[str, Introspection]:
    """Who is asked about its tokens, by name."""
    return {
        issuer.name: Introspection(_introspected(issuer, issuer.introspection, config))
        for issuer, config in zip(issuers, configs, strict=True)
        if issuer.introspection is not None
    }


def _introspected(
    issuer: IssuerSettings, settings: IntrospectionSettings, config: IssuerConfig
) -> Introspected:
    return Introspected(
        name=issuer.name,
        issuer=issuer.url,
        metadata_url=config.metadata_url,
        url=settings.url,
        client_id=settings.client_id,
        client_secret_file=settings.client_secret_file,
        ca_file=issuer.ca_file,
        ages=_ages(settings),
    )


def _ages(settings: QuestionSettings) -> Ages:
    return Ages(
        yes=settings.cache_seconds,
        # Who was refused and is let in again has not to wait for long.
        no=min(settings.cache_seconds, REFUSED_SECONDS),
        grace=settings.grace_seconds,
        timeout=settings.timeout_seconds,
    )


def _recheck_interval(settings: Settings) -> float | None:
    """How often open watches are decided again, in seconds; None if no IAM is asked.

    What an IAM said is asked again once half of its time is over, and is given a
    quarter to answer: with the quarter until somebody looks, that is the whole.
    """
    ages = [each.introspection.cache_seconds for each in settings.issuers if each.introspection]
    ages += [each.cache_seconds for each in settings.entitlements.permissions]
    return min(ages) / 4 if ages else None


def _policies(settings: PolicySettings | None) -> PolicyFiles | None:
    if settings is None:
        return None
    with needing("policies.paths"):
        return PolicyFiles(settings.paths, interval=settings.poll_seconds)


def _permissions(settings: Settings) -> "tuple[Permissions, ...]":
    """One for each issuer whose realm is to be asked what it permits.

    Raises:
        ValueError: the issuer is not a realm of a Keycloak.
    """
    if not settings.entitlements.permissions:
        return ()
    # It takes half a second, which who asks nothing need not wait.
    from proxy.edge.iam.lines import Realm  # noqa: PLC0415
    from proxy.edge.iam.permissions import Permissions  # noqa: PLC0415

    issuers = {issuer.name: issuer for issuer in settings.issuers}

    def made(asked: PermissionEntitlements) -> Permissions:
        issuer = issuers[asked.issuer]
        # Where its metadata is reached, the rest of the realm is.
        url = issuer.discovery_url.removesuffix("/.well-known/openid-configuration") or issuer.url
        realm = Realm(
            url=url,
            client_id=asked.client_id,
            ca_file=issuer.ca_file,
            timeout=asked.timeout_seconds,
        )
        return Permissions(issuer.name, realm, _ages(asked))

    return tuple(made(asked) for asked in settings.entitlements.permissions)


def _plain(check: Callable[[], str]) -> Check:
    async def checked() -> str:
        return check()

    return checked
