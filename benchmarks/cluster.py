"""Training on a Ray cluster: how much time and traffic it costs, what survives, and what limits it.

    python -m benchmarks.cluster study           # about 8 min on a quiet computer with two cores
    python -m benchmarks.cluster tiny --runs 500 # memory of the laboratory and of a trainer; about 3 min
    python -m benchmarks.cluster kills --kills 30    # 40 s each
    python -m benchmarks.cluster plan            # no cluster, about 3 min; also writes docs/cluster.md

Each says on stderr how far it is, and replaces its part of results/cluster.md and docs/cluster.md at its end. The nodes
are Ray nodes of one CPU each on this computer.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import pickle
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, heading, publish
from core.base.errors import LabError
from core.base.paths import PROJECT
from core.base.terminal import say
from core.base.text import counted, duration, filesize
from core.config.run_config import RunConfig
from core.data import cifar10
from core.jobs.places import Here
from core.jobs.recorder import Recorder
from core.jobs.runner import choosing_precision, run
from core.jobs.worker import Worker
from core.records import EpochRecord
from core.runs.store import RunStore

PARTS = RESULTS / "cluster.json"
OBJECT_STORE = 300 * 2**20
#: Seconds without the end of a run after which a measurement is given up.
PATIENCE = 600.0
#: A run of about 15 s on one core, and one of a second.
USUAL = ("train.epochs=2", "data.train_size=5000", "data.validation_size=500", "data.test_size=500")
TINY = (
    "train.epochs=1",
    "train.warmup_epochs=0",
    "data.train_size=200",
    "data.validation_size=100",
    "data.test_size=100",
    "model.depth=8",
    "model.width=8",
    "train.batch_size=64",
)
ONE_THREAD = ("train.threads=1", "train.precision=fp32", "train.device=cpu")


def config(*settings: str) -> RunConfig:
    return RunConfig().set_from_text([*ONE_THREAD, *settings]).checked()


# --- the cluster ----------------------------------------------------------------------------------


@contextlib.contextmanager
def ray_nodes(count: int) -> Iterator[Any]:
    """A Ray cluster of ``count`` nodes with one CPU each, and a head that trains nothing."""
    import ray
    from ray.cluster_utils import Cluster

    say(f"Starting a Ray cluster with {counted(count, 'node')}.")
    head = {"num_cpus": 0, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    nodes = patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
    try:
        for _ in range(count):
            add_node(nodes)
        yield nodes
    finally:
        ray.shutdown()
        nodes.shutdown()


def add_node(nodes: Any) -> None:
    """Add a node with one CPU."""
    patiently(lambda: nodes.add_node(num_cpus=1, object_store_memory=OBJECT_STORE))


def patiently(start: Callable[[], Any]) -> Any:
    """Start a node, again if it takes more than the 30 s that Ray waits on a busy computer."""
    for _ in range(2):
        try:
            return start()
        except Exception as error:
            say(f"A Ray node did not start ({type(error).__name__}: {error}). Trying again.")
    return start()


@contextlib.contextmanager
def new_store() -> Iterator[RunStore]:
    """A store in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        yield RunStore(Path(folder) / "runs")


def queue_seconds(store: RunStore, runs: list[str], place: Any) -> float:
    """Return the seconds from starting a worker to the end of ``runs``. Raises SystemExit if one does not finish."""
    worker = Worker(store, place)
    began = ended_at = time.perf_counter()
    active = runs
    worker.start()
    while active:
        time.sleep(0.1)
        before, active = active, [run_id for run_id in active if store.run(run_id).status().active]
        if len(active) < len(before):
            ended_at = time.perf_counter()
        elif time.perf_counter() - ended_at > PATIENCE:
            raise SystemExit(f"No run ended for {duration(PATIENCE)}. {worker.trouble or worker.waiting or ''}")
    seconds = time.perf_counter() - began
    worker.stop()
    if bad := [run_id for run_id in runs if store.run(run_id).status().state != "finished"]:
        raise SystemExit(f"Run {bad[0]} did not finish. Its log:\n{store.run(bad[0]).log()}")
    return seconds


