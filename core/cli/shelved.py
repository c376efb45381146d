"""Moving studies and searches to the trash and back: what their commands share."""

from core.cli.answer import Answer
from core.search.store import SearchStore
from core.study.store import StudyStore


def put_away(items: StudyStore | SearchStore, noun: str, text: str) -> Answer:
    """Move the item that ``text`` names to the trash; its runs stay."""
    item_id = items.find(text)
    items.trash.put(item_id)
    return Answer(f"{noun.capitalize()} {item_id} is in the trash. Its runs are kept.", {"trashed": item_id})


def bring_back(items: StudyStore | SearchStore, noun: str, plural: str, text: str | None) -> Answer:
    """Restore the item that ``text`` names from the trash, or list the trash."""
    if text is None:
        ids = items.trash.ids()
        return Answer("\n".join(ids) or f"The trash has no {plural}.", {"trash": ids})
    item_id = items.trash.find(text)
    items.trash.restore(item_id)
    return Answer(f"{noun.capitalize()} {item_id} is restored.", {"restored": item_id})
