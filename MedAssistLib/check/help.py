"""The help about findings: what each rule looks for, why it matters, what to do, and examples.

What a rule says of itself is taken from the rule; the rest is in ``help.json``. The page lies in
the module's resources, because a hospital's network is closed:
``python -m MedAssistLib.check.help MedAssist/Resources/Help/check.html`` writes it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path

from MedAssistLib.check.rules import rule_kinds
from MedAssistLib.check.thresholds import NEVER
from MedAssistLib.files import write_text

_STYLE = (
    "body { font-family: sans-serif; max-width: 42em; margin: 1em auto; line-height: 1.4 } "
    "h2 { margin-top: 2em }"
)
_INTRODUCTION = (
    "A finding says that something deserves a second look. It is never a diagnosis, and nothing "
    "is changed unless you press a button. Accept a finding if you agree, dismiss it if it is a "
    "false alarm: the same finding keeps your answer the next time."
)


def prose() -> dict[str, dict[str, str]]:
    """Return what is written about each kind of finding, by the name of its rule.

    ``name``, ``why`` it matters, an example where it ``fires``, one where it is ``quiet``; and for
    findings that no rule makes ``looks_for`` and ``advice``, which rules say themselves.
    """
    text = Path(__file__).with_name("help.json").read_text("utf-8")
    found: dict[str, dict[str, str]] = json.loads(text)
    return found


def help_page() -> str:
    """Return the whole page as HTML, each section with its rule's name as the anchor.

    Raises:
        KeyError: If a rule has no words in ``help.json``.
    """
    written = prose()
    names = sorted({*rule_kinds(), *_without_rule(written)})
    contents = "\n".join(
        f'<li><a href="#{name}">{escape(written[name]["name"])}</a></li>' for name in names
    )
    sections = "\n".join(_section(name, written[name]) for name in names)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>MedAssist: what findings mean</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>What findings mean</h1>\n<p>{_INTRODUCTION}</p>\n"
        f"<ul>\n{contents}\n</ul>\n{sections}\n</body>\n</html>\n"
    )


def _without_rule(written: Mapping[str, Mapping[str, str]]) -> set[str]:
    return {name for name, words in written.items() if "looks_for" in words}


def _section(name: str, words: Mapping[str, str]) -> str:
    rule = rule_kinds().get(name)
    looks_for = rule.looks_for if rule else words["looks_for"]
    advice = rule.advice if rule else words["advice"]
    parts = {
        "It looks for": looks_for,
        "Why it matters": words["why"],
        "What to do": advice,
        "It speaks, for example": words["fires"],
        "It is silent, for example": words["quiet"],
    }
    lines = [f"<p><b>{title}:</b> {escape(text)}</p>" for title, text in parts.items()]
    if rule:
        lines.append(f"<p><small>Rule {name}. {_limits(name)}</small></p>")
    return "\n".join([f'<h2><a name="{name}"></a>{escape(words["name"])}</h2>', *lines])


def _limits(name: str) -> str:
    """Return from where on a rule speaks, unless a model's calibration says otherwise."""
    texts = []
    for kind, limit in rule_kinds()[name].thresholds.items():
        if limit.value < NEVER and limit.source:
            texts.append(f"{kind.capitalize()}: {limit.source}.")
    return escape(" ".join(texts))


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), help_page())
