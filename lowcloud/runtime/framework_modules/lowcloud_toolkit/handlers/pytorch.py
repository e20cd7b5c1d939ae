"""The default functions for PyTorch: a TorchScript model `model.pt`, tensors in and out."""

from __future__ import annotations

from typing import Any

from lowcloud_toolkit import arrays, content_types
from lowcloud_toolkit.errors import ModelLoadError
from lowcloud_toolkit.serving import DefaultHandlerService, DefaultInferenceHandler

DEFAULT_MODEL_FILENAME = "model.pt"


class DefaultPytorchInferenceHandler(DefaultInferenceHandler):
    """The functions that PyTorch's container uses where a script has none."""

    VALID_CONTENT_TYPES = (content_types.JSON, content_types.NPY)

    def default_model_fn(self, model_dir: str, context: Any = None) -> Any:
        """Load a TorchScript model. Raises ModelLoadError."""
        import torch

        try:
            return torch.jit.load(f"{model_dir}/{DEFAULT_MODEL_FILENAME}", map_location=_device())
        except (RuntimeError, ValueError) as error:
            raise ModelLoadError(f"{DEFAULT_MODEL_FILENAME} is not TorchScript; define model_fn: {error}") from error

    def default_input_fn(self, input_data: Any, content_type: str, context: Any = None) -> Any:
        """Return the tensor in a request."""
        import torch

        rows = arrays.decode(input_data, content_type)
        return torch.as_tensor(rows.astype("float32") if rows.dtype == "float64" else rows, device=_device())

    def default_predict_fn(self, data: Any, model: Any, context: Any = None) -> Any:
        """Return the network's output."""
        import torch

        with torch.no_grad():
            return model.to(_device()).eval()(data.to(_device()))

    def default_output_fn(self, prediction: Any, accept: str, context: Any = None) -> Any:
        """Return a tensor in the first accepted content type."""
        rows = prediction.detach().cpu().numpy() if hasattr(prediction, "detach") else prediction
        return super().default_output_fn(rows, accept, context)


DefaultPyTorchInferenceHandler = DefaultPytorchInferenceHandler


class HandlerService(DefaultHandlerService):
    """PyTorch's handler of requests."""

    handler_class = DefaultPytorchInferenceHandler


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
