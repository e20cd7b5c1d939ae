"""Public names of `content_types`."""

from lowcloud_toolkit.content_types import *
