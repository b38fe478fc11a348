"""Files that hold what only their owner may read, written whole or not at all."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile


def write(path: Path, content: str, *, replace: bool) -> None:
    """Write a file with mode 0600; a symlink in its place is replaced, never followed.

    Raises:
        FileExistsError: there is something of that name, and `replace` is not set.
        OSError: it cannot be written.
    """
    with NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        unfinished = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if replace:
                unfinished.replace(path)
            else:
                # A rename would replace what somebody has put there meanwhile.
                path.hardlink_to(unfinished)
        finally:
            unfinished.unlink(missing_ok=True)
