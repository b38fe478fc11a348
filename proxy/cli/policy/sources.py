"""What entitles people: policy files by themselves, or all that a configuration names."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from proxy import settings
from proxy.cli import ending
from proxy.core.identity import Identity, IssuerRules
from proxy.core.policy import Combination, Placed, PolicySet, RuleSet
from proxy.edge.policyfiles import PolicyError, load_with_tests
from proxy.settings import Settings, SettingsError

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Sources:
    """What entitles people, as `serve` would have it, and the tests that stand beside it.

    `issuers` and `settings` are known with a configuration alone. Callers of `asked` are
    entitled by what the IAM permits them, too, which nobody but they can ask. Without
    `files`, none are a source that would have to agree.
    """

    files: PolicySet | None
    combination: Combination = field(default_factory=Combination)
    issuers: Mapping[str, IssuerRules] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    tests: tuple[Placed, ...] = ()
    settings: Settings | None = None

    @property
    def policies(self) -> PolicySet:
        """The rules in the files."""
        return PolicySet() if self.files is None else self.files

    def rules_for(self, identity: Identity) -> RuleSet:
        """The rules that concern an identity, but for what the IAM permits it."""
        return self.combination.of(self.files, identity)

    def notes(self, issuers: Iterable[str] | None = None) -> tuple[str, ...]:
        """What else may count for those of some issuers, or of any, for people to read."""
        asked = self.asked if issuers is None else self.asked.intersection(issuers)
        return tuple(
            f"what the IAM permits those of {issuer} is not known here, and counts besides"
            for issuer in sorted(asked)
        )


def configuration(what: str) -> Callable[[_Command], _Command]:
    """The option that names the proxy's configuration, of which `what` counts."""
    return click.option(
        "--config",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"The proxy's configuration{what}",
    )


def options(command: _Command) -> _Command:
    """The options that say where policies are; `given` reads them."""
    for option in (
        configuration(": its policies, its issuers, and what its IAM grants."),
        click.option(
            "--policies",
            "paths",
            multiple=True,
            metavar="PATH",
            type=click.Path(path_type=Path),
            help="A policy file, or a folder of them, instead of the configuration's."
            " Can be given more than once.",
        ),
    ):
        command = option(command)
    return command


def given(paths: tuple[Path, ...], config: Path | None) -> Sources:
    """Read what the options name; ends with 2 if it cannot be used.

    Raises:
        click.UsageError: they name nothing.
    """
    if config is None and not paths:
        raise click.UsageError("give --policies or --config")
    try:
        return _made(paths, configured(config))
    except PolicyError as exc:
        raise ending.unusable(exc) from exc


def configured(config: Path | None) -> Settings | None:
    """The settings in a file, if there is one; ends with 2 if it cannot be used."""
    try:
        return None if config is None else settings.load(config)
    except SettingsError as exc:
        raise ending.unusable(exc) from exc


def chosen(paths: tuple[Path, ...], read: Settings | None) -> tuple[Path, ...]:
    """The paths that are given, or else those of the settings."""
    if not paths and read is not None and read.policies is not None:
        return read.policies.paths
    return paths


def _made(paths: tuple[Path, ...], read: Settings | None) -> Sources:
    paths = chosen(paths, read)
    written = load_with_tests(paths) if paths else None
    files, tests = (written.policies, written.tests) if written else (None, ())
    if read is None:
        return Sources(files, tests=tests)
    entitlements = read.entitlements
    return Sources(
        files,
        entitlements.combination(),
        {issuer.name: issuer.rules() for issuer in read.issuers},
        frozenset(asked.issuer for asked in entitlements.permissions),
        tests,
        settings=read,
    )
