"""Is a kubeconfig any good: what it leads to, what was answered there, and what that means.

`reading` follows a kubeconfig, `answers` reads what the server says, `findings` is what
comes together on the way, `printing` shows it. What is wrong is told with what would be
right; nothing that a kubeconfig holds in secret is in any word of it.
"""

from proxy.core.checkup.answers import Answer, judge, what, where, who
from proxy.core.checkup.findings import Access, Caller, Checkup, Finding, Place, Problem, Step
from proxy.core.checkup.printing import render, text
from proxy.core.checkup.reading import locate, plugin_token

__all__ = [
    "Access",
    "Answer",
    "Caller",
    "Checkup",
    "Finding",
    "Place",
    "Problem",
    "Step",
    "judge",
    "locate",
    "plugin_token",
    "render",
    "text",
    "what",
    "where",
    "who",
]
