"""Our own token is read from its file each time: the kubelet replaces it."""

from pathlib import Path

import pytest

from proxy.refresher.errors import RefreshError
from proxy.refresher.schedule import Lifetime
from proxy.refresher.tokens import ProjectedFile
from tests.refresher.clocks import START
from tests.refresher.worlds import signed


async def test_the_file_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "token"
    file = ProjectedFile(path)
    for begins in (START, START + 100):
        path.write_text(f"{signed(begins, 600)}\n")
        found = await file.token()
        assert (found.value, found.lifetime) == (
            signed(begins, 600),
            Lifetime(begins, begins + 600),
        )
        assert found.value not in repr(found)


@pytest.mark.parametrize("content", [b"", b"opaque", b"a.b.c", b"\xff\xfe"])
async def test_what_is_no_token_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(RefreshError, match="the token file"):
        await ProjectedFile(path).token()


async def test_a_file_that_is_not_there_is_refused_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(RefreshError) as refused:
        await ProjectedFile(tmp_path / "token").token()
    assert str(refused.value) == "the token file cannot be read"
