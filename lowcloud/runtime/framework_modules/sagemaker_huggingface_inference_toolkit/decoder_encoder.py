"""Public names of `decoder_encoder`."""

from lowcloud_toolkit.documents import *
