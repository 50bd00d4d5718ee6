"""The process that `watching_process` starts.

It is not in `watching` because `multiprocessing` imports the main module again in every process
that it starts, except one of this name.
"""

import sys

from .watching import watch

watch(*sys.argv[1:])
