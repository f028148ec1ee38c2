"""PDFs read back: the text of each page, by poppler's pdftotext, which is much quicker than a reader in Python."""

import subprocess

import pytest

from tests import servers


def pages(pdf: bytes) -> list[str]:
    """What each page says, in the order in which it was printed; cells of a table follow each other."""
    try:
        pdftotext = servers.program("pdftotext", "poppler-utils")
    except servers.MissingServer as missing:
        pytest.fail(str(missing), pytrace=False)
    done = subprocess.run([pdftotext, "-raw", "-enc", "UTF-8", "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode().removesuffix("\f").split("\f")
