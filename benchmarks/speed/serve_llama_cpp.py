"""llama.cpp's own server, in an environment that has xllamacpp.

python serve_llama_cpp.py MODEL PORT THREADS CONTEXT SLOTS
"""

import signal
import sys

import xllamacpp


def main(model: str, port: int, threads: int, context: int, slots: int) -> None:
    """Serves until Ctrl-C. Each of the ``slots`` has ``context`` tokens."""
    params = xllamacpp.CommonParams()
    params.model.path, params.port = model, port
    params.n_ctx, params.n_parallel = context * slots, slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.verbosity = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
