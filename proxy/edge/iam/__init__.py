"""What the IAM says now: questions that the proxy asks while it serves.

`answers` remembers what was said, for a bounded time, and `breaker` spares an
IAM that does not answer. Each question has a module of its own; `lines` are the
ways to Keycloak that some of them go by. Those are not loaded with the package:
python-keycloak takes half a second, which only who asks should have to wait.
"""

from proxy.edge.iam.answers import Ages, Answers
from proxy.edge.iam.breaker import Away
from proxy.edge.iam.introspection import Introspected, Introspection

__all__ = ["Ages", "Answers", "Away", "Introspected", "Introspection"]
