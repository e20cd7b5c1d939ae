"""The AWS dialect: wire requests in, core calls, wire answers out. Read gateway.py first."""
