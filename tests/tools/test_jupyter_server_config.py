"""What `make install` tells the Jupyter server."""

from pathlib import Path
from unittest.mock import Mock

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from traitlets.config import PyFileConfigLoader

CONFIG = Path(__file__).parents[2] / "tools" / "jupyter_server_config.py"


def test_a_kernels_messages_do_not_wait_for_an_acknowledgement(monkeypatch):
    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", lambda _: "connected")
    config = PyFileConfigLoader(CONFIG.name, path=str(CONFIG.parent)).load_config()
    kind = config.ServerApp.kernel_websocket_connection_class
    handler = Mock()
    assert kind.connect(Mock(spec=kind, websocket_handler=handler)) == "connected"
    handler.set_nodelay.assert_called_once_with(True)
