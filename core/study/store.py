"""Where studies are kept: one JSON file each in ``runs/.studies/``, replaced atomically.

The file holds what the study asks; which of its runs there are is read from the runs themselves. A study
that came with the program is read-only: changing it means copying it.
"""

import contextlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

from core.base.errors import ConfigError, StoreError
from core.base.files import told_plainly, write_atomically
from core.base.text import told_apart
from core.config.run_config import RunConfig
from core.runs import validate
from core.runs.store import RunStore, new_id
from core.study.study import Study

#: A file that is larger is no study: 300 values of the longest kind take a few kilobytes.
MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class Damaged:
    """A file among the studies that cannot be used, and why."""

    id: str
    problem: str


class StudyStore:
    """The studies beside the runs of ``store``."""

    def __init__(self, store: RunStore):
        self.store = store
        self.root = store.root / ".studies"

    def ids(self) -> list[str]:
        """Ids of all studies, newest first."""
        return sorted(self._in(self.root), reverse=True)

    def all(self) -> tuple[dict[str, Study], list[Damaged]]:
        """Every study by id, newest first, and the files that cannot be used."""
        studies, damaged = {}, []
        for study_id in self.ids():
            try:
                studies[study_id] = self.get(study_id)
            except StoreError as error:
                damaged.append(Damaged(study_id, str(error)))
        return studies, damaged

    def get(self, study_id: str) -> Study:
        """The study; StoreError if there is none or its file is damaged."""
        path = self._path(study_id)
        if not path.is_file():
            where = " It is in the trash; restore it first." if self._trashed_path(study_id).is_file() else ""
            raise StoreError(f"There is no study {study_id}.{where}")
        try:
            return read_study(path)
        except ConfigError as error:
            raise StoreError(f"Study {study_id} cannot be used: {error}") from error

    def find(self, text: str) -> str:
        """The study meant by an id, a unique end or beginning of one, a name, or ``latest``."""
        ids = self.ids()
        if text == "latest" and ids:
            return ids[0]
        if text in ids:
            return text
        named = [one for one in ids if text and self._name(one) == text]
        alike = named or [one for one in ids if len(text) >= 4 and (one.startswith(text) or one.endswith(text))]
        if len(alike) == 1:
            return alike[0]
        if alike:
            raise StoreError(f"“{text}” could mean {len(alike)} studies: {', '.join(alike[:5])}; give the whole id.")
        raise StoreError(f"There is no study “{text[:60]}”; `python -m core study list` shows those there are.")

    def create(self, study: Study) -> str:
        """Keep a new study and return its id. Raises ConfigError or StoreError."""
        now = time.time()
        study_id = new_id(now)
        self._write(study_id, replace(study.checked(), created_at=now, reference=False))
        return study_id

    def replace(self, study_id: str, study: Study) -> None:
        """Keep a changed study in place of the one there. One that came with the program is refused."""
        self._refuse_reference(study_id, "changed")
        self._write(study_id, study.checked())

    def trash(self, study_id: str) -> None:
        """Put a study away; its runs stay. One that came with the program is refused."""
        self._refuse_reference(study_id, "deleted")
        target = self._trashed_path(study_id)
        with told_plainly(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path(study_id).rename(target)

    def trashed(self) -> list[str]:
        """Ids of the studies that were put away, newest first."""
        return sorted(self._in(self.root / ".trash"), reverse=True)

    def names_in_trash(self) -> dict[str, str]:
        """What each study that was put away is called, by id, newest first; of a damaged file just that it is."""
        names = {}
        for study_id in self.trashed():
            try:
                names[study_id] = read_study(self._trashed_path(study_id)).name
            except ConfigError:
                names[study_id] = "damaged"
        return told_apart(names)

    def restore(self, study_id: str) -> None:
        """Bring a study back. Raises StoreError if it was not put away."""
        path = self._trashed_path(study_id)
        if not path.is_file():
            raise StoreError(f"Study {study_id} is not in the trash.")
        with told_plainly(self._path(study_id)):
            path.rename(self._path(study_id))

    # --- files ------------------------------------------------------------------------------------

    def _path(self, study_id: str) -> Path:
        return self.root / f"{RunStore.checked_id(study_id)}.json"

    def _trashed_path(self, study_id: str) -> Path:
        return self.root / ".trash" / f"{RunStore.checked_id(study_id)}.json"

    @staticmethod
    def _in(folder: Path) -> list[str]:
        found = []
        with contextlib.suppress(FileNotFoundError):
            for path in folder.glob("*.json"):
                with contextlib.suppress(StoreError):
                    found.append(RunStore.checked_id(path.stem))
        return found

    def _name(self, study_id: str) -> str | None:
        try:
            return self.get(study_id).name
        except StoreError:
            return None

    def _write(self, study_id: str, study: Study) -> None:
        with told_plainly(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path(study_id), json.dumps(study.to_dict(), indent=1) + "\n")

    def _refuse_reference(self, study_id: str, what: str) -> None:
        reference = False
        with contextlib.suppress(StoreError):  # what cannot be read is no reference study
            reference = self.get(study_id).reference
        if reference:
            raise StoreError(f"Study {study_id} came with the program; it cannot be {what}. Copy it to change it.")


def read_study(path: Path) -> Study:
    """The study in a JSON file, a person's own for example. Raises ConfigError with what is wrong and allowed."""
    try:
        with path.open("rb") as file:  # a file, or what a shell's <(…) hands over
            return study_from_text(file.read(MOST_BYTES + 1))
    except FileNotFoundError:
        raise ConfigError({"study": f"there is no file {path}."}) from None
    except OSError as error:
        raise ConfigError({"study": f"{path.name} cannot be read: {error.strerror}."}) from error


def study_from_text(content: bytes) -> Study:
    """The study in JSON. Raises ConfigError."""
    if len(content) > MOST_BYTES:
        raise ConfigError({"study": f"has more than the {MOST_BYTES // 10**6} MB that a study can have."})
    try:
        return Study.from_dict(validate.parse(content))
    except ValueError as error:
        raise ConfigError({"study": f"is no JSON ({error})."}) from error


def as_text(study: Study) -> str:
    """The study as a JSON file for somebody else: nothing in it belongs to this machine."""
    how = {"train.device": RunConfig().train.device, "train.threads": None}
    return json.dumps(replace(study, base=study.base.replace(how), reference=False).to_dict(), indent=1) + "\n"
