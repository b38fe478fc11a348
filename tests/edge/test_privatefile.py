"""Files for their owner alone come whole or not at all."""

from pathlib import Path

import pytest

from proxy.edge import privatefile


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    privatefile.write(file, "one", replace=False)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("one", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_there_stays_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text("one")
    with pytest.raises(FileExistsError):
        privatefile.write(file, "two", replace=False)
    assert file.read_text() == "one"
    privatefile.write(file, "two", replace=True)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("two", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("one")
    link = tmp_path / "kubeconfig"
    link.symlink_to(other)
    with pytest.raises(FileExistsError):
        privatefile.write(link, "two", replace=False)
    privatefile.write(link, "two", replace=True)
    assert (link.is_symlink(), link.read_text(), other.read_text()) == (False, "two", "one")


def test_a_symlink_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    link = tmp_path / "kubeconfig"
    link.symlink_to("none")
    with pytest.raises(FileExistsError):
        privatefile.write(link, "two", replace=False)
    assert [path.name for path in tmp_path.iterdir()] == ["kubeconfig"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        privatefile.write(tmp_path / "none" / "kubeconfig", "one", replace=False)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        privatefile.write(tmp_path / "folder", "one", replace=True)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
