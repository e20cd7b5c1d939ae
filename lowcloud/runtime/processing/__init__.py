"""The built-in processing programs preprocess and evaluate, each started by its package's main(arguments)."""

import importlib.util

from lowcloud.runtime.errors import ClientError

if importlib.util.find_spec("polars") is None:  # the modules below import it at their top
    raise ClientError("polars, which reads tables, is not installed where this runs: pip install 'lowcloud[data]'.")
