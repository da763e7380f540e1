"""The server runs where torch can't be imported."""

import subprocess
import sys

_PROGRAM = """
import sys
for name in ("torch", "transformers", "transformer_lens", "datasets", "pyarrow"):
    sys.modules[name] = None
import app.web.factory, app.web.serve, app.cli, app.demo.synthetic
"""


def test_server_and_command_line_import_without_it() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
