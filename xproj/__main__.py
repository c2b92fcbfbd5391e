"""`python -m xproj`."""

from xproj.cli import main

if __name__ == "__main__":
    main()
