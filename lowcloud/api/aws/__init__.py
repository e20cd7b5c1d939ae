"""The AWS API: parses requests, calls core, serialises responses. Read gateway.py first."""
