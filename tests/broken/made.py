"""Files that are broken in ways that neither git nor an editor keeps."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final


def _text(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """Change what the good file says."""

    def break_(folder: Path) -> None:
        file = folder / "blue.yaml"
        file.write_bytes(change(file.read_bytes()))

    return break_


def _instead(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Have something else where the good file is."""

    def break_(folder: Path) -> None:
        (folder / "blue.yaml").unlink()
        make(folder / "blue.yaml")

    return break_


def _twice(folder: Path) -> None:
    (folder / "copy.yaml").write_bytes((folder / "blue.yaml").read_bytes())


def _gone(folder: Path) -> None:
    (folder / "blue.yaml").unlink()
    folder.rmdir()


def _two_files(folder: Path) -> None:
    good = (folder / "blue.yaml").read_text()
    (folder / "blue.yaml").write_text(good.replace("viewer", "view"))
    (folder / "red.yaml").write_text(good.replace("name: blue", "name: red") + "---\na: [\n")


MADE: Final[dict[str, Callable[[Path], object]]] = {
    "latin-1": _text(lambda good: good + b"# caf\xe9\n"),
    "utf-16": _text(lambda good: good.decode().encode("utf-16")),
    "byte-order-mark-inside": _text(lambda good: good + b"---\n\xef\xbb\xbf" + good),
    "nul": _text(lambda good: good.replace(b"corp", b"co\0rp")),
    "bell": _text(lambda good: good + b"# \a\n"),
    "terminal-escape": _text(lambda good: good.replace(b"corp", b"\x1b]0;owned\x07corp")),
    "escape-in-quotes": _text(lambda good: good.replace(b"viewer", b'"\\e[2Jviewer"')),
    "lone-carriage-return": _text(lambda good: good + b"#\rrole: editor\n"),
    "line-separator": _text(lambda good: good + "#\u2028\n".encode()),
    "direction-mark": _text(lambda good: good.replace(b"corp", "\u202ecorp".encode())),
    "zero-width-space": _text(lambda good: good.replace(b"corp", "co\u200brp".encode())),
    "typographic-quotes": _text(lambda good: good.replace(b"viewer", "“viewer”".encode())),
    "non-breaking-space": _text(lambda good: good.replace(b"  name", "\u00a0 name".encode())),
    "ten-mebibytes": _text(lambda _: b"#" * 10 * 2**20),
    "fifty-thousand-values": _text(lambda good: good + b"x: [" + b"a, " * 50_000 + b"]\n"),
    "deep-nesting": _text(lambda _: b"[" * 100_000),
    "deep-mappings": _text(lambda good: good + b"x: " + b"{a: " * 1000),
    "symlink-loop": _instead(lambda path: path.symlink_to(path.name)),
    "dangling-symlink": _instead(lambda path: path.symlink_to("gone")),
    # What root, too, cannot read.
    "unreadable-file": _instead(lambda path: path.symlink_to("/proc/self/mem")),
    "folder-for-file": _instead(Path.mkdir),
    "pipe": _instead(os.mkfifo),
    "device": _instead(lambda path: path.symlink_to("/dev/zero")),
    "empty-folder": lambda folder: (folder / "blue.yaml").unlink(),
    "no-folder": _gone,
    "copied-file": _twice,
    "two-files": _two_files,
}
