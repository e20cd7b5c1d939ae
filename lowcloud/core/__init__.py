"""The cloud itself: rules, records and state machines, one package for each subject."""
