"""Which conversation answers an allowed request: one line a kind of request."""

from typing import assert_never

from proxy.core import discovery, hardwaredata, hostclaims, review, secrets, spanning
from proxy.core.attributes import (
    HARDWAREDATA,
    HOSTCLAIMS,
    DiscoveryRequest,
    ResourceRequest,
    ReviewRequest,
)
from proxy.core.conversation import Conversation, at_once
from proxy.core.narrowing import Call
from proxy.core.policy import RuleSet


def begin(call: Call, rules: RuleSet) -> Conversation:
    """Start to answer. Raises `Refused`, then or while it is driven."""
    request = call.allow.request
    match request:
        case DiscoveryRequest():
            return discovery.converse(call, request, rules.resources())
        case ReviewRequest():
            return at_once(review.answer(call, request, rules))
        case ResourceRequest(namespace=None):
            return spanning.converse(call)
        case ResourceRequest() if request.resource == HOSTCLAIMS:
            return hostclaims.converse(call)
        case ResourceRequest() if request.resource == HARDWAREDATA:
            return hardwaredata.converse(call)
        case ResourceRequest():
            return secrets.converse(call)
    assert_never(request)
