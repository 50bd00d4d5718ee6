"""The process that `watching.WatchingProcess` starts.

Apart from `watching`, because `multiprocessing` runs the main module once more in each process
that reads files, but not one of this name.
"""

import sys

from .watching import watch

watch(*sys.argv[1:])