# --- a study's time and traffic -------------------------------------------------------------------


def study(count: int) -> str:
    """Measure a study at home and on clusters of one and two nodes."""
    from core.jobs import ray_cluster

    traffic: dict[str, list[int]] = {"epochs": [], "other": []}
    make = ray_cluster._Following._make

    def counting(self: Any, calls: Any) -> None:
        for name, arguments in calls:
            traffic["epochs" if name == "epochs" else "other"].append(len(pickle.dumps(arguments)))
            epochs.extend(arguments[0] if name == "epochs" else ())
        make(self, calls)

    epochs: list[EpochRecord] = []
    times: dict[str, float] = {}
    warm: dict[str, float] = {}
    with new_store() as store:

        def study_seconds(where: str, place: Any) -> None:
            runs = [store.create(config(*USUAL, f"train.seed={i}")) for i in range(count)]
            say(f"Training {counted(count, 'run')}: {where}.")
            times[where] = queue_seconds(store, runs, place)
            say(f"{where}: {times[where]:.1f} s.")

        run(store, store.create(config(*TINY)))  # imports and caches
        study_seconds("one thread", Here(lambda: 1))
        study_seconds("two threads at once", Here(lambda: 2))
        for nodes in (1, 2):
            with ray_nodes(nodes) as started:
                cluster = ray_cluster.Cluster(started.address)
                first = [store.create(config(*TINY, f"train.seed={i}")) for i in range(nodes)]
                warm[counted(nodes, "node")] = queue_seconds(store, first, cluster)
                ray_cluster._Following._make = counting  # type: ignore[method-assign]
                study_seconds(counted(nodes, "node"), cluster)
                ray_cluster._Following._make = make  # type: ignore[method-assign]
                if nodes == 1:
                    tiny = [store.create(config(*TINY, f"train.seed={i}")) for i in range(10)]
                    away = queue_seconds(store, tiny, cluster) / len(tiny)
                    tiny = [store.create(config(*TINY, f"train.seed={i}")) for i in range(10)]
                    at_home = queue_seconds(store, tiny, Here(lambda: 1)) / len(tiny)
                cluster.close()
    lines = [
        f"{counted(count, 'run')} of {config(*USUAL).train.epochs} epochs of 5,000 images, one thread each:",
        "",
        "| where | time | against the same at home |",
        "| --- | --- | --- |",
        f"| at home, one after another | {times['one thread']:.0f} s | |",
        f"| at home, two at once | {times['two threads at once']:.0f} s | |",
        f"| one node | {times['1 node']:.0f} s | {times['one thread'] / times['1 node']:.2f} |",
        f"| two nodes | {times['2 nodes']:.0f} s | {times['two threads at once'] / times['2 nodes']:.2f} |",
        "",
        f"A tiny run takes {away:.2f} s on the cluster and {at_home:.2f} s at home: {away - at_home:.2f} s more. The "
        f"first run on a node takes {warm['1 node']:.1f} s, most of it for starting a process and importing PyTorch.",
        "",
        f"An epoch sends {filesize(sum(traffic['epochs']) // len(epochs))} (its record, the state and, if it is the "
        f"best, its weights); everything else together {filesize(sum(traffic['other']) // len(epochs))} per epoch.",
    ]
    return "\n".join(lines)


