"""Bytes that are no message. No error quotes them: they may hold a token."""


class MalformedError(Exception):
    """This is not HTTP/1.1 as RFC 9112 has it."""


class HeadTooLargeError(MalformedError):
    """A line of a head, or all of it, is longer than it may be."""
