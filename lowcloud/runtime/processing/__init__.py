"""The ready processing programs: preprocess and evaluate. Each is started by its package's main(arguments)."""