# --- memory ---------------------------------------------------------------------------------------


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def trainer_pids() -> list[int]:
    """Return the processes that train for the cluster that this process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"ray::RemoteTrainer" in (folder / "cmdline").read_bytes() and descends(int(folder.name)):
                found.append(int(folder.name))
    return found


def descends(pid: int) -> bool:
    """Return whether this process has started the process ``pid``, or one that did."""
    while pid > 1 and pid != os.getpid():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid == os.getpid()


def tiny(count: int) -> str:
    """Train many tiny runs through the queue on two nodes and watch the memory."""
    from core.jobs import ray_cluster

    rows = []
    with new_store() as store, ray_nodes(2) as nodes:
        ray_cluster.RUNS_OF_TRAINER = count + 100  # type: ignore[misc]  # the same processes to the end
        cluster = ray_cluster.Cluster(nodes.address)
        steps = [max(count // 5, 1)] * 5  # a row each
        for number, step in enumerate(steps, 1):
            runs = [store.create(config(*TINY, f"train.seed={i}")) for i in range(step)]
            seconds = queue_seconds(store, runs, cluster)
            largest = max(map(resident, trainer_pids()), default=0)
            rows.append((number * step, resident(os.getpid()), largest, seconds / step))
            say(f"{counted(number * step, 'run')} of {sum(steps):,}: {seconds / step:.2f} s per run.")
        cluster.close()
    lines = [
        f"{counted(sum(steps), 'run')} of one epoch through the queue on two nodes:",
        "",
        "| runs so far | memory of the laboratory's process | largest trainer | time per run |",
        "| --- | --- | --- | --- |",
        *(f"| {runs:,} | {filesize(lab)} | {filesize(away)} | {each:.2f} s |" for runs, lab, away, each in rows),
    ]
    return "\n".join(lines)


# --- kills ----------------------------------------------------------------------------------------


def kills(count: int, seed: int) -> str:
    """Kill nodes, trainers and the laboratory at random moments, and compare every run with one at home."""
    draw = random.Random(seed)
    settings = ("train.epochs=6", *TINY[2:], "data.train_size=1000", "train.warmup_epochs=1")
    victims = ("node", "trainer", "laboratory")
    tally = dict.fromkeys((*victims, "nobody"), 0)
    equal = 0
    with new_store() as store, ray_nodes(1) as nodes:
        home = store.create(config(*settings))
        run(store, store.create(config(*settings)))  # imports and caches
        seconds = timed(lambda: run(store, home))
        for number in range(1, count + 1):
            run_id = store.create(config(*settings))
            # The first of six epochs is over when the time begins, and a killed run must not have ended.
            victim, delay = draw.choice(victims), draw.uniform(0, 0.6 * seconds)
            victim = one_kill(store, nodes, run_id, victim, delay)
            tally[victim] += 1
            same = _same(store, home, run_id)
            equal += same
            state = store.run(run_id).status().state
            say(f"Kill {number} of {count}: {victim}; {state}, {'equal' if same else 'NOT EQUAL'} to the run at home.")
            if not same:
                say(f"{store.run(run_id).log()}\n{work_log(store).read_text()[-4_000:]}")
    who = ", ".join(f"{name} {times}" for name, times in tally.items() if times)
    return (
        f"{counted(count, 'run')} of six epochs, each with one kill at a random moment ({who}): {equal} finished with "
        "every epoch once and with the weights, curves and result of the run at home, bit for bit."
    )


def one_kill(store: RunStore, nodes: Any, run_id: str, victim: str, delay: float) -> str:
    """Train a run and kill the ``victim`` when it has trained an epoch and ``delay`` seconds. Return who was killed."""
    laboratory = work(store, nodes.address)
    try:
        wait_for(lambda: store.run(run_id).records(), laboratory)
        time.sleep(delay)
        if store.run(run_id).status().state == "finished":
            victim = "nobody"
        elif victim == "laboratory":
            laboratory.kill()
            laboratory.wait()
            laboratory = work(store, nodes.address)  # it takes the run up again by itself
        elif victim == "trainer":
            for pid in trainer_pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        else:
            nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
            add_node(nodes)
        with contextlib.suppress(subprocess.TimeoutExpired):
            laboratory.wait(PATIENCE)
    finally:
        laboratory.kill()  # if it still runs: it must not train the next run
        laboratory.wait()
    return victim


def work(store: RunStore, address: str) -> subprocess.Popen[bytes]:
    """Start ``resnet-lab work --on ray`` until the queue is empty."""
    command = [sys.executable, "-m", "core", "work", "--on", "ray", "--address", address, "--until-empty"]
    with work_log(store).open("ab") as log:
        return subprocess.Popen([*command, "--runs", str(store.root)], cwd=PROJECT, stderr=log)


def work_log(store: RunStore) -> Path:
    """Return the file with what the laboratories say."""
    return store.root.parent / "work.log"


def wait_for(what: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    """Wait until ``what`` is true, or until the process has ended."""
    until = time.monotonic() + PATIENCE
    while not what() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)


def _same(store: RunStore, home: str, run_id: str) -> bool:
    first, second = store.run(home), store.run(run_id)
    return (
        second.status().state == "finished"
        and [record.epoch for record in second.records()] == [record.epoch for record in first.records()]
        and [record.val_loss for record in second.records()] == [record.val_loss for record in first.records()]
        and first.read_weights() == second.read_weights()
        and first.result() == second.result()
    )


# --- a study of 10,000 runs on 1,000 GPUs ---------------------------------------------------------


def plan(measured: int, runs: int, gpus: int, epoch_seconds: float, epochs: int) -> str:
    """Measure what the laboratory can do in a second, and compare it with what such a study asks for."""
    from core.jobs.ray_cluster import FETCH_SECONDS, STATE_BYTES_PER_SECOND, fetch_pause

    per_gpu = 2
    at_once = gpus * per_gpu
    together = max(1, round(fetch_pause(at_once) / epoch_seconds))  # epochs that a fetch brings
    with new_store() as store:
        first = store.create(RunConfig())
        template = store.run(first).path
        for number in range(1, measured):
            copy = store.root / f"20260101-{number // 31**2 % 1_000_000:06d}-{_letters(number)}"
            shutil.copytree(template, copy)
        store = RunStore(store.root)
        seconds = {"the first look at the queue": timed(lambda: store.queue.ids())}
        seconds["a look at the queue"] = min(timed(lambda: store.queue.ids()) for _ in range(3))
        store.summaries()
        for precision in ("auto", "fp32"):
            run_id = store.create(RunConfig().replace({"train.precision": precision}))
            seconds[f"starting a run with precision {precision}"] = min(
                timed(lambda run_id=run_id: begin(store, run_id)) for _ in range(3)
            )
        recorder = Recorder(store.run(first))
        recorder.start()
        record = EpochRecord(1, 1, 1, 1.0, 0.1, 1.0, *[1.0] * 6, [1.0] * 10, [0.5] * 10)
        state, weights = os.urandom(3_300_000), os.urandom(1_100_000)
        several = [
            timed(lambda n=n: recorder.epochs((replace(record, epoch=n),), state, weights)) for n in range(1, 21)
        ]
        with_state = seconds["writing an epoch with state and weights"] = statistics.median(several)
        several = [
            timed(lambda n=n: recorder.epochs([replace(record, epoch=n + i) for i in range(together)], None, None))
            for n in range(21, 21 + 20 * together, together)
        ]
        without = seconds[f"writing {counted(together, 'epoch')} without"] = statistics.median(several)
    epochs_per_second = at_once / epoch_seconds
    ends = at_once / (epochs * epoch_seconds)
    states = STATE_BYTES_PER_SECOND / 4.4e6
    before = epochs_per_second * with_state
    after = epochs_per_second / together * without + states * (with_state - without)
    fetches = at_once / fetch_pause(at_once)
    rows = [
        ("states and weights over the network", f"{epochs_per_second * 4.4e6 / 1e6:,.0f} MB/s", "50 MB/s"),
        ("time of one disk for epochs", f"{before:.1f} s in each second", f"{after:.1f} s in each second"),
        ("fetches", f"{at_once / FETCH_SECONDS:,.0f} in a second", f"{fetches:,.0f} in a second"),
        (
            "a look at the queue",
            f"{seconds['the first look at the queue']:.2f} s",
            f"{seconds['a look at the queue']:.2f} s",
        ),
        (
            "starting runs",
            f"{ends:.0f} in a second, {seconds['starting a run with precision auto'] * 1e3:.0f} ms each",
            f"{seconds['starting a run with precision fp32'] * 1e3:.0f} ms each if the settings name a precision",
        ),
        ("images", "", f"184 MB to each node once, {184 * gpus / 8 / 1e3:.0f} GB in all with 8 GPUs a node"),
    ]
    lines = [
        heading(),
        "",
        f"{runs:,} runs of {epochs} epochs, {epoch_seconds:g} s each; {gpus:,} GPUs with {per_gpu} runs each: "
        f"{epochs_per_second:.0f} epochs end in a second. The GPUs alone would take "
        f"{duration(runs / at_once * epochs * epoch_seconds)}; starting all runs takes one laboratory "
        f"{duration(runs * seconds['starting a run with precision fp32'])}.",
        "",
        "| what the laboratory does | as first written | now |",
        "| --- | --- | --- |",
        *(f"| {name} | {first_} | {now} |" for name, first_, now in rows),
        "",
        f"Measured here with {measured:,} run folders: "
        + "; ".join(f"{name} {value * 1e3:.1f} ms" for name, value in seconds.items())
        + ".",
    ]
    return "\n".join(lines)


def begin(store: RunStore, run_id: str) -> None:
    """Do what the laboratory does when it starts a run, before the run's node is asked."""
    with choosing_precision(store, run_id):
        Recorder(store.run(run_id)).start(on_cluster=True)


