"""Files that are there in full or not at all."""
import os
from pathlib import Path

import pytest

from nets.replacing import is_left_over, replacing


def test_the_new_file_takes_the_place_of_the_old_at_the_end(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old" and is_left_over(temporary) and temporary.parent == tmp_path
    assert path.read_bytes() == b"new" and not is_left_over(path)
    assert list(tmp_path.iterdir()) == [path]


def test_an_exception_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    with replacing(tmp_path / "a.bin") as temporary:
        os.chmod(temporary, 0o600)
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("name, expected", [
    (".state-1.safetensors.4711.tmp", True), (".tmpkGkcKy", True), (".tmp", False), (".git", False), ("a.1.tmp", False),
    (".notes.tmp", False), ("state-1.safetensors", False)])
def test_left_over_names(name, expected):
    assert is_left_over(Path("folder") / name) == expected
