"""The command line: `lowcloud`, one package for each subject; no command loads what only another one needs."""


def main() -> None:
    """Run the command that the arguments of this process name."""
    from lowcloud.cli import app

    app.main()
