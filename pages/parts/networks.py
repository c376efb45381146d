"""The networks of runs as pages use them: loaded once, with what is known of their training images.

What is known takes up to a minute to compute and is kept on disk. :func:`offer_to_learn` computes it when it is asked
to, in steps behind a progress bar; whatever interrupts it, the next script run goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data import cifar10
from pages.parts.actions import key_for
from pages.parts.shared import get_store, literal

if TYPE_CHECKING:  # these import PyTorch, which takes seconds
    from core.images.classify import Classifier
    from core.inspect.features import Activations, Computation, Features, Part, Shelf
    from core.inspect.unlike import Knowledge, Survey


@dataclass
class Network:
    """A run's network, and the time of its weights file, which tells it from the same run's later ones."""

    classifier: "Classifier"
    time: int

    @property
    def key(self) -> tuple[str, int]:
        """What tells the network from every other one."""
        return self.classifier.run_id, self.time


def load_network(run_id: str) -> Network:
    """Return a run's network; it is loaded again when its weights file has another time. Raises StoreError."""
    store = get_store()
    time = store.run(run_id).best_weights().stat().st_mtime_ns
    return Network(_classifier(str(store.root), run_id, time), time)


@st.cache_resource(max_entries=4, show_spinner="Loading the network…")
def _classifier(root: str, run_id: str, weights_time: int) -> "Classifier":
    from core.images.classify import Classifier

    return Classifier.load(get_store(), run_id)


# --- what is computed once for a run's weights ------------------------------------------------------------


@dataclass
class _Kept:
    """What is kept for a run's weights, and what is being computed; shared by all sessions."""

    shelf: "Shelf"
    knowledge: "Knowledge | None" = None
    survey: "Survey | None" = None


@st.cache_resource(max_entries=4, show_spinner=False)
def _kept(root: str, run_id: str, weights_time: int) -> _Kept:
    from core.inspect.features import Shelf
    from core.inspect.unlike import kept_knowledge

    shelf = Shelf(get_store(), run_id)
    return _Kept(shelf, kept_knowledge(shelf))


def shelf(network: Network) -> "Shelf":
    """Return where things are kept for the network's weights."""
    return _kept(str(get_store().root), *network.key).shelf


def knowledge(network: Network) -> "Knowledge | None":
    """Return what is known of the network's training images; ``None`` before :func:`offer_to_learn`."""
    return _kept(str(get_store().root), *network.key).knowledge


def offer_to_learn(networks: Mapping[str, Network]) -> None:
    """Offer to look at the training images of the ``networks``, by label, of which that is not known yet.

    When it is done, the page is shown again. The weights of a run that trains change all the time: it has to end first.
    Raises DataError for damaged data.
    """
    missing = {label: network for label, network in networks.items() if knowledge(network) is None}
    if not missing:
        return
    if not cifar10.available():
        st.caption("Without CIFAR-10 on this computer, images cannot be compared with the training images.")
        return
    training = [label for label, network in missing.items() if get_store().summary(network.classifier.run_id).at_work]
    for label in training:
        del missing[label]
        st.caption(f"{literal(label)} is training. Its nearest training images can be found when it has ended.")
    if not missing:
        return
    button = key_for("learn", *(f"{run_id}/{time}" for run_id, time in (network.key for network in missing.values())))
    asked = f"asked to {button}"
    if asked not in st.session_state:
        st.button(
            "Find nearest training images",
            key=button,
            icon=":material/travel_explore:",
            help="Computes features of all training images, which takes about a minute of one core (longer for a large "
            "network). They are kept for the next time. Images unlike the training images are then flagged too.",
            on_click=st.session_state.__setitem__,
            args=(asked, True),
        )
        return
    for label, network in missing.items():
        _learn(network, literal(label))
    st.rerun()


def _learn(network: Network, name: str) -> None:
    from core.inspect.unlike import Survey

    kept = _kept(str(get_store().root), *network.key)
    survey = kept.survey = kept.survey or Survey(network.classifier, cifar10.load(), kept.shelf)
    text = f"Computing features of {survey.images:,} training and held-out images of {name}, once for these weights…"
    bar = st.progress(survey.share, text)
    while not survey.done:
        survey.advance()
        bar.progress(survey.share, text)
    kept.knowledge, kept.survey = survey.finish(), None
    bar.empty()


@st.cache_resource(max_entries=4, show_spinner=False)
def _computation(root: str, run_id: str, weights_time: int, part: "Part") -> "Computation":
    from core.inspect.features import Computation

    return Computation(_classifier(root, run_id, weights_time), cifar10.load(), part)


@st.cache_resource(max_entries=8, show_spinner=False)
def _kept_features(root: str, run_id: str, weights_time: int, part: "Part", _shelf: "Shelf") -> "list[Features]":
    """A list of one, or an empty one that :func:`features` fills."""
    kept = _shelf.read_features(part)
    return [kept] if kept else []


def features(network: Network, part: "Part") -> "Features":
    """Return the features of a set of the run's images; computes them behind a progress bar if needed.

    Raises DataError without CIFAR-10.
    """
    root = str(get_store().root)
    kept = _kept_features(root, *network.key, part, shelf(network))
    if not kept:
        computation = _computation(root, *network.key, part)
        text = f"Computing the features of {len(computation.images):,} {part} images, once for these weights…"
        bar = st.progress(computation.share, text)
        while not computation.done:
            computation.advance()
            bar.progress(computation.share, text)
        bar.empty()
        kept.append(computation.features())
        shelf(network).write_features(part, kept[0])
    return kept[0]


# --- what a network makes of a few images -------------------------------------------------------------------


def seen(network: Network, images: NDArray[np.uint8]) -> "Activations":
    """Return what the network makes of uint8 images (n, 3, 32, 32), n ≥ 1."""
    return _seen(network.key, images, network.classifier)


@st.cache_resource(max_entries=32, show_spinner=False)
def _seen(key: tuple[str, int], images: NDArray[np.uint8], _classifier: "Classifier") -> "Activations":
    from core.inspect.features import activations

    return activations(_classifier, images)


def grad_cams(
    network: Network, images: NDArray[np.uint8], classes: NDArray[np.int64], stage: int = 3
) -> NDArray[np.float32]:
    """Return the Grad-CAM map of each image for its class: float32 (n, 32, 32), 0 to 1."""
    return _grad_cams(network.key, images, classes, stage, network.classifier)


@st.cache_resource(max_entries=64, show_spinner=False)
def _grad_cams(
    key: tuple[str, int], images: NDArray[np.uint8], classes: NDArray[np.int64], stage: int, _classifier: "Classifier"
) -> NDArray[np.float32]:
    from core.inspect.explain import grad_cam

    return grad_cam(_classifier, images, classes, stage)


def occlusion(network: Network, image: NDArray[np.uint8], label: int, patch: int) -> NDArray[np.float32]:
    """Return by how much the probability of a class falls where a square covers the image: float32 (32, 32)."""
    return _occlusion(network.key, image, label, patch, network.classifier)


@st.cache_resource(max_entries=64, show_spinner=False)
def _occlusion(
    key: tuple[str, int], image: NDArray[np.uint8], label: int, patch: int, _classifier: "Classifier"
) -> NDArray[np.float32]:
    from core.inspect import explain

    return explain.occlusion(_classifier, image, label, patch)
