"""Content hashes, and what became of a file that a saved state names."""
import hashlib
import os
from dataclasses import replace

import numpy as np
import pytest

from nets.errors import UserError
from renderer import content
from renderer.content import Found, checkpoints, content_hash, find, is_file_path, moved, stamped, unstamped
from renderer.types import Checkpoint, Compare, Latent, RenderRequest


@pytest.fixture
def network(tmp_path):
    """A file of some blocks under a name of other letters."""
    path = tmp_path / "Netz ü 脸.pkl"
    path.write_bytes(np.random.RandomState(0).bytes(2 * content.BLOCK + 12345))
    return path


def asking(*paths) -> RenderRequest:
    """A request to the first, which compares it with the second and a pinned request to the third."""
    first, second, third = paths
    return RenderRequest(Checkpoint(str(first)), Latent(x=4.0),
                         compare=Compare(checkpoint=Checkpoint(str(second)),
                                         pinned=RenderRequest(Checkpoint(str(third), device="cpu"))))


def test_hash_is_sha_256_and_tells_how_far_it_is(network):
    heard = []
    assert content_hash(network, heard.append) == hashlib.sha256(network.read_bytes()).hexdigest()
    assert heard == sorted(heard) and len(heard) == 3 and heard[-1] == 1.0


def test_an_empty_file_has_a_hash(tmp_path):
    (tmp_path / "empty").touch()
    assert content_hash(str(tmp_path / "empty")) == hashlib.sha256().hexdigest()


@pytest.mark.parametrize("path", ["", "demo:stylegan2", "https://example.org/a.pkl", "gs://bucket/a.pkl"])
def test_what_is_no_local_file_has_no_hash(path):
    assert content_hash(path) == "" and not is_file_path(path)


def test_paths_are_no_urls():
    assert all(map(is_file_path, ("a.pkl", "C:\\nets\\a.pkl", "C://nets/a.pkl", "/demo:/a", "ä:b")))


def test_hash_is_remembered_until_the_file_changes(network):
    first, heard = content_hash(network), []
    assert content_hash(network, heard.append) == first and not heard
    before = network.stat()
    network.write_bytes(b"x" * before.st_size)
    os.utime(network, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert content_hash(network, heard.append) == hashlib.sha256(network.read_bytes()).hexdigest() != first and heard


def test_progress_may_give_up(network):
    class Enough(Exception):
        pass

    def stop(fraction):
        raise Enough
    os.utime(network, ns=(1, 1))
    with pytest.raises(Enough):
        content_hash(network, stop)
    assert content_hash(network) == hashlib.sha256(network.read_bytes()).hexdigest()


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "missing.pkl", tmp_path, "x" * 5000, "a\0b"):
        with pytest.raises(UserError) as error:
            content_hash(path)
        assert "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="no ordinary file"):
        content_hash(tmp_path / "pipe")
    assert find(RenderRequest(Checkpoint(str(tmp_path / "pipe"), content="a"))) == (
        Found(str(tmp_path / "pipe"), "missing", ""),)


def test_stamping_reaches_every_checkpoint(network, tmp_path):
    other = tmp_path / "other.pkl"
    other.write_bytes(b"other")
    request = stamped(asking(network, "demo:stylegan2", other))
    hashes = [content_hash(network), "", content_hash(other)]
    assert [c.content for c in checkpoints(request)] == hashes and all(len(h) in (0, 64) for h in hashes)
    assert unstamped(request) == asking(network, "demo:stylegan2", other)
    assert stamped(request) == request


def test_stamping_makes_paths_absolute(network, monkeypatch):
    monkeypatch.chdir(network.parent)
    assert stamped(RenderRequest(Checkpoint(network.name))).checkpoint.path == str(network)
    monkeypatch.setenv("HOME", str(network.parent))
    monkeypatch.setenv("USERPROFILE", str(network.parent))
    assert stamped(RenderRequest(Checkpoint(f"~/{network.name}"))).checkpoint.path == str(network)


def test_stamping_a_file_that_is_gone_keeps_what_was_known(tmp_path):
    request = RenderRequest(Checkpoint(str(tmp_path / "gone.pkl"), content="abc"))
    assert stamped(request) == request
    assert stamped(RenderRequest(Checkpoint("demo:stylegan2", content="abc"))).checkpoint.content == ""


def test_a_file_that_is_still_the_same(network):
    request = stamped(RenderRequest(Checkpoint(str(network))))
    assert find(request) == (Found(str(network), "same", str(network)),)
    assert find(unstamped(request)) == (Found(str(network), "same", str(network)),)
    assert find(RenderRequest(Checkpoint("demo:stylegan2"))) == find(RenderRequest()) == ()


def test_a_file_that_changed(network, tmp_path):
    request = stamped(RenderRequest(Checkpoint(str(network))))
    copy = tmp_path / "kept.pkl"
    copy.write_bytes(network.read_bytes())
    network.write_bytes(b"trained on")
    assert find(request) == (Found(str(network), "changed", ""),)
    assert find(request, [str(network), str(copy)]) == (Found(str(network), "changed", str(copy)),)


def test_a_file_that_moved_is_found_by_its_content(network, tmp_path):
    request = stamped(RenderRequest(Checkpoint(str(network))))
    (tmp_path / "elsewhere").mkdir()
    there = network.rename(tmp_path / "elsewhere" / "renamed.pkl")
    decoy = tmp_path / "elsewhere" / network.name
    decoy.write_bytes(b"another network of the same name")
    known = ["demo:stylegan2", "", "https://example.org/a.pkl", str(tmp_path / "no.pkl"), str(tmp_path), str(decoy)]
    assert find(request, known) == (Found(str(network), "missing", ""),)
    found, = find(request, [*known, str(there)])
    assert found == Found(str(network), "missing", str(there))
    again = moved(request, found.named, found.path)
    assert again == RenderRequest(Checkpoint(str(there))) and find(again)[0].state == "same"


def test_a_file_beside_its_picture(network, tmp_path):
    """A folder that was moved, or unpacked on another system, with the network and the pictures in it."""
    request = RenderRequest(Checkpoint(rf"D:\runs\{network.name}", content=content_hash(network)))
    assert find(request, [], tmp_path / "shot.png") == (Found(request.checkpoint.path, "missing", str(network)),)
    assert find(request, [], tmp_path / "deeper" / "shot.png")[0].path == ""
    stranger = replace(request, checkpoint=replace(request.checkpoint, content="0" * 64))
    assert find(stranger, [], tmp_path / "shot.png")[0].path == ""


def test_without_a_hash_nothing_is_taken_for_it(network, tmp_path):
    request = RenderRequest(Checkpoint(str(tmp_path / "gone" / network.name)))
    assert find(request, [str(network)], tmp_path / "shot.png") == (Found(request.checkpoint.path, "missing", ""),)


def test_every_file_of_a_comparison_is_looked_for(network, tmp_path):
    other = tmp_path / "other.pkl"
    other.write_bytes(b"other")
    request = stamped(asking(network, other, network))
    other.unlink()
    assert find(request) == (Found(str(network), "same", str(network)), Found(str(other), "missing", ""))
    assert [c.path for c in checkpoints(moved(request, str(network), "new.pkl"))] == ["new.pkl", str(other), "new.pkl"]
