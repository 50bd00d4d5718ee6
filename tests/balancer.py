"""HAProxy with the configuration of docs/scaling.md."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .server import ROOT, free_port

SCALING = (ROOT / "docs" / "scaling.md").read_text()
[CONFIG] = re.findall(r"```\n(global\n.*?)```", SCALING, re.DOTALL)
BIND = "\tbind 127.0.0.1:4891\n"
SERVERS = "\tserver a 127.0.0.1:4901\n\tserver b 127.0.0.1:4902\n"
_START_LIMIT = 10  # seconds


@contextmanager
def balanced(folder: Path, ports: Sequence[int]) -> Iterator[str]:
    """The address of HAProxy in front of the instances at ``ports``, with other ports than there.

    Its file is written to ``folder``. Raises `RuntimeError` if HAProxy does not start.
    """
    port = free_port()
    servers = [f"\tserver instance-{port} 127.0.0.1:{port}\n" for port in ports]
    config = CONFIG
    for documented, own in ((BIND, f"\tbind 127.0.0.1:{port}\n"), (SERVERS, "".join(servers))):
        assert config.count(documented) == 1
        config = config.replace(documented, own)
    if os.geteuid():  # only root can become haproxy
        config = re.sub(r"\t(user|group) haproxy\n", "", config)
    file = folder / "haproxy.cfg"
    file.write_text(config)
    # -dW: a warning is an error.
    haproxy = subprocess.Popen(["haproxy", "-dW", "-f", str(file)])
    try:
        end = time.monotonic() + _START_LIMIT
        while not _accepts(port):
            if haproxy.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"haproxy -f {file} does not listen.")
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        haproxy.terminate()
        haproxy.wait(30)


def _accepts(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
