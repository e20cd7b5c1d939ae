"""Data formats of training channels (channel.py) and of an endpoint's requests and responses (inference.py)."""


class BadRequestError(Exception):
    """The body of a request is invalid; HTTP 400."""


class UnsupportedMediaTypeError(Exception):
    """The content type of a request is not supported; HTTP 415."""


class NotAcceptableError(Exception):
    """None of the accepted content types of a response is supported; HTTP 406."""
