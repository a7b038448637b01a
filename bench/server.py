"""One API as it is served, until standard input ends: `python -m bench.server APP CORE` tells its port.

The settings of uvicorn are those of `ujung serve`, for ours and for the bare route alike.
"""

import os
import signal
import sys
import threading

import uvicorn


def serve(app: str, core: int | None) -> None:
    """Serves the app of this address (`module:name`) on a free port of loopback, on one core where one is named."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    config = uvicorn.Config(app, port=0, server_header=False, access_log=False, log_config=None, proxy_headers=False)
    socket = config.bind_socket()
    socket.listen(128)  # whoever connects before it has started is kept waiting
    print(socket.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[socket])


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
