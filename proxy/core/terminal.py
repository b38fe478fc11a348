"""What may be shown: the words of others must not be commands to a terminal."""


def printable(line: str) -> str:
    """A line with `?` in place of every character that is more than a sign on paper."""
    return "".join(character if character.isprintable() else "?" for character in line)
