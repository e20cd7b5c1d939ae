"""Public names of `model_server`."""

from lowcloud_toolkit.server import *
