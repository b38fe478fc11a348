"""The demo: a whole cluster, an issuer and the proxy on one machine.

Belongs here: whatever stands in for the world around the proxy. Nothing that serves tenants
imports it.
"""
