"""The server and the command line start without anything that speaks to other machines."""

import subprocess
import sys

_PROGRAM = """
import sys
sys.modules["httpx"] = sys.modules["httpx2"] = None
import app.web.factory, app.web.serve, app.cli
"""


def test_server_and_command_line_import_without_it() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
