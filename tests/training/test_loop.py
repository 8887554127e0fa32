"""The training loop: it learns, stops, resumes to the same bits, and says what went wrong."""

import io
import json
import logging
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric.accelerators import cuda
from torch import Tensor, nn

from histmatch_lab import (
    EnhancementLoss,
    HDRNet,
    ImageAdaptiveLUT,
    load_network,
    network_facts,
    seed_everything,
)
from histmatch_lab import losses as losses_module
from histmatch_lab._files import LOCK
from histmatch_lab.data.pairs import Pair
from histmatch_lab.losses import register_term
from histmatch_lab.recipe import PRESETS, Preset
from histmatch_lab.training import checkpoint, progress
from histmatch_lab.training.checkpoint import SAVE_EVERY, Checkpoint
from histmatch_lab.training.distributed import best_device, fabric_on, use_threads
from histmatch_lab.training.loop import Step, TrainingError, seconds_to_train, train
from histmatch_lab.training.seeding import generator_for

SHORT = Preset(epochs=6, batch=2, rate=2e-3, last_rate=2e-4)


class Brighter:
    """Noise to noise half as bright: a small, quick source of pairs."""

    def __repr__(self) -> str:
        return "Brighter()"

    def __len__(self) -> int:
        return 8

    def batch(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        image = torch.rand(size, 3, 24, 24, generator=generator)
        return image, image * 0.5

    def test_pairs(self) -> list[Pair]:
        return []


def tiny_lut() -> ImageAdaptiveLUT:
    """With dropout, which draws in training."""
    seed_everything(7)
    return ImageAdaptiveLUT(nodes=3)


def tiny() -> HDRNet:
    seed_everything(7)
    return HDRNet(low_resolution=32, width=4, hidden=(8,), grid_size=8, depth=4)


def weights(network: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in network.parameters()]


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


class FromPQ(Brighter):
    encoding = "PQ BT.2020 to sRGB"


@pytest.mark.parametrize("pairs", [Brighter(), FromPQ()])
def test_the_weights_say_which_encoding_they_are_for(tmp_path, pairs):
    """Those of TaskPairs("tonemap") say so; pairs that do not are in sRGB."""
    for _ in train(tiny(), pairs, EnhancementLoss("l2"), Preset(1, 8, 1e-3, 1e-3), folder=tmp_path):
        pass
    facts = network_facts(tmp_path / "weights.safetensors")
    assert facts["encoding"] == getattr(pairs, "encoding", "sRGB")


def test_it_learns_and_reports_each_step():
    network = tiny()
    loss = EnhancementLoss("l2+histmatch", lam=0.1, units="intensity", outside="clamp")
    steps = list(train(network, Brighter(), loss, Preset(20, 2, 3e-3, 1e-3)))
    assert [s.number for s in steps] == list(range(1, 81))
    assert steps[-1].psnr > steps[0].psnr + 6
    assert set(steps[0].terms) == {"l2", "histmatch"}
    first = steps[0]
    assert first.loss == pytest.approx(first.terms["l2"] + 0.1 * first.terms["histmatch"])


def test_the_rate_decays_by_the_same_factor_at_each_step():
    rates = [SHORT.rate_at(step, 24) for step in range(24)]
    factors = [b / a for a, b in pairwise(rates)]
    assert rates[0] == SHORT.rate
    assert rates[-1] == pytest.approx(SHORT.last_rate)
    assert max(factors) == pytest.approx(min(factors))
    assert PRESETS["paper"].epochs == 500
    assert PRESETS["paper"].rate == 1e-4


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    def trained(seed: int) -> HDRNet:
        network = tiny()
        list(train(network, Brighter(), EnhancementLoss("l1"), SHORT, seed=seed))
        return network

    assert same(trained(1), trained(1))
    assert not same(trained(1), trained(2))
    draws = {
        torch.rand(1, generator=generator_for(s, n)).item() for s in range(9) for n in range(9)
    }
    assert len(draws) == 81


@pytest.mark.filterwarnings("ignore:most values lie outside")  # few steps, large ones
@pytest.mark.parametrize(
    ("stop_after", "make"), [(1, tiny), (10, tiny), (24, tiny), (13, tiny_lut)]
)
def test_a_run_that_was_stopped_resumes_to_the_same_weights(tmp_path, stop_after, make):
    loss = EnhancementLoss("l2+histmatch", lam=1.0, units="intensity")
    straight = make()
    wanted = [s.loss for s in train(straight, Brighter(), loss, SHORT, seed=3)]

    steps = train(make(), Brighter(), loss, SHORT, seed=3, folder=tmp_path)
    for _ in range(stop_after):
        next(steps)
    steps.close()
    resumed = make()
    list(train(resumed, Brighter(), loss, SHORT, seed=3, folder=tmp_path))

    assert same(straight, resumed)
    assert same(straight, load_network(tmp_path / "weights.safetensors"))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == list(range(1, 25))
    assert [entry["loss"] for entry in log] == wanted
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"weights.safetensors", "log.jsonl", "state.pt", LOCK}


