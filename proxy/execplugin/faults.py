"""Why kubectl gets no token. Messages hold no token and no secret."""


class PluginError(Exception):
    """There is no token, and somebody should read why."""


class WrongUseError(PluginError):
    """The kubeconfig, an option or a file has to be changed first."""


class UnreachableError(PluginError):
    """The IAM does not answer now."""
