"""Data formats of training channels (channel.py) and of an endpoint's requests and responses (inference.py)."""


class BadRequestError(Exception):
    """The body of a request is invalid; HTTP 400."""


class UnsupportedMediaTypeError(Exception):
    """The content type of a request is not supported; HTTP 415."""


class NotAcceptableError(Exception):
    """None of the accepted content types of a response is supported; HTTP 406."""


class OtherStatusError(Exception):
    """A model has answered with a status of its own instead of 200, and with this body."""

    def __init__(self, status: int, body: bytes, content_type: str):
        super().__init__(f"The model has answered with HTTP status {status}: {body[:1000].decode(errors='replace')}")
        self.status = status
        self.body = body
        self.content_type = content_type
