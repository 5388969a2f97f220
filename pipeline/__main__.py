"""`python -m pipeline` is `skep`."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
