"""How processes end."""

import signal


def ending(status: int) -> str:
    """What to say of a process that ended with ``status``, as `subprocess` gives it."""
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with the status {status}"
