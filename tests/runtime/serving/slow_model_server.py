"""A model server with a fake model, for tests of the server only: `python slow_model_server.py SOCKET`."""

import sys
import time

import uvloop

from lowcloud.runtime.formats import BadRequestError, NotAcceptableError, UnsupportedMediaTypeError
from lowcloud.runtime.serving.serve import serve


class StandIn:
    """Answers with what it was given; some bodies make it refuse, fail or take its time."""

    def respond(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        refusals = {
            b"bad": BadRequestError,
            b"type": UnsupportedMediaTypeError,
            b"accept": NotAcceptableError,
            b"fault": RuntimeError,
        }
        if body in refusals:
            raise refusals[body]("for a reason")
        if body == b"slow":
            print("answering", flush=True)
            time.sleep(1)
        return body, f"{content_type}|{accept}"


if __name__ == "__main__":
    uvloop.run(serve(StandIn(), sys.argv[1]))
