"""Whether links lead somewhere: each is asked once, as little as possible, and never inside this house.

`outside` and `judged` are pure: which addresses may be asked, and what an answer means. `Asker` asks.
"""

from emailketing.links.answers import Answer, How, Verdict, judged
from emailketing.links.asking import Asker
from emailketing.links.places import outside

__all__ = ["Answer", "Asker", "How", "Verdict", "judged", "outside"]
