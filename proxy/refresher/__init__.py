"""Keeping tokens fresh in kubeconfigs that lie in Secrets of a management cluster.

For controllers that can read a kubeconfig from a Secret and run no exec plugin.
A program of its own, which runs beside those controllers: it is no part of what
serves tenants, and nothing of that is in here.

What is decided is decided by pure modules (`order`, `kubeconfig`, `credentials`,
`schedule`, `lease`); `cluster` speaks to the apiserver, and `service` puts it together.
"""
