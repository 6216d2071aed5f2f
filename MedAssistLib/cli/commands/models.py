"""``medassist models``: what can be run, and what is installed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from MedAssistLib.cli.asking import require_person, require_yes
from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.models_text import card_facts, entry_facts, facts_text, megabytes
from MedAssistLib.cli.tables import table
from MedAssistLib.errors import ModelError
from MedAssistLib.models.catalogue import Entry, entries, entry
from MedAssistLib.progress import Progress

Action = Callable[[argparse.Namespace, Progress], Outcome]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their arguments."""
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")

    def action(name: str, summary: str, run_it: Action) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
        # Given before or after the action; only the latter must not undo the former.
        for flag, what in (("--json", "print the result as JSON"), ("--debug", "show tracebacks")):
            sub.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=what)
        sub.set_defaults(act=run_it)
        return sub

    sub = action("list", "list the models at hand, or those that can be downloaded", _list)
    sub.add_argument("--catalogue", action="store_true", help="list what can be downloaded")
    sub.add_argument("word", nargs="?", default="", help="list only what has this in it")
    sub = action("show", "show what a model is", _show)
    sub.add_argument("model", help="name, or model folder")
    sub = action("add", "install a model from a folder, a zip or a file", _add)
    sub.add_argument("source", nargs="+", type=Path, help="its folder, zip or file; or its parts")
    sub.add_argument("--name", default="", help="what to call it")
    sub = action("download", "download a model and install it", _download)
    sub.add_argument("model", help="name in the catalogue, or web address")
    _add_yes(sub)
    sub = action("verify", "check the files of installed models", _verify)
    sub.add_argument("model", nargs="*", help="names; all if none is given")
    sub = action("remove", "delete an installed model", _remove)
    sub.add_argument("model", help="name")
    _add_yes(sub)


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Run the chosen action."""
    act: Action = arguments.act
    return act(arguments, progress)


def _add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="agree beforehand, for scripts")


def _list(arguments: argparse.Namespace, _progress: Progress) -> Outcome:
    from MedAssistLib.models.store import shipped, stored, stored_names

    if arguments.catalogue:
        return _list_catalogue(arguments.word)
    models = [card_facts(card) for card in shipped()]
    for name in stored_names():
        try:
            models.append(card_facts(*stored(name)))
        except ModelError as error:
            models.append({"name": name, "title": str(error), "state": "damaged"})
    models = [facts for facts in models if arguments.word.lower() in str(facts).lower()]
    columns = ("name", "modality", "licence", "state", "title")
    rows = [[str(facts.get(column, "")) for column in columns] for facts in models]
    text = table(["model", "for", "licence", "weights", "what it does"], rows)
    more = f"{len(entries())} more can be had: medassist models list --catalogue"
    return Outcome(f"{text}\n\n{more}", {"models": models})


def _list_catalogue(word: str) -> Outcome:

    found = [entry_facts(offer) for offer in entries()]
    found = [facts for facts in found if word.lower() in str(facts).lower()]
    columns = ("name", "modality", "licence", "size", "title")
    rows = [[str(facts[column]) for column in columns] for facts in found]
    text = table(["model", "for", "licence", "download", "what it does"], rows)
    hint = "medassist models show NAME tells more; medassist models download NAME installs it"
    return Outcome(f"{text}\n\n{hint}", {"catalogue": found})


def _show(arguments: argparse.Namespace, _progress: Progress) -> Outcome:
    from MedAssistLib.models.store import find, stored, stored_names

    name = arguments.model
    if name in stored_names():
        facts = card_facts(*stored(name))
    else:
        offered = [entry_facts(offer) for offer in entries() if offer.name == name]
        facts = offered[0] if offered else card_facts(find(name))
    return Outcome(facts_text(facts), facts)


def _add(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    from MedAssistLib.models.install import add
    from MedAssistLib.models.store import stored

    facts = card_facts(*stored(add(arguments.source, progress, name=arguments.name)))
    return Outcome(f"{facts_text(facts)}\n\n{_use(facts['name'])}", facts)


def _download(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    from MedAssistLib.models.install import download, require_free, require_obtainable
    from MedAssistLib.models.store import stored

    chosen = entry(arguments.model)
    require_obtainable(chosen)
    require_free(chosen.name)
    if not arguments.yes:
        require_person()
        print(facts_text(_announced(chosen, progress)), file=sys.stderr)
    require_yes("Download it?", agreed=arguments.yes)
    name, first = download(chosen, progress)
    facts = card_facts(*stored(name))
    checks = [f"{url.rpartition('/')[2]}: {_check_text(new=new)}" for url, new in first.items()]
    text = "\n".join([facts_text(facts), "", *checks, "", _use(name)])
    return Outcome(text, {**facts, "checks": checks})


def _announced(offer: Entry, progress: Progress) -> dict[str, object]:
    """Return the facts of an entry, with sizes asked of the server if nobody knew them."""
    from MedAssistLib.models.download import announced_size

    size = sum(file.size or announced_size(file.url, progress) for file in offer.files)
    return {**entry_facts(offer), "size": megabytes(size)}


def _check_text(*, new: bool) -> str:
    if new:
        return "SHA-256 recorded for next time; nobody had published one to compare with"
    return "SHA-256 as expected"


def _verify(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    from MedAssistLib.models.store import stored_names, verify

    names = arguments.model or stored_names()
    found = {}
    for number, name in enumerate(names):
        part = progress.part(f"Checking {name}", number / len(names), (number + 1) / len(names))
        found[name] = verify(name, part)
    bad = [f"{name} ({what})" for name, what in found.items() if what]
    if bad:
        hint = "Remove and install again what you do not trust"
        raise ModelError(f"not as installed: {', '.join(bad)}", hint=hint)
    lines = [f"{name}  as installed" for name in names]
    return Outcome("\n".join(lines) or "no models are installed", {"verified": names})


def _remove(arguments: argparse.Namespace, _progress: Progress) -> Outcome:
    from MedAssistLib.models.store import occupied, remove

    name = arguments.model
    size = megabytes(occupied(name))
    require_yes(f"Delete the model {name} ({size})?", agreed=arguments.yes)
    remove(name)
    return Outcome(f"removed {name}", {"removed": name})


def _use(name: object) -> str:
    return f"Use it with: medassist segment SCAN --model {name} -o OUTPUT"
