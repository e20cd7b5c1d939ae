"""The default functions for XGBoost: CSV and libsvm in, predictions out; the script loads its model."""

from __future__ import annotations

from typing import Any

from lowcloud_toolkit import dmatrix
from lowcloud_toolkit.functions import refuse_server
from lowcloud_toolkit.serving import DefaultHandlerService, DefaultInferenceHandler

main = serving_entrypoint = refuse_server


class DefaultXGBoostUserModuleInferenceHandler(DefaultInferenceHandler):
    """The functions that XGBoost's container uses where a script has none."""

    def default_input_fn(self, input_data: Any, content_type: str, context: Any = None) -> Any:
        """Return the matrix of a request."""
        return dmatrix.decode(input_data, content_type)

    def default_predict_fn(self, data: Any, model: Any, context: Any = None) -> Any:
        """Return the booster's predictions."""
        return model.predict(data, validate_features=False)


class HandlerService(DefaultHandlerService):
    """XGBoost's handler of requests."""

    DefaultXGBoostUserModuleInferenceHandler = DefaultXGBoostUserModuleInferenceHandler
    handler_class = DefaultXGBoostUserModuleInferenceHandler


_HANDLER = DefaultXGBoostUserModuleInferenceHandler()
default_input_fn = _HANDLER.default_input_fn
default_predict_fn = _HANDLER.default_predict_fn
default_output_fn = _HANDLER.default_output_fn
