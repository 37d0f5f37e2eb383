"""The command cfpipe from a process that has imported it already: start-up is most of what a short command takes.

``python warm_start.py FOLDER`` writes the command ``FOLDER/cfpipe``, serves it, and says "ready" on its output. Each
call is a process of its own, forked from here, with the caller's arguments, environment, folder and streams.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pipeline.lock
from pipeline.cli import main

#: What some commands import when they need it.
_LATE = ("implicit.cpu.als", "matplotlib.pyplot", "optuna", "sklearn.manifold")

_COMMAND = """#!{python} -SE
import json, os, socket, sys
if "LUIGI_CONFIG_PATH" in os.environ:  # read when Luigi is imported
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
connection.connect({socket!r})
call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)])
socket.send_fds(connection, [call.encode()], [0, 1, 2])
answer = connection.recv(1)
sys.exit(answer[0] if answer else "cfpipe ended without an exit code")
"""


def serve(folder: Path) -> None:
    """Answer calls until the process is ended."""
    path = str(folder / "socket")
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(path)
    server.listen()
    command = folder / "cfpipe"
    real = str(Path(sys.executable).with_name("cfpipe"))
    command.write_text(_COMMAND.format(python=sys.executable, real=real, socket=path))
    command.chmod(0o755)
    for name in _LATE:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the calls' processes
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            server.close()
            answer(connection)
        connection.close()


def answer(connection: socket.socket) -> None:
    """Be the called command, and end."""
    call, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    arguments, folder, environment = json.loads(call)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["cfpipe", *arguments]
    pipeline.lock._MAIN_PROCESS = os.getpid()  # else every call is the same run to the lock
    code = 1
    try:
        main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        connection.send(bytes([code]))
        os._exit(code)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
