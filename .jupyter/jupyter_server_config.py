"""JupyterLab as `make lab` starts it: on the tour, with quiet settings, and prompt."""

from pathlib import Path

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class Prompt(ZMQChannelsWebsocketConnection):
    """What the kernel says goes to the page at once.

    Else a socket holds a message back until the one before it is acknowledged, for which systems
    take their time, 40 ms on Linux: each picture would wait behind "the kernel is busy".
    """

    def connect(self):
        """Open the connection."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()


c = get_config()
c.ServerApp.kernel_websocket_connection_class = Prompt
c.LabApp.default_url = "/lab/tree/notebooks/00_tour.ipynb"
c.LabApp.app_settings_dir = str(Path(__file__).parent)  # overrides.json
