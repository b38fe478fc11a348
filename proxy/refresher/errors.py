"""What goes wrong with one Secret, and stops none of the others."""


class RefreshError(Exception):
    """A token cannot be renewed.

    The message says what to mend. It is shown in an annotation and in the log, so
    it names fields, objects and HTTP status codes, and holds nothing that was in
    a Secret or in an answer of an issuer.
    """


def quoted(text: str) -> str:
    """A name that somebody else chose, for a message: short, and on the line where it is put."""
    return f"`{''.join(c if c.isprintable() and c != '`' else '?' for c in text[:100])}`"
