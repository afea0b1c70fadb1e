"""`python -m mcugen`: the command line."""

from __future__ import annotations

from mcugen.cli import main

if __name__ == "__main__":
    main()
