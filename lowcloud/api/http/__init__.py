"""HTTP over ASGI, independent of any API: the request's head and body, the response, and how it is sent."""
