"""Run a notebook and tell the truth about it.

papermill executes the cells. What it misses is added here: an error that a widget's callback left
in the widget's state, the memory that the kernel needed and the device that it used.
"""

from __future__ import annotations

import ast
import json
import os
import random
import re
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from threading import Event, Thread
from typing import IO, Any

import nbformat
import papermill
import psutil
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_core.utils import run_sync
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets import Type

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_CAPS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
LOOK_EVERY = 1.0  # seconds of waiting for a message until the socket is looked at by itself
_CHANNELS = ("shell", "iopub", "stdin", "hb", "control")
_ALERT = "histmatch-lab-error"  # the class of the line in which a live demo reports a mistake
_TRACEBACK = "Traceback (most recent call last)"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class NotebookError(Exception):
    """A notebook that failed.

    Attributes:
        cell: the source of the cell where it happened; empty if that cannot be told.
        number: that cell's execution count.
    """

    def __init__(self, message: str, cell: str = "", number: int | None = None) -> None:
        super().__init__(message)
        self.cell = cell
        self.number = number


@dataclass
class Watch:
    """What is seen of a running kernel from outside.

    Attributes:
        stop: set it to end the kernel.
        on_cell: called after each code cell.
        threads: how many threads a library in the kernel may use.
        peak_bytes: largest resident memory of the kernel and its children, of ten looks a second.
        device: where torch computed: "cpu" or the name of the accelerator.
        versions: of Python and the libraries in the kernel.
        stderr: what the kernel said outside of any cell.
    """

    stop: Event = field(default_factory=Event)
    on_cell: Callable[[], None] = lambda: None
    threads: int = 1
    peak_bytes: int = 0
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    stderr: str = ""

    @contextmanager
    def over(self, pid: int) -> Iterator[None]:
        """Watch the process while the block runs."""
        done = Event()
        thread = Thread(target=self._look, args=(psutil.Process(pid), done), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _look(self, kernel: psutil.Process, done: Event) -> None:
        while True:
            with suppress(psutil.Error):  # a process may end between two looks
                if self.stop.is_set():
                    kernel.kill()
                family = [kernel, *kernel.children(recursive=True)]
                memory = sum(process.memory_info().rss for process in family)
                self.peak_bytes = max(self.peak_bytes, memory)
            if done.wait(0.1):
                return


def read(path: Path) -> NotebookNode:
    """The notebook in that file; ValueError if it holds none."""
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError) as problem:
        raise ValueError(f"{path} is no notebook: {problem}") from None


def execute(
    path: Path, output: Path | None, parameters: Mapping[str, Any], watch: Watch
) -> NotebookNode:
    """Run a notebook in a fresh kernel, in its own folder; return it without widget state.

    Args:
        path: the notebook.
        output: file that is written as cells finish, also when one fails; None for no file.
        parameters: values for the notebook's parameters.
        watch: is told what the kernel did.

    Raises:
        NotebookError: a cell or a widget's callback raised, or the kernel died.
    """
    try:
        notebook = papermill.execute_notebook(
            path,
            output,
            parameters=dict(parameters),
            engine_name=_WatchedEngine.name,
            language="python",
            kernel_name="python3",
            progress_bar=False,
            watch=watch,
            folder=str(path.resolve().parent),
        )
    except PapermillExecutionError as error:
        message = _ANSI.sub("", "\n".join(error.traceback)) or f"{error.ename}: {error.evalue}"
        raise NotebookError(message, error.source, error.exec_count) from None
    except RuntimeError as error:  # nbclient's DeadKernelError among others
        raise NotebookError(f"the kernel is gone: {error}\n{watch.stderr}") from None
    _raise_for_hidden_errors(notebook)
    if _TRACEBACK in watch.stderr:
        raise NotebookError(
            f"outside of any cell: {watch.stderr[watch.stderr.index(_TRACEBACK) :]}"
        )
    # where a kernel cuts what it prints is chance
    notebook, _ = CoalesceStreamsPreprocessor().preprocess(notebook, {})
    return strip(notebook)


def strip(notebook: NotebookNode) -> NotebookNode:
    """Remove, in place, what only the run that made it can use: widget state, times, paths."""
    for key in ("widgets", "papermill"):
        notebook.metadata.pop(key, None)
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
    return notebook


class _Channel(AsyncKernelClient.shell_channel_class.klass):  # type: ignore[name-defined]
    """A channel that finds each message.

    ZeroMQ says once that one has come. If something is sent over the socket at that moment, the
    sending hears it instead of the loop, which would wait for ever, whatever else comes.
    """

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        while timeout is None:
            with suppress(Empty):
                return await super().get_msg(LOOK_EVERY)
        return await super().get_msg(timeout)


class _Client(AsyncKernelClient):
    shell_channel_class = Type(_Channel)
    iopub_channel_class = Type(_Channel)


