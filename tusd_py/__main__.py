"""Lets `python -m tusd_py` be `tusd-py`."""

from tusd_py.cli.main import main

if __name__ == "__main__":
    main(prog_name="tusd-py")
