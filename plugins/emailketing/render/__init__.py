"""Rendering: a mailing's templates and one row of the ERP become what the recipient will read.

A mailing's folder in include/templates holds `subject.txt.j2`, `body.html.j2`, `text.txt.j2`, `phone.txt.j2` and
`sheet.html.j2` (the PDF); a language is a suffix before the type (`body.es.html.j2`), and `words.<language>.yaml`
holds the labels that templates see as `t`. `_layout` holds what mailings share. Values are hostile text throughout.
"""

import logging

from emailketing.render.renderer import Renderer

logging.getLogger("weasyprint.progress").setLevel(logging.WARNING)  # six lines for every document

__all__ = ["Renderer"]
