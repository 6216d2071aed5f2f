"""Whether words speak of a head, whose face can be rebuilt from a scan of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Compiled when first searched for, because the panel imports them whenever it opens.
_HEAD = (
    r"head|brain|skull|fac(e|ial)|crani|cereb|neuro|orbit|sinus|nasal|mandib|jaw|dental|pituit"
    r"|hippocamp|mprage|whole.?body|kopf|schädel|hirn|tête|cerve|cabeza|cráneo|testa"
)
_OTHER = (
    r"abdom|thora|chest|lung|cardi|heart|coron|breast|liver|kidney|colon|pelvis|prostat|spine"
    r"|shoulder|elbow|wrist|hand|hip\b|knee|ankle|foot|leg|arm\b|extrem|phantom"
)


def head_in(words: Iterable[str]) -> bool | None:
    """Tell whether words about an image speak of a head; ``None`` if they do not say what it is."""
    folded = [text.casefold() for text in words]
    if any(re.search(_HEAD, text) for text in folded):
        return True
    return False if any(re.search(_OTHER, text) for text in folded) else None