def test_the_penalties_of_the_tables_are_trained():
    network = tiny_lut()
    with torch.no_grad():
        network.tables[1] = torch.linspace(1, 0, 3)  # falls along red
    before = network.monotonicity().item()
    [step, *_] = train(network, Brighter(), EnhancementLoss("l2"), SHORT)
    assert step.loss > step.terms["l2"] + 9 * before
    assert network.monotonicity().item() < before


def test_an_interrupt_between_two_weights_keeps_the_last_whole_state(tmp_path, monkeypatch):
    steps = train(tiny(), Brighter(), EnhancementLoss("l2"), SHORT, seed=3, folder=tmp_path)
    for _ in range(5):
        next(steps)
    steps.close()
    kept = (tmp_path / "state.pt").read_bytes()

    def torn(self: torch.optim.Adam) -> None:
        self.param_groups[0]["params"][0].data.add_(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.optim.Adam, "step", torn)
    with pytest.raises(KeyboardInterrupt):
        list(train(tiny(), Brighter(), EnhancementLoss("l2"), SHORT, seed=3, folder=tmp_path))
    assert (tmp_path / "state.pt").read_bytes() == kept


@pytest.mark.parametrize(
    "more", [b'{"step": 9, "lo', b'{"step": 9}\n', b'{"step": 9}\n{"step": 10}\n{"st']
)
def test_a_log_that_is_longer_than_its_state_is_cut(tmp_path, more):
    """So it is left by whoever is killed between the two files."""
    loss = EnhancementLoss("l2")
    straight = tiny()
    losses = [s.loss for s in train(straight, Brighter(), loss, SHORT, seed=3)]
    steps = train(tiny(), Brighter(), loss, SHORT, seed=3, folder=tmp_path)
    for _ in range(8):
        next(steps)
    steps.close()
    with (tmp_path / "log.jsonl").open("ab") as log:
        log.write(more)
    resumed = tiny()
    list(train(resumed, Brighter(), loss, SHORT, seed=3, folder=tmp_path))
    assert same(straight, resumed)
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(e["step"], e["loss"]) for e in entries] == list(enumerate(losses, 1))


@pytest.mark.parametrize("at", ["write_whole", "save_network"])
def test_a_save_that_is_interrupted_loses_nothing(tmp_path, monkeypatch, at):
    """The log is written, then the state, then the weights: a kill may come before each."""
    steps = train(tiny(), Brighter(), EnhancementLoss("l2"), SHORT, seed=3, folder=tmp_path)
    for _ in range(8):
        next(steps)
    steps.close()
    steps = train(tiny(), Brighter(), EnhancementLoss("l2"), SHORT, seed=3, folder=tmp_path)
    for _ in range(4):
        next(steps)

    def fail(*_: object) -> None:
        raise InterruptedError

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, at, fail)
        with pytest.raises(InterruptedError):
            steps.close()
    straight, resumed = tiny(), tiny()
    list(train(straight, Brighter(), EnhancementLoss("l2"), SHORT, seed=3))
    list(train(resumed, Brighter(), EnhancementLoss("l2"), SHORT, seed=3, folder=tmp_path))
    assert same(straight, resumed)
    log = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log == list(range(1, 25))


