"""The command ``jobsup``, and ``python -m jobsup``."""

import sys


def main() -> None:
    if sys.argv[1:] == ["ctl", "ping"]:  # past the command line's parser, which takes longer than all the rest
        import os

        from jobsup.cli import ping
        from jobsup.unix.paths import control_socket

        sys.exit(ping.run(control_socket(None, os.environ)[0]))
    from jobsup.cli import main as command

    command.main()


if __name__ == "__main__":
    main()
