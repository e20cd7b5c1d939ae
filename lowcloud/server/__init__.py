"""The server of one home: where settings, storage and engine are put together, and its worker processes."""
