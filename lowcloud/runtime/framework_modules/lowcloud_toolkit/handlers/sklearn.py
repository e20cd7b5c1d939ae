"""The default functions for scikit-learn: arrays in and out; the script loads its model."""

from __future__ import annotations

from typing import Any

from lowcloud_toolkit import arrays, content_types
from lowcloud_toolkit.entry_point import import_module as import_module
from lowcloud_toolkit.functions import refuse_server
from lowcloud_toolkit.serving import DefaultHandlerService, DefaultInferenceHandler

main = serving_entrypoint = refuse_server


class DefaultSKLearnUserModuleInferenceHandler(DefaultInferenceHandler):
    """The functions that scikit-learn's container uses where a script has none."""

    def default_input_fn(self, input_data: Any, content_type: str, context: Any = None) -> Any:
        """Return the array in a request, of 32 bits where it is text."""
        rows = arrays.decode(input_data, content_type)
        is_text = arrays.media_type(content_type) in content_types.UTF8_TYPES
        return rows.astype("float32") if is_text else rows

    def default_predict_fn(self, data: Any, model: Any, context: Any = None) -> Any:
        """Return the estimator's predictions."""
        return model.predict(data)


class HandlerService(DefaultHandlerService):
    """scikit-learn's handler of requests."""

    DefaultSKLearnUserModuleInferenceHandler = DefaultSKLearnUserModuleInferenceHandler
    handler_class = DefaultSKLearnUserModuleInferenceHandler


_HANDLER = DefaultSKLearnUserModuleInferenceHandler()
default_model_fn = _HANDLER.default_model_fn
default_input_fn = _HANDLER.default_input_fn
default_predict_fn = _HANDLER.default_predict_fn
default_output_fn = _HANDLER.default_output_fn
