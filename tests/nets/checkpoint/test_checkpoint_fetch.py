"""Downloads, from a small server of our own: progress, cache, resuming, limits, and servers that misbehave."""
import http.server
import os
import re
import threading

import pytest
from checkpoint_files import dump_persistent, persist, random_network

from nets.checkpoint import fetch as fetch_module
from nets.checkpoint import open_checkpoint
from nets.checkpoint.fetch import fetch
from nets.config import DiscriminatorConfig
from nets.errors import CheckpointError

DATA = os.urandom(700_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves `data` at every path. `requests`: the Range of each, `paths` their paths; `cut`: bytes after which the
    connection breaks; `lies_by`: how far off the part it says it sends is."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.requests, self.paths = DATA, [], []
        self.cut, self.tag, self.has_ranges, self.says_size, self.lies_by = None, '"v1"', True, True, 0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path: str = "a%20net.pkl") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.requests.append(asked)
        server.paths.append(self.path)
        if self.path == "/gone":
            return self.send_error(404)
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/a.pkl")
            return self.end_headers()
        if self.path == "/to-a-file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            return self.end_headers()
        is_same = self.headers.get("If-Range") == server.tag
        start = int(re.match(r"bytes=(\d+)-", asked)[1]) if asked and server.has_ranges and is_same else 0
        if start >= len(server.data):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if server.tag:
            self.send_header("ETag", server.tag)
        if start:
            at = start + server.lies_by
            self.send_header("Content-Range", f"bytes {at}-{len(server.data) - 1}/{len(server.data)}")
        if server.says_size:
            self.send_header("Content-Length", str(len(server.data) - start))
        self.end_headers()
        self.wfile.write(server.data[start:][:server.cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def quiet(text, fraction):
    pass


def test_downloads_once_with_progress(server, folder):
    heard = []
    path = fetch(server.url(), lambda text, fraction: heard.append((text, fraction)), folder)
    assert path.read_bytes() == DATA and path.name.endswith("a_net.pkl") and path.parent == folder
    fractions = [fraction for _, fraction in heard]
    assert fractions == sorted(fractions) and fractions[-1] == 1 and len(fractions) > 1
    assert all("a_net.pkl" in text for text, _ in heard)
    assert fetch(server.url(), quiet, folder) == path and len(server.requests) == 1
    assert os.listdir(folder) == [path.name]
    assert fetch(server.url("other.pkl"), quiet, folder) != path


def test_a_cut_download_continues(server, folder):
    server.cut = 300_000
    with pytest.raises(CheckpointError, match="cut after 300000 of 700000|can't be downloaded"):
        fetch(server.url(), quiet, folder)
    server.cut = None
    assert fetch(server.url(), quiet, folder).read_bytes() == DATA
    assert server.requests == [None, "bytes=300000-"]


def test_a_changed_file_is_fetched_anew(server, folder):
    server.cut = 300_000
    with pytest.raises(CheckpointError):
        fetch(server.url(), quiet, folder)
    server.cut, server.tag, server.data = None, '"v2"', DATA[::-1]
    assert fetch(server.url(), quiet, folder).read_bytes() == DATA[::-1]


@pytest.mark.parametrize("tag, ranges", [('"v1"', False), ("", True), ('W/"v1"', True)])
def test_servers_that_cannot_continue_begin_again(server, folder, tag, ranges):
    server.cut, server.tag, server.has_ranges = 300_000, tag, ranges
    with pytest.raises(CheckpointError):
        fetch(server.url(), quiet, folder)
    server.cut = None
    assert fetch(server.url(), quiet, folder).read_bytes() == DATA


def test_a_finished_part_that_was_not_renamed(server, folder):
    class Cancelled(Exception):
        pass

    def stop_at_the_end(text, fraction):
        if fraction == 1:
            raise Cancelled
    with pytest.raises(Cancelled):
        fetch(server.url(), stop_at_the_end, folder)
    server.data = DATA[:256 * 1024]                          # nothing lies behind what was kept: 416
    part = next(folder.glob("*.part"))
    part.write_bytes(DATA[:256 * 1024])
    assert fetch(server.url(), quiet, folder).read_bytes() == server.data


def test_another_part_than_asked_for(server, folder):
    server.cut = 300_000
    with pytest.raises(CheckpointError):
        fetch(server.url(), quiet, folder)
    server.cut, server.lies_by = None, 7
    with pytest.raises(CheckpointError, match="another part"):
        fetch(server.url(), quiet, folder)


def test_cancelled_and_continued(server, folder):
    class Cancelled(Exception):
        pass

    def give_up(text, fraction):
        raise Cancelled
    with pytest.raises(Cancelled):
        fetch(server.url(), give_up, folder)
    assert fetch(server.url(), quiet, folder).read_bytes() == DATA
    assert server.requests[1] is not None


@pytest.mark.parametrize("says_size", [True, False])
def test_size_cap(server, folder, says_size):
    server.says_size = says_size
    with pytest.raises(CheckpointError, match="is larger than"):
        fetch(server.url(), quiet, folder, max_bytes=600_000)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 600_000
    assert fetch(server.url(), quiet, folder, max_bytes=700_000).read_bytes() == DATA


@pytest.mark.parametrize("path, says", [("gone", "404"), ("to-a-file", "302|redirect|file|unknown")])
def test_refusals(server, folder, path, says):
    with pytest.raises(CheckpointError, match=says) as caught:
        fetch(server.url(path), quiet, folder)
    assert "\n" not in str(caught.value) and not list(folder.iterdir())


def test_addresses_as_people_paste_them(server, folder):
    """Spaces and letters beyond ASCII are sent percent-encoded, what is encoded already stays."""
    for path, sent in (("a net.pkl", "/a%20net.pkl"), ("a%20net.pkl", "/a%20net.pkl"),
                       ("ψ.pkl?x=1 2", "/%CF%88.pkl?x=1%202"), ("a.pkl?sig=a%2Bb+c&d=[e]", "/a.pkl?sig=a%2Bb+c&d=[e]"),
                       ("a.pkl#part", "/a.pkl")):
        assert fetch(server.url(path), quiet, folder).read_bytes() == DATA
        assert server.paths[-1] == sent


def test_a_place_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="can't be kept in .*file"):
        fetch(server.url(), quiet, tmp_path / "file" / "cache")


def test_redirects(server, folder):
    assert fetch(server.url("elsewhere"), quiet, folder).read_bytes() == DATA


def test_no_server(folder, monkeypatch):
    monkeypatch.setattr(fetch_module, "TIMEOUT_SECONDS", 2.0)
    with pytest.raises(CheckpointError, match="can't be downloaded"):
        fetch("http://127.0.0.1:9/x.pkl", quiet, folder)
    for url in ("ftp://host/x.pkl", "https:///x.pkl", "javascript://x"):
        with pytest.raises(CheckpointError, match="kind of address"):
            fetch(url, quiet, folder)


@pytest.mark.skipif(os.name != "posix", reason="file locks are POSIX's")
def test_one_download_at_a_time(server, folder):
    refused = []

    def meanwhile(text, fraction):
        try:
            fetch(server.url(), quiet, folder)
        except CheckpointError as error:
            refused.append(str(error))
    assert fetch(server.url(), meanwhile, folder).read_bytes() == DATA
    assert refused and "another window" in refused[0]


def test_open_checkpoint_by_address(server, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(fetch_module, "cache_folder", lambda: tmp_path / "downloads")
    d = random_network(DiscriminatorConfig(8, channel_base=16, channel_max=2))
    good = dump_persistent(persist(d, {"img_resolution": 8, "channel_base": 16, "channel_max": 2}))
    server.data = b"<html>not here</html>"
    with pytest.raises(CheckpointError, match="web page") as caught:
        open_checkpoint(server.url())
    assert server.url() in str(caught.value)
    server.data = good                                        # what was no checkpoint is not kept
    with open_checkpoint(server.url()) as checkpoint:
        assert checkpoint.build("D").resolution == (8, 8) and checkpoint.source == server.url()
    path = tmp_path / "a ψ.pkl"
    path.write_bytes(good)
    assert open_checkpoint(path.as_uri()).build("D")
    assert path.exists() and open_checkpoint(str(path)).build("D")
