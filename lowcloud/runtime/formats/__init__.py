"""Data in and out: training channels (channel.py) and requests and answers of an endpoint (inference.py)."""


class BadRequestError(Exception):
    """The body of a request cannot be read; HTTP 400."""


class UnsupportedMediaTypeError(Exception):
    """The body's content type is not one that is read; HTTP 415."""


class NotAcceptableError(Exception):
    """No answer can be written in an accepted content type; HTTP 406."""
