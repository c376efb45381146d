"""What a person adds to a run, the trash, and the rule that a reference run is read-only."""

import contextlib
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.base.errors import RunBusy, StoreError
from core.base.files import told_plainly, write_json
from core.runs.folder import RUN_ID, RunFiles


class Trash(RunFiles):
    """Name, tags and notes of runs; deleting them, and back."""

    def annotate(self, run_id: str, **changes: Any) -> None:
        """Change name, tags, note or pinned. On a reference run the change is kept beside it."""
        allowed = {"name", "tags", "note", "pinned"}
        if unknown := set(changes) - allowed:
            raise StoreError(
                f"{', '.join(sorted(unknown))} of a run cannot be changed; {', '.join(sorted(allowed))} can."
            )
        if "tags" in changes:
            changes["tags"] = [tag for one in changes["tags"] if (tag := str(one).strip())]
        with self.meta_lock(run_id):
            content = self._read_json(run_id, "meta.json")
            if content.get("reference"):
                local = self._local()
                if local is None:
                    raise StoreError(
                        f"{self.local_file.name} in the folder of the runs is damaged. It holds your names and notes "
                        "of the runs that came with the program: mend it, or delete it, and try again."
                    )
                own = local.get(run_id)
                local[run_id] = {**(own if isinstance(own, dict) else {}), **changes}
                write_json(self.local_file, local)
            else:
                write_json(self.folder(run_id) / "meta.json", {**content, **changes})

    def trash(self, run_id: str) -> None:
        """Move a run to the trash. A run at work and a reference run are refused."""
        self.refuse_reference(run_id, "deleted")
        if self.held(run_id):
            raise RunBusy(f"Run {run_id} is running; stop it before deleting it.")
        with self.hold(run_id), told_plainly(self.trash_folder / run_id):
            with contextlib.suppress(StoreError):  # a damaged run can be thrown away too
                status = self.status_for_holder(run_id)
                if status.state == "queued":
                    self.write_status(run_id, replace(status, state="stopped", finished_at=time.time()))
            self.trash_folder.mkdir(exist_ok=True)
            self.folder(run_id).rename(self.trash_folder / run_id)

    def trashed(self) -> list[str]:
        """Ids in the trash, newest first."""
        if not self.trash_folder.is_dir():
            return []
        return sorted((one.name for one in self.trash_folder.iterdir() if RUN_ID.fullmatch(one.name)), reverse=True)

    def restore(self, run_id: str) -> None:
        """Bring a run back from the trash. A run that was waiting comes back stopped."""
        path = self.trash_folder / self.checked_id(run_id)
        if not path.is_dir():
            raise StoreError(f"Run {run_id} is not in the trash.")
        if (self.root / run_id).exists():
            raise StoreError(f"Run {run_id} exists already; nothing was restored.")
        with told_plainly(self.root / run_id):
            path.rename(self.root / run_id)

    def trash_size(self) -> int:
        """Bytes that :meth:`empty_trash` would free."""
        return sum(_size(self.trash_folder / run_id) for run_id in self.trashed())

    def empty_trash(self) -> int:
        """Delete what is in the trash for good; returns the bytes freed."""
        freed = 0
        for run_id in self.trashed():
            path = self.trash_folder / run_id
            # Under another name first: a kill in the middle leaves no half a run to be restored.
            going = path.with_name(f".gone-{run_id}")
            with told_plainly(path):
                size = _size(path)
                path.rename(going)
                shutil.rmtree(going)
            freed += size
        return freed

    def refuse_reference(self, run_id: str, what: str) -> None:
        """Raise StoreError if this is a reference run, which cannot be ``what``."""
        reference: object = False
        with contextlib.suppress(StoreError):  # what cannot be read is no reference run
            reference = self._read_json(run_id, "meta.json").get("reference")
        if reference:
            raise StoreError(
                f"Run {run_id} is a reference run that came with the program; it cannot be {what}. "
                "Clone it to change it."
            )


def _size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(one.lstat().st_size for one in folder.rglob("*") if not one.is_dir())
