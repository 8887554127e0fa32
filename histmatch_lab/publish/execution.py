"""Run a notebook in a fresh kernel, and find every error in it.

papermill sets the parameters; nbclient executes the cells and stops at one that raises. Errors that
it does not see are looked for afterwards: in the state of widgets, whose callbacks raised, in what
a thread printed, and in what the kernel wrote outside of any cell.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
from jupyter_client.asynchronous.client import AsyncKernelClient
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode, v4
from papermill.parameterize import parameterize_notebook
from traitlets import Type

from histmatch_lab.demos.page import WIDGET_VIEW

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
POLL_SECONDS = 1.0  # of waiting for a message until the socket is asked by itself
THREAD_LIMITS = [f"{name}_NUM_THREADS" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")]
THREAD_LIMITS += ["VECLIB_MAXIMUM_THREADS"]
_TRACEBACK = "Traceback (most recent call last)"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# Runs in the kernel, after the last cell: where torch computed.
_PRINT_DEVICE = """\
import sys
torch = sys.modules.get("torch")
on_cuda = torch and torch.cuda.is_initialized()
on_mps = torch and torch.backends.mps.is_available() and torch.mps.current_allocated_memory()
print(torch.cuda.get_device_name() if on_cuda else "mps" if on_mps else "cpu")"""


class NotebookError(Exception):
    """A notebook that failed; its outputs go up to the error."""

    def __init__(
        self, message: str, notebook: NotebookNode, cell: NotebookNode | None = None
    ) -> None:
        super().__init__(message)
        self.notebook = _strip(notebook)
        self.cell: str = cell.source if cell else ""  # where it happened, if that can be said
        self.number: int | None = cell.execution_count if cell else None


def read(path: Path) -> NotebookNode:
    """The notebook in that file; ValueError if it holds none."""
    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, nbformat.ValidationError) as problem:
        raise ValueError(f"{path} is no notebook: {problem}") from None


def execute(
    path: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    threads: int = 1,
    on_cell: Callable[[], None] = lambda: None,
) -> tuple[NotebookNode, str]:
    """Run a notebook in a fresh kernel, in its own folder.

    Args:
        path: the notebook.
        parameters: values that a new cell after the one tagged `parameters` sets.
        threads: how many threads a library in the kernel may use.
        on_cell: called after each code cell.

    Returns the notebook with its outputs, without the state of widgets, and where torch computed:
    "cpu" or the name of the accelerator. Raises NotebookError if a cell or a widget's callback
    raised, or the kernel died; ValueError if the file holds no notebook.
    """
    notebook = read(path)
    if parameters:
        notebook = _with_parameters(notebook, dict(parameters))
    with tempfile.TemporaryDirectory() as folder:
        told = {"on_cell_executed": lambda **_: on_cell()}
        client = Client(notebook, path.resolve().parent, Path(folder), **told)
        device, log = client.run({**dict.fromkeys(THREAD_LIMITS, str(threads)), **os.environ})
    _raise_for_hidden_errors(notebook, log)
    return _strip(notebook), device


def _with_parameters(notebook: NotebookNode, parameters: dict[str, Any]) -> NotebookNode:
    """A copy with a cell that sets them after the one tagged `parameters`."""
    notebook.metadata.papermill = NotebookNode()  # papermill notes them here, and asks for tags
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])
    return parameterize_notebook(notebook, parameters, kernel_name="python3", language="python")


def _strip(notebook: NotebookNode) -> NotebookNode:
    """Remove, in place, what only the run that made it can use: widgets that are gone, times."""
    for key in ("widgets", "papermill"):
        notebook.metadata.pop(key, None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        outputs = cell.get("outputs", [])
        outputs[:] = [
            output for output in outputs if output.get("data", {}).keys() != {WIDGET_VIEW}
        ]
    return notebook


class _Channel(AsyncKernelClient.shell_channel_class.klass):  # type: ignore[name-defined]
    """A channel that finds each message.

    ZeroMQ's sockets are edge-triggered: they say once that a message has come. If something is sent
    over the socket at that moment, the sending takes the notice, and a loop that waits for it waits
    for ever. So the socket is asked again after a while (ipython/ipykernel issues 1529 and 1554,
    jupyter/jupyter_client issue 436).
    """

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        await asyncio.sleep(0)  # in a flood of messages nobody else would have a turn, nor time run
        end = math.inf if timeout is None else time.monotonic() + timeout
        while (left := end - time.monotonic()) > POLL_SECONDS:
            with suppress(Empty):
                return await super().get_msg(POLL_SECONDS)
        return await super().get_msg(max(0.0, left))


class _KernelClient(AsyncKernelClient):
    shell_channel_class = Type(_Channel)
    iopub_channel_class = Type(_Channel)


class Client(NotebookClient):
    """nbclient's, with sockets in a folder: a port may be taken before a slow kernel has bound it.

    The folder also gets what the kernel writes to stderr; cwd is where it runs. Options are
    nbclient's.
    """

    def __init__(self, notebook: NotebookNode, cwd: Path, folder: Path, **options: Any) -> None:
        super().__init__(
            notebook,
            kernel_name="python3",
            timeout=None,
            record_timing=False,
            store_widget_state=True,
            coalesce_streams=True,  # how a kernel splits what it prints into messages is chance
            resources={"metadata": {"path": str(cwd)}},
            **options,
        )
        self.folder = folder

    def create_kernel_manager(self) -> Any:
        manager = super().create_kernel_manager()
        manager.client_factory = _KernelClient
        if sys.platform != "win32":  # which has no such sockets
            manager.transport = "ipc"
        manager.connection_file = str(self.folder / "kernel.json")
        return manager

    def run(self, env: Mapping[str, str]) -> tuple[str, str]:
        """Execute the cells; the device, and what the kernel wrote outside of any cell."""
        log = self.folder / "stderr"
        try:
            with log.open("wb") as stderr, self.setup_kernel(env=env, stderr=stderr):
                device = self._execute_cells()
                # What follows, it says because it is interrupted in order to end it.
                return device, log.read_text(errors="replace")
        except RuntimeError as error:  # DeadKernelError among others
            said = log.read_text(errors="replace")
            raise NotebookError(f"the kernel is gone: {error}\n{said}", self.nb) from None

    def _execute_cells(self) -> str:
        """Execute the cells and one of our own, which prints the device."""
        self.nb.cells.append(v4.new_code_cell(_PRINT_DEVICE))
        try:
            for index, cell in enumerate(self.nb.cells):
                self.execute_cell(cell, index)
        except CellExecutionError as error:
            message = next(_errors_in(cell.outputs), f"{error.ename}: {error.evalue}")
            raise NotebookError(message, self.nb, cell) from None
        except SystemExit:
            self.shutdown_kernel = "immediate"
            raise
        finally:
            last = self.nb.cells.pop()
        self.set_widgets_metadata()
        return "".join(output.text for output in last.outputs).strip()


def _raise_for_hidden_errors(notebook: NotebookNode, log: str) -> None:
    """Look where nbclient does not: what a dying thread printed, widgets, the kernel's log."""
    for cell in notebook.cells:
        for problem in _errors_in(cell.get("outputs", [])):
            raise NotebookError(problem, notebook, cell)
    widgets = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for name, widget in widgets.items():
        state = widget.get("state", {})
        problems = list(_errors_in(state.get("outputs", [])))
        problems += filter(None, [state.get("problem")])  # what a live demo says below its picture
        for problem in problems:
            shows = (cell for cell in notebook.cells if name in _widgets_of(cell, widgets))
            raise NotebookError(f"in a widget: {problem}", notebook, next(shows, None))
    if _TRACEBACK in log:
        message = f"outside of any cell: {log[log.index(_TRACEBACK) :]}"
        raise NotebookError(message, notebook)


def _errors_in(outputs: Any) -> Iterator[str]:
    for output in outputs if isinstance(outputs, list) else []:
        if output.get("output_type") == "error":
            yield _ANSI.sub("", "\n".join(output["traceback"]))
        text = "".join(output.get("text", ""))
        if output.get("name") == "stderr" and _TRACEBACK in text:
            yield _ANSI.sub("", text)


def _widgets_of(cell: NotebookNode, widgets: Mapping[str, Any]) -> set[str]:
    """The widgets that a cell's output shows, and those inside them."""
    shown = [output.get("data", {}).get(WIDGET_VIEW, {}) for output in cell.get("outputs", [])]
    found: set[str] = set()
    waiting = [view["model_id"] for view in shown if view]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += re.findall(r"IPY_MODEL_(\w+)", json.dumps(widgets.get(name, {})))
    return found
