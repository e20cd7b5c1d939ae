"""The command line: `lowcloud`, one module for each group of commands."""


def main() -> None:
    """Run the command that the arguments of this process name."""
    from lowcloud.cli import app

    app.main()
