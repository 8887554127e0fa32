"""For JupyterLab: a kernel's messages go out at once, and a figure follows the hand.

Jupyter's server leaves its WebSockets to Nagle's algorithm: a small message waits until the browser
has acknowledged the one before, which a browser on Linux does 40 ms later. `make install` puts this
into .venv/etc/jupyter; a Jupyter of your own reads it from the folder `jupyter --config-dir`.
"""

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Of a browser with a kernel."""

    def connect(self):
        self.websocket_handler.set_nodelay(True)
        return super().connect()


c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.ServerApp.kernel_websocket_connection_class = PromptConnection