def test_twice_the_steps_write_about_twice_the_bytes(tmp_path, monkeypatch):
    written = 0

    class Counted(io.FileIO):
        def write(self, data) -> int:
            nonlocal written
            written += len(data)
            return super().write(data)

    opened = Path.open

    def counted(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        return Counted(path, mode) if mode in ("ab", "wb") else opened(path, mode, *args, **options)

    monkeypatch.setattr(Path, "open", counted)

    def bytes_of(steps: int) -> int:
        nonlocal written
        written, network = 0, tiny()
        optimizer = torch.optim.Adam(network.parameters())
        folder, fabric = tmp_path / str(steps), fabric_on(torch.device("cpu"))
        with Checkpoint(folder, {}, network, optimizer, fabric) as checkpoint:
            for step in range(1, steps + 1):
                with checkpoint.update({"step": step, "loss": 0.1234567, "l2": 0.1234567}):
                    pass
        return written

    once, twice = bytes_of(4000), bytes_of(8000)
    assert (
        once > 4000 / SAVE_EVERY * (tmp_path / "4000" / "state.pt").stat().st_size
    )  # or nothing was counted
    assert twice <= 2.2 * once


def test_the_same_training_writes_the_same_files(tmp_path):
    for name in "ab":
        list(train(tiny(), Brighter(), EnhancementLoss("l2"), SHORT, folder=tmp_path / name))
    for file in ("weights.safetensors", "log.jsonl"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(
    ("cuda", "mps", "device"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_best_device_is_the_fastest_there_is(monkeypatch, cuda, mps, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device() == torch.device(device)


@pytest.mark.parametrize(
    ("device", "threads", "then"),
    [("cpu", None, 1), ("cpu", 3, 3), ("cuda", None, 2), ("cuda", 3, 3)],
)
def test_a_cpu_trains_with_one_thread_unless_told_otherwise(device, threads, then):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        use_threads(torch.device(device), threads)
        assert torch.get_num_threads() == then
    finally:
        torch.set_num_threads(before)


def test_a_step_in_words():
    step = Step(1, 2, 0.01234, {"l2": 0.01, "histmatch": 0.00234}, 20.06, *torch.zeros(2, 1))
    assert str(step) == "loss 0.0123 (l2 0.0100, histmatch 0.0023), PSNR 20.1 dB"


def test_a_folder_of_another_run_is_refused(tmp_path):
    list(train(tiny(), Brighter(), EnhancementLoss("l2"), SHORT, seed=3, folder=tmp_path))
    for loss, seed, name in (("l1", 3, "loss"), ("l2", 4, "seed")):
        with pytest.raises(ValueError, match=f"another training: its {name} must be"):
            list(
                train(tiny(), Brighter(), EnhancementLoss(loss), SHORT, seed=seed, folder=tmp_path)
            )


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK"])
def test_a_damaged_state_is_named(tmp_path, content):
    (tmp_path / "state.pt").write_bytes(content)
    steps = train(tiny(), Brighter(), EnhancementLoss("l2"), SHORT, folder=tmp_path)
    with pytest.raises(ValueError, match=r"state\.pt must be the state of a training"):
        next(steps)


def test_ctrl_c_ends_the_run_with_what_was_learned(tmp_path):
    class Interrupting(Brighter):
        calls = 0

        def batch(self, size, generator):
            self.calls += 1
            if self.calls == 4:
                raise KeyboardInterrupt
            return super().batch(size, generator)

    network = tiny()
    steps = train(network, Interrupting(), EnhancementLoss("l2"), SHORT, folder=tmp_path)
    history = progress.run(steps)
    assert [s.number for s in history] == [1, 2, 3]
    assert history[-1].pred.shape == (2, 3, 24, 24)
    assert history[0].pred.numel() == 0
    assert same(network, load_network(tmp_path / "weights.safetensors"))


def test_fabrics_hint_on_precision_does_not_stand_above_a_training(monkeypatch):
    said: list[str] = []
    logger = logging.getLogger("lightning_fabric.utilities.rank_zero")

    def handle(record: logging.LogRecord) -> None:
        if logger.filter(record):
            said.append(record.msg)

    monkeypatch.setattr(logger, "handle", handle)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "H200")
    hint = cuda._check_cuda_matmul_precision.__wrapped__
    with monkeypatch.context() as without:
        without.setattr(logger, "filters", [])
        hint(torch.device("cuda"))
    assert len(said) == 1
    hint(torch.device("cuda"))
    logger.info("Starting")
    assert said[1:] == ["Starting"]


class Dark(Brighter):
    """Every second batch is black, which costs next to nothing."""

    calls = 0

    def batch(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        self.calls += 1
        source, target = super().batch(size, generator)
        return source * (self.calls % 2), target * (self.calls % 2)


def test_a_loss_that_was_tiny_once_does_not_end_the_training():
    losses = [step.loss for step in train(tiny(), Dark(), EnhancementLoss("l2"), SHORT)]
    assert len(losses) == 24
    assert max(losses) > 100 * min(losses)


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(losses_module, "_TERMS", dict(losses_module._TERMS))


@pytest.mark.usefixtures("registry")
def test_a_loss_that_is_not_a_number_is_named_with_its_step(tmp_path):
    @register_term("breaks")
    class Breaks(nn.Module):
        calls = 0

        def forward(self, pred: Tensor, _target: Tensor) -> Tensor:
            self.calls += 1
            return pred.mean() * (math.nan if self.calls == 3 else 0)

    network = tiny()
    with pytest.raises(TrainingError, match=r"step 3: the term 'breaks' of the loss is nan"):
        list(train(network, Brighter(), EnhancementLoss("l2+breaks"), SHORT, folder=tmp_path))
    assert all(
        p.isfinite().all() for p in load_network(tmp_path / "weights.safetensors").parameters()
    )


@pytest.mark.usefixtures("registry")
def test_a_gradient_that_is_not_a_number_is_named_with_its_parameter():
    @register_term("kink")
    class Kink(nn.Module):
        def forward(self, pred: Tensor, _target: Tensor) -> Tensor:
            return (pred - pred.detach()).sum().abs().sqrt()

    with pytest.raises(TrainingError, match=r"step 1: the gradient of the loss on \S+ is not fin"):
        list(train(tiny(), Brighter(), EnhancementLoss("l2+kink"), SHORT))


def test_a_loss_that_grows_without_bound_is_stopped():
    wild = Preset(epochs=40, batch=2, rate=3.0, last_rate=3.0)
    with pytest.raises(TrainingError, match=r"step \d+: the predictions have grown to .*e\+\d"):
        list(train(tiny(), Brighter(), EnhancementLoss("l2"), wild))


def test_the_time_it_will_take_is_estimated_without_touching_the_network():
    network = tiny()
    before = weights(network)
    seconds = seconds_to_train(network, Brighter(), EnhancementLoss("l2"), SHORT)
    assert 0 < seconds < 60
    assert all(torch.equal(x, y) for x, y in zip(before, weights(network), strict=True))


@pytest.mark.parametrize("bad", [{"epochs": 0}, {"rate": -1.0}, {"last_rate": math.nan}])
def test_presets_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Preset(**{"epochs": 1, "batch": 1, "rate": 1.0, "last_rate": 1.0, **bad})
