"""`python -m sagemaker_training.cli.train`: runs the job's script, as the entrypoint of an own container."""

from lowcloud_toolkit.training import main as main

if __name__ == "__main__":
    main()
