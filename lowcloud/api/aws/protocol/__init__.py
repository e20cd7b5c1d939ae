"""The AWS protocols, driven by botocore's service models: route, parse, validate, serialize."""
