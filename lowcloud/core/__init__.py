"""The cloud itself: rules, records and state machines, one noun a module."""
