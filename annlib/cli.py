"""The command ``annlib``."""


def main() -> int:
    """Run the command."""
    return 0
