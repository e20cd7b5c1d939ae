"""The built-in processing programs preprocess and evaluate, each started by its package's main(arguments)."""
