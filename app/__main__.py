"""`feature-atlas`, or `python -m app`: the command line from its first moment on.

Loading it takes a second, in which Ctrl-C ends the program as it does later. Knows no command.
"""

import sys

from app.precompute.drivers.interruption import EXIT_CODE


def main() -> None:
    """The entry point of the installed command."""
    try:
        from app.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(EXIT_CODE)


if __name__ == "__main__":
    main()
