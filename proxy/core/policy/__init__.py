"""What is granted: policy documents, read strictly and compiled into rules.

`model` is what a policy may say, `testmodel` what a test of policies may, both made
of `values`; `formats` has all kinds of documents. `reading` turns documents into
rules and tests, or says what is wrong (`faults`, `codes`) and where (`located`).
`subjects` finds the rules that concern an identity, `rules` the one that fits a
request. Not all rules are written in files: `claimed` reads those that a token makes,
`permitted` those that an IAM answers with, and `combining` says what several
sources grant together. `origins` tells where each is from, `hits` how often it
decided, and `inforce` is what operators are told of all.

Reading finds every problem at once. What was read is held in indexes, so that
asking costs the same however many rules concern somebody else, and cannot fail.
"""

from proxy.core.policy.claimed import ClaimGrant, ClaimGrants
from proxy.core.policy.codes import Code, Severity
from proxy.core.policy.combining import Combination, Combine, combined
from proxy.core.policy.faults import Fault
from proxy.core.policy.formats import schema
from proxy.core.policy.hits import Hits
from proxy.core.policy.located import Document, Path, Position, Problem, dotted, shown
from proxy.core.policy.model import API_VERSION
from proxy.core.policy.origins import AnyOrigin, Origin, places
from proxy.core.policy.reading import Read, parse, read
from proxy.core.policy.rules import ROLES, Effect, Permission, Role, Rule, RuleSet
from proxy.core.policy.subjects import Entry, PolicySet
from proxy.core.policy.testmodel import Placed, Trial

__all__ = [
    "API_VERSION",
    "ROLES",
    "AnyOrigin",
    "ClaimGrant",
    "ClaimGrants",
    "Code",
    "Combination",
    "Combine",
    "Document",
    "Effect",
    "Entry",
    "Fault",
    "Hits",
    "Origin",
    "Path",
    "Permission",
    "Placed",
    "PolicySet",
    "Position",
    "Problem",
    "Read",
    "Role",
    "Rule",
    "RuleSet",
    "Severity",
    "Trial",
    "combined",
    "dotted",
    "parse",
    "places",
    "read",
    "schema",
    "shown",
]
