"""What kinds of things are wrong: names by which scripts and editors tell problems apart.

A name stays, whatever the message says, since people write it into filters.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """Whether a set of files cannot be used, or can and is most likely not what was meant."""

    ERROR = "error"
    WARNING = "warning"


class Code(StrEnum):
    """A kind of problem."""

    # No file, or no text.
    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"
    NO_DOCUMENT = "no-document"
    NOT_UTF8 = "not-utf-8"
    INVISIBLE_CHARACTER = "invisible-character"
    # No YAML that every reader reads alike.
    NOT_YAML = "not-yaml"
    TOO_DEEP = "too-deep"
    ANCHOR = "anchor"
    ALIAS = "alias"
    TAG = "tag"
    MERGE_KEY = "merge-key"
    DUPLICATE_KEY = "duplicate-key"
    NOT_TEXT = "not-text"
    AMBIGUOUS = "ambiguous"
    # No policy.
    WRONG_TYPE = "wrong-type"
    UNKNOWN_FIELD = "unknown-field"
    MISSING_FIELD = "missing-field"
    UNKNOWN_VALUE = "unknown-value"
    INVALID_VALUE = "invalid-value"
    CONTRADICTION = "contradiction"
    DUPLICATE_NAME = "duplicate-name"
    # A policy, and most likely not the one that was meant.
    NEVER_MATCHES = "never-matches"
    COVERED = "covered"
    EMPTIED = "emptied"
    WIDE = "wide"
    UNKNOWN_ISSUER = "unknown-issuer"
    UNKNOWN_NAMESPACE = "unknown-namespace"
    UNKNOWN_GROUP = "unknown-group"
    UNKNOWN_CLIENT = "unknown-client"
    UNKNOWN_USER = "unknown-user"

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return Severity.WARNING if self in _DOUBTS else Severity.ERROR

    @property
    def meaning(self) -> str:
        """What it says, in a sentence."""
        return _MEANINGS[self]


_DOUBTS: Final = frozenset(
    {
        Code.NEVER_MATCHES,
        Code.COVERED,
        Code.EMPTIED,
        Code.WIDE,
        Code.UNKNOWN_ISSUER,
        Code.UNKNOWN_NAMESPACE,
        Code.UNKNOWN_GROUP,
        Code.UNKNOWN_CLIENT,
        Code.UNKNOWN_USER,
    }
)

_MEANINGS: Final[Mapping[Code, str]] = {
    Code.UNREADABLE: "A file or folder cannot be read.",
    Code.TOO_LARGE: "A file has more bytes, or a document more values, than a policy may have.",
    Code.NO_DOCUMENT: "A file has no document, or a folder has no file.",
    Code.NOT_UTF8: "A file is not text in UTF-8.",
    Code.INVISIBLE_CHARACTER: "A character makes a file look other than it is.",
    Code.NOT_YAML: "A file is not YAML; nothing after that place was read.",
    Code.TOO_DEEP: "A document nests deeper than any policy does.",
    Code.ANCHOR: "A value has an anchor; policies are written out.",
    Code.ALIAS: "A value is an alias of another; policies are written out.",
    Code.TAG: "A value has a tag; policies have none.",
    Code.MERGE_KEY: "A mapping merges another; policies are written out.",
    Code.DUPLICATE_KEY: "A mapping has a field twice, and readers differ on which one counts.",
    Code.NOT_TEXT: "The name of a field is not text.",
    Code.AMBIGUOUS: "A value is text to some readers of YAML and a number or a date to others.",
    Code.WRONG_TYPE: "A value is of another type than its field holds.",
    Code.UNKNOWN_FIELD: "A field is not one of the format.",
    Code.MISSING_FIELD: "A field that has to be there is not.",
    Code.UNKNOWN_VALUE: "A word is not one of those that its field may hold.",
    Code.INVALID_VALUE: "A value cannot mean anything, such as a pattern that matches nothing.",
    Code.CONTRADICTION: "Fields do not go together, or say nothing without others.",
    Code.DUPLICATE_NAME: "Two documents have the same name.",
    Code.NEVER_MATCHES: "A rule, or one of its subjects, can never match.",
    Code.COVERED: "Other rules say all that a rule says; without it, nothing would change.",
    Code.EMPTIED: "Denials take all that a rule grants; without it, nothing would change.",
    Code.WIDE: "A grant goes further than those beside it.",
    Code.UNKNOWN_ISSUER: "The proxy has no issuer of that name.",
    Code.UNKNOWN_NAMESPACE: "The cluster has no such namespace.",
    Code.UNKNOWN_GROUP: "The IAM has no such group.",
    Code.UNKNOWN_CLIENT: "The IAM has no such client.",
    Code.UNKNOWN_USER: "The IAM has no such user.",
}
