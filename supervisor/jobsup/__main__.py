"""``python -m jobsup`` is the command ``jobsup``."""

from jobsup.cli.main import main

if __name__ == "__main__":
    main()
