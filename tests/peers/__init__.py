"""The peers that we are held against, each in an environment of its own below var/peers, pinned by a file here."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


def environment(name: str) -> Path:
    """The Python of var/peers/<name>, with what <name>.txt pins; made when it is missing or differs."""
    wanted, place = HERE / f"{name}.txt", PROJECT / "var" / "peers" / name
    python, stamp = place / "bin" / "python", place / ".installed"
    digest = sha256(wanted.read_bytes() + (PROJECT / "requirements.txt").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        uv = [str(Path(sys.executable).with_name("uv"))]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(place)], check=True)
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(wanted)], check=True)
        stamp.write_text(digest)
    return python
