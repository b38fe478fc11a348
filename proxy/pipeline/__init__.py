"""The life of one request, from its head to its audit record.

`life` has the order of things in one function. `admission` bounds how much is
under way, `watches` ends those whose decision no longer holds, and `weaving`
makes one stream of several. `entitlements` makes one source of several.
"""

from proxy.pipeline.admission import Limits
from proxy.pipeline.entitlements import CombinedEntitlements, Source
from proxy.pipeline.life import MAX_BODY, Pipeline, Ports

__all__ = ["MAX_BODY", "CombinedEntitlements", "Limits", "Pipeline", "Ports", "Source"]
