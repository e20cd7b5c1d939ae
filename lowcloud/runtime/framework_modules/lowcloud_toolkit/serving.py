"""Responses and handlers of inference scripts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from lowcloud_toolkit import arrays, content_types
from lowcloud_toolkit.errors import UnsupportedFormatError


class Response:
    """A body and its content type, which an output_fn may return."""

    def __init__(
        self,
        response: Any = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        mimetype: str | None = None,
        content_type: str | None = None,
        accept: str | None = None,
        **_settings: Any,
    ):
        self.response = response
        self.status_code = status or 200
        self.mimetype = mimetype or content_type or accept or content_types.JSON
        self.headers = {"Content-Type": self.mimetype, **(headers or {})}

    @property
    def content_type(self) -> str:
        """The content type of the body."""
        return self.mimetype

    def get_data(self, as_text: bool = False) -> str | bytes:
        """Return the body."""
        body = self.response if isinstance(self.response, (str, bytes)) else json.dumps(self.response)
        if as_text:
            return body if isinstance(body, str) else body.decode()
        return body.encode() if isinstance(body, str) else body


class DefaultInferenceHandler:
    """The functions that a model server uses where the script has none; frameworks' handlers override them."""

    def default_model_fn(self, model_dir: str, context: Any = None) -> Any:
        """Load the model."""
        raise NotImplementedError("Define model_fn(model_dir) in the inference script: it loads the model.")

    def default_input_fn(self, input_data: Any, content_type: str, context: Any = None) -> Any:
        """Return the array in a request."""
        return arrays.decode(input_data, content_type)

    def default_predict_fn(self, data: Any, model: Any, context: Any = None) -> Any:
        """Return predictions."""
        raise NotImplementedError("Define predict_fn(data, model) in the inference script: it predicts.")

    def default_output_fn(self, prediction: Any, accept: str, context: Any = None) -> Any:
        """Return predictions in the first accepted content type. Raises UnsupportedFormatError."""
        for content_type in parse_accept(accept):
            if content_type in arrays.ENCODERS or content_type == content_types.ANY:
                form = content_types.JSON if content_type == content_types.ANY else content_type
                return arrays.encode(prediction, form), form
        raise UnsupportedFormatError(accept, status_code=406)


class Transformer:
    """The functions of a script in the order in which a request passes them."""

    def __init__(
        self,
        model_fn: Callable[..., Any] | None = None,
        input_fn: Callable[..., Any] | None = None,
        predict_fn: Callable[..., Any] | None = None,
        output_fn: Callable[..., Any] | None = None,
        default_inference_handler: DefaultInferenceHandler | None = None,
        **_settings: Any,
    ):
        handler = default_inference_handler or DefaultInferenceHandler()
        self._model_fn = model_fn or handler.default_model_fn
        self._input_fn = input_fn or handler.default_input_fn
        self._predict_fn = predict_fn or handler.default_predict_fn
        self._output_fn = output_fn or handler.default_output_fn
        self._model: Any = None

    def initialize(self, model_dir: str) -> None:
        """Load the model."""
        self._model = self._model_fn(model_dir)

    def transform_fn(self, model: Any, input_data: Any, content_type: str, accept: str) -> Any:
        """Return what a request's body is answered with."""
        return self._output_fn(self._predict_fn(self._input_fn(input_data, content_type), model), accept)

    def transform(self, input_data: Any, content_type: str, accept: str) -> Any:
        """Return what a request's body is answered with, by the loaded model."""
        return self.transform_fn(self._model, input_data, content_type, accept)


class DefaultHandlerService:
    """A handler of requests, which a container's model server would call; frameworks' have another `handler_class`."""

    handler_class: ClassVar[type[DefaultInferenceHandler]] = DefaultInferenceHandler

    def __init__(self, transformer: Transformer | None = None):
        self._service = transformer or Transformer(default_inference_handler=self.handler_class())


def parse_accept(accept: str) -> list[str]:
    """Return the content types of an Accept header, without weights."""
    return [arrays.media_type(one) for one in (accept or content_types.JSON).split(",")]
