"""Write anew what is said of each case: `python -m tests.broken`."""

import os
import tempfile
from pathlib import Path

from click.testing import CliRunner

from proxy.cli import main
from tests.broken import CASES, GOOD

for case in CASES:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "policies"
        folder.mkdir()
        (folder / "blue.yaml").write_text(GOOD)
        case.break_(folder)
        os.chdir(name)
        result = CliRunner().invoke(main, ["policy", "check", "policies"])
        os.chdir("/")
    case.golden.write_text(result.stdout)