class _WatchedClient(PapermillNotebookClient):
    """papermill's client, its kernel watched and, in the end, asked what it used.

    Attributes:
        watch: is told.
        stderr: the file that the kernel writes to.
        said: how many bytes of it the notebook is answerable for: not those that follow when the
            kernel is interrupted in order to end it. -1 is all.
    """

    watch: Watch
    stderr: IO[bytes]
    said = -1

    def create_kernel_manager(self) -> Any:
        manager = super().create_kernel_manager()
        manager.client_factory = _Client
        manager.cache_ports = False
        for channel, port in zip(_CHANNELS, _free_ports(), strict=False):
            setattr(manager, f"{channel}_port", port)
        return manager

    def papermill_execute_cells(self) -> None:
        with self.watch.over(self.km.provisioner.pid):
            super().papermill_execute_cells()
        answer = self._ask(_FACTS, "_facts()")
        facts = ast.literal_eval(answer["data"]["text/plain"])
        self.watch.device, self.watch.versions = facts["device"], facts["versions"]
        self.said = os.fstat(self.stderr.fileno()).st_size

    def _ask(self, code: str, expression: str) -> dict[str, Any]:
        """Run the code; return what the expression is then."""
        reply: dict[str, Any] = {"status": "aborted"}
        while reply["status"] == "aborted":  # a kernel hears nothing for a moment after an error
            question = self.kc.execute(code, silent=True, user_expressions={"it": expression})
            reply = run_sync(self.async_wait_for_reply)(question)["content"]
        answer: dict[str, Any] = reply["user_expressions"]["it"]
        return answer


def _free_ports() -> Iterator[int]:
    """Ports for a kernel's channels, never twice the same.

    Not from the range that the system hands out by itself (32768 and above by default): until
    a slow kernel has bound its ports, any other connection may be given one of them, and so may the
    attempts of its own client to reach it.
    """
    for port in random.SystemRandom().sample(range(20_000, 32_000), 12_000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            yield port


class _WatchedEngine(Engine):
    name = "histmatch-lab"

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, watch: Watch, folder: str, **_: Any
    ) -> None:
        client = _WatchedClient(
            nb_man,
            kernel_name=kernel_name,
            timeout=None,
            record_timing=False,
            store_widget_state=True,
            resources={"metadata": {"path": folder}},
            on_cell_executed=lambda **_: watch.on_cell(),
        )
        client.watch = watch
        env = {**dict.fromkeys(_CAPS, str(watch.threads)), **os.environ}
        with tempfile.TemporaryFile() as client.stderr:
            try:
                client.execute(env=env, stderr=client.stderr)
            finally:
                client.stderr.seek(0)
                watch.stderr = client.stderr.read(client.said).decode(errors="replace")


papermill_engines.register(_WatchedEngine.name, _WatchedEngine)

# Runs in the kernel, after the last cell.
_FACTS = """
def _facts():
    import importlib.metadata, platform, sys
    torch = sys.modules.get("torch")
    device = "cpu"
    if torch is not None and torch.cuda.is_initialized():
        device = torch.cuda.get_device_name()
    elif torch is not None and torch.backends.mps.is_available():
        device = "mps" if torch.mps.current_allocated_memory() else "cpu"
    libraries = ("histmatch-lab", "torch", "numpy", "matplotlib", "ipywidgets")
    versions = {name: importlib.metadata.version(name) for name in libraries}
    return {"device": device, "versions": {"python": platform.python_version(), **versions}}
"""


def _raise_for_hidden_errors(notebook: NotebookNode) -> None:
    """Look where papermill does not: in widgets, and at what a thread printed while it died."""
    for cell in notebook.cells:
        for problem in _errors_in(cell.get("outputs", [])):
            raise NotebookError(problem, cell.source, cell.execution_count)
    widgets = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for name, widget in widgets.items():
        state = widget.get("state", {})
        problems = list(_errors_in(state.get("outputs", [])))
        if _ALERT in str(state.get("value", "")):
            problems.append(re.sub(r"<[^>]+>", "", state["value"]))
        for problem in problems:
            cell = _cell_showing(notebook, name, widgets)
            message = f"in a widget: {problem}"
            raise NotebookError(message, cell.get("source", ""), cell.get("execution_count"))


def _errors_in(outputs: Any) -> Iterator[str]:
    for output in outputs if isinstance(outputs, list) else []:
        if output.get("output_type") == "error":
            yield _ANSI.sub("", "\n".join(output["traceback"]))
        text = "".join(output.get("text", ""))
        if output.get("name") == "stderr" and _TRACEBACK in text:
            yield _ANSI.sub("", text)


def _cell_showing(notebook: NotebookNode, name: str, widgets: Mapping[str, Any]) -> NotebookNode:
    """The cell in whose output the widget stands, inside others perhaps; an empty one if none."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            shown = output.get("data", {}).get(WIDGET_VIEW, {}).get("model_id")
            if shown is not None and name in _family(shown, widgets):
                return cell
    return NotebookNode()


def _family(name: str, widgets: Mapping[str, Any]) -> set[str]:
    family, rest = set(), [name]
    while rest:
        member = rest.pop()
        if member not in family:
            family.add(member)
            rest += re.findall(r"IPY_MODEL_(\w+)", json.dumps(widgets.get(member, {})))
    return family
