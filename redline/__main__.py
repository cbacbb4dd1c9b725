"""``python -m redline``: the command line, of whichever Python runs it.

The law of this module: it is the command ``redline`` and nothing else.
"""

from redline.cli import main

if __name__ == "__main__":
    main()
