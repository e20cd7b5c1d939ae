"""Where a container would start its model server."""

from lowcloud_toolkit.functions import refuse_server

start = start_model_server = main = refuse_server
