"""Movies: x265 and x264 files of a scene of which every pixel is known, the shipped and others."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from histmatch_lab.data.own.movie_file import Encoding, _upsample, open_movie
from histmatch_lab.data.own.movies import find_offset
from histmatch_lab.data.own.prepared import PreparedPairs, read_manifest
from histmatch_lab.demos import evening
from histmatch_lab.training.evaluation import psnr
from tests.command import run
from tools.make_movies import HDR, SDR, encode

MOVIES = Path(__file__).parents[3] / "data_samples" / "movies"
SHIFT = 7  # frames; the SDR movie begins SHIFT frames later in the scene
SIZE = "320x180"


def _light(number):
    return evening.light(number, 320, 180)


def _hdr(number):
    return evening.hdr(_light(number))


def _sdr(number):
    return evening.sdr(_light(number + SHIFT))


@pytest.fixture
def movies():
    return MOVIES / "evening_hdr.mkv", MOVIES / "evening_sdr.mp4"


_prepare = partial(run, "prepare", "movies")


def _decibels(got, wanted):
    return float(psnr(got[None], wanted[None]))


def test_every_tenth_frame_and_its_twin(movies, tmp_path):
    output = _prepare(*movies, tmp_path, "--every", 10, "--size", SIZE)
    assert "evening_hdr.mkv: 320 x 180, 10 bits, bt2020, limited range, 96 frames" in output
    assert f"offset -{SHIFT} frames, found by motion" in output
    manifest = read_manifest(tmp_path)
    assert [p["name"] for p in manifest["pairs"]] == [f"{n:07d}" for n in range(10, 96, 10)]
    assert [p["split"] for p in manifest["pairs"]] == ["train"] * 7 + ["test"] * 2
    assert manifest["pairs"][0]["sources"] == [10, 3]
    pairs = PreparedPairs(tmp_path, crop=64, device="cpu")
    for place, number in enumerate((10, 20, 30, 40)):
        before, after = (side.float() / 65535 for side in pairs._held[place])
        assert _decibels(before, _hdr(number)) > 54
        assert _decibels(after, evening.sdr(_light(number))) > 47


def test_saturated_patches_show_a_wrong_matrix(movies):
    wrong = open_movie(movies[1], hdr=False)
    wrong.encoding = Encoding("bt601", "limited")
    right = open_movie(movies[1], hdr=False)
    _, frame = next(right.frames())
    patches = (slice(None), slice(148, 164), slice(40, 300))
    pictures = [one.picture(frame, (320, 180))[patches] for one in (right, wrong)]
    values = [_decibels(picture, _sdr(0)[patches]) for picture in pictures]
    assert values[0] > 44
    assert values[1] < 30


def test_a_full_range_movie_and_a_wrong_range_tag(tmp_path):
    encode(tmp_path / "a.mp4", SDR, _sdr, 3, color_range=2)
    one = open_movie(tmp_path / "a.mp4", hdr=False)
    assert one.encoding == ("bt709", "full")
    _, frame = next(one.frames())
    assert _decibels(one.picture(frame, (320, 180)), _sdr(0)) < 32  # it is limited: the tag lies


@pytest.mark.slow
def test_running_twice_and_after_a_kill(movies, tmp_path):
    command = [sys.executable, "-m", "histmatch_lab.cli", "prepare", "movies"]
    arguments = [*map(str, movies), str(tmp_path / "a"), "--every", "4", "--size", SIZE]
    process = subprocess.Popen([*command, *arguments], stdout=-1, stderr=-1)
    while process.poll() is None and not list((tmp_path / "a").rglob("*.safetensors")):
        pass
    process.kill()
    process.communicate()
    assert not (tmp_path / "a" / "manifest.json").exists()
    assert "already there" in _prepare(*arguments)
    _prepare(*arguments[:2], tmp_path / "b", *arguments[3:])
    for path in (tmp_path / "b").rglob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "a" / path.relative_to(tmp_path / "b")).read_bytes()
    assert "every was 4, now it is 5" in _prepare(*arguments[:4], "5", *arguments[5:], code=2)


def test_a_movie_that_ends_early(movies, tmp_path):
    data = movies[0].read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) * 2 // 3])
    places = tmp_path / "cut.mkv", movies[1], tmp_path / "out"
    assert "cut.mkv: it ends after" in _prepare(*places, "--every", 5, "--size", SIZE, code=1)
    assert 3 < len(read_manifest(tmp_path / "out")["pairs"]) < 18


def test_a_movie_with_a_broken_packet(movies, tmp_path):
    data = bytearray(movies[1].read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(600)
    (tmp_path / "broken.mp4").write_bytes(data)
    places = movies[0], tmp_path / "broken.mp4", tmp_path / "out"
    assert "broken.mp4" in _prepare(*places, "--every", 4, "--size", SIZE, code=1)
    pairs = PreparedPairs(tmp_path / "out", crop=64, device="cpu")
    assert len(pairs) > 2
    for place, name in enumerate(pairs.train_names):
        after = pairs._held[place][1].float() / 65535
        assert _decibels(after, evening.sdr(_light(int(name)))) > 47


def test_an_untagged_movie_is_refused_unless_it_is_stated(movies, tmp_path):
    nothing = {"colorspace": 2, "color_range": 0, "color_trc": 2, "color_primaries": 2}
    encode(tmp_path / "bare.mp4", SDR, _sdr, 48, **nothing)
    arguments = (movies[0], tmp_path / "bare.mp4", tmp_path / "out", "--every", 20, "--size", SIZE)
    output = _prepare(*arguments, code=2)
    assert "bare.mp4 does not say its matrix" in output
    assert "bt709,limited" in output
    output = _prepare(*arguments, "--sdr-as", "bt709,limited")
    output = _prepare(*arguments, "--sdr-as", "bt708,limited", code=2)
    assert "encoding must be one of bt601, bt709, bt2020" in output


def test_what_is_stated_must_not_contradict_the_tags(movies):
    with pytest.raises(ValueError, match="tagged with the matrix bt709; stated is bt601"):
        open_movie(movies[1], hdr=False, stated=Encoding("bt601", "limited"))


def test_wrongly_tagged_movies(movies, tmp_path):
    with pytest.raises(ValueError, match="the SDR movie comes second"):
        open_movie(movies[0], hdr=False)
    with pytest.raises(ValueError, match="not tagged as PQ"):
        open_movie(movies[1], hdr=True)
    encode(tmp_path / "hlg.mkv", HDR, _hdr, 2, color_trc=18)
    with pytest.raises(ValueError, match="is HLG"):
        open_movie(tmp_path / "hlg.mkv", hdr=True)
    encode(tmp_path / "p3.mkv", HDR, _hdr, 2, color_primaries=12)
    with pytest.raises(ValueError, match=r"without BT\.2020 primaries"):
        open_movie(tmp_path / "p3.mkv", hdr=True)
    encode(tmp_path / "ycgco.mp4", SDR, _sdr, 2, colorspace=8)
    with pytest.raises(ValueError, match=r"matrix number 8 of H\.273"):
        open_movie(tmp_path / "ycgco.mp4", hdr=False)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [(b"", "cannot be read as a movie"), (b"a text", "cannot be read"), (None, "not exist")],
)
def test_no_movie_at_all(tmp_path, content, wrong):
    path = tmp_path / "a movie ä.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=wrong):
        open_movie(path, hdr=False)


def test_sizes_that_do_not_fit(movies, tmp_path):
    output = _prepare(*movies, tmp_path / "out", code=2)
    assert "320x180, since nothing is enlarged, got 960x540" in output
    output = _prepare(*movies, tmp_path / "out", "--size", "240x160", code=2)
    assert "320x180, such as 240x136, got 240x160" in output
    output = _prepare(*movies, tmp_path / "out", "--size", "large", code=2)
    assert "size must be WIDTHxHEIGHT" in output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("offset", [-9, 0, 4, 13])
def test_the_offset_is_found_through_another_grade(offset):
    frames = [evening.light(n, 64, 36) for n in range(80)]
    thumbnails = torch.stack(
        [adaptive_avg_pool2d(frame.mean(0)[None], (9, 16)).flatten() for frame in frames]
    )
    noise = 0.002 * torch.randn(thumbnails.shape, generator=torch.Generator().manual_seed(1))
    first = (thumbnails / 1000) ** 0.4 + noise
    second = 1 - torch.exp(-thumbnails / 50)
    second = second[-offset:] if offset < 0 else torch.cat([second[30 : 30 + offset], second])
    sync = find_offset(first, second, max_lag=20)
    assert sync.offset == offset
    assert sync.margin > 0.15
    assert len(sync.lags) == len(sync.correlations) == 41


def test_movies_that_cannot_be_aligned():
    still = torch.rand(1, 144).expand(50, 144)
    with pytest.raises(ValueError, match="stand still"):
        find_offset(still, still)
    noise = torch.Generator().manual_seed(0)
    with pytest.raises(ValueError, match="no offset stands out"):
        find_offset(torch.rand(200, 144, generator=noise), torch.rand(200, 144, generator=noise))


def test_a_stated_offset_is_taken(movies, tmp_path):
    _prepare(*movies, tmp_path, "--every", 30, "--size", SIZE, "--offset", 3)
    assert read_manifest(tmp_path)["pairs"][0]["sources"] == [0, 3]


def test_chroma_lies_on_even_columns_and_between_rows():
    """On a ramp, linear interpolation gives back the ramp, inside its ends."""
    x, y = torch.arange(16.0), torch.arange(8.0)[:, None]
    ramp = 3 * x + 5 * y
    half = 3 * x[::2] + 5 * (y[::2] + 0.5)
    upsampled = _upsample(half, ramp.shape)
    torch.testing.assert_close(upsampled[1:-1, :-1], ramp[1:-1, :-1])
    assert _upsample(half, half.shape) is half


MEASURE = """
import resource, sys
from itertools import islice
from pathlib import Path
from histmatch_lab.data.own.movie_file import open_movie
frames = open_movie(Path(sys.argv[1]), hdr=False).frames()
sum(1 for _ in islice(frames, 60))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(sum(1 for _ in frames) + 60, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_movie(tmp_path):
    """300 frames of 640 x 360 would be 100 MB if they were kept."""
    shades = [evening.sdr(evening.light(n, 640, 360)) for n in range(5)]
    encode(tmp_path / "long.mp4", SDR, lambda n: shades[n % 5], 360)
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "long.mp4")]
    count, kilobytes = map(int, subprocess.check_output(command, text=True).split())
    assert count == 360
    assert kilobytes < 20_000


def test_without_pyav(movies, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # as if it were not installed
    assert "pip install 'histmatch-lab[movies]'" in _prepare(*movies, tmp_path / "out", code=2)


def test_codes_are_read_from_padded_planes(tmp_path):
    """Widths that are no multiple of a decoder's alignment."""

    def odd(number):
        return evening.sdr(evening.light(number, 306, 174))

    encode(tmp_path / "a.mp4", SDR, odd, 4)
    one = open_movie(tmp_path / "a.mp4", hdr=False)
    for number, frame in one.frames():
        assert _decibels(one.picture(frame, (306, 174)), odd(number)) > 46
        assert np.isfinite(number)