def _letters(number: int) -> str:
    alphabet = "23456789abcdefghjkmnpqrstuvwxyz"
    text = ""
    for _ in range(4):
        number, digit = divmod(number, 31)
        text = alphabet[digit] + text
    return text


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that ``action`` takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


# --- results --------------------------------------------------------------------------------------

TITLES = {"study": "A study's time", "tiny": "Memory", "kills": "Kills", "plan": "1,000 GPUs"}


def keep(part: str, text: str) -> None:
    """Replace a part of results/cluster.md."""
    parts = json.loads(PARTS.read_text()) if PARTS.is_file() else {}
    parts[part] = text
    PARTS.write_text(json.dumps(parts, indent=1, ensure_ascii=False) + "\n")
    pages = [f"## {TITLES[name]}\n\n{parts[name]}" for name in TITLES if name in parts]
    (RESULTS / "cluster.md").write_text("# Training on a Ray cluster\n\n" + "\n\n".join(pages) + "\n")
    publish("cluster", part, text)
    print(text)


def require(part: str) -> None:
    """Raise SystemExit if something that a measurement needs is missing."""
    try:
        cifar10.require()
    except LabError as error:
        raise SystemExit(str(error)) from None
    if part != "plan" and importlib.util.find_spec("ray") is None:
        raise SystemExit("Ray is not installed. Install it with `make cluster`.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=TITLES)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    # Ray reads them when it is imported.
    os.environ.update({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "t" * 32, "RAY_worker_niceness": "0"})
    require(args.part)
    match args.part:
        case "study":
            keep("study", f"{heading()}\n\n{study(args.runs or 4)}")
        case "tiny":
            keep("tiny", f"{heading()}\n\n{tiny(args.runs or 500)}")
        case "kills":
            keep("kills", f"{heading()}\n\n{kills(args.kills, args.seed)}")
        case "plan":
            keep("plan", plan(args.runs or 10_000, 10_000, 1_000, 5.0, 40))


if __name__ == "__main__":
    main()
