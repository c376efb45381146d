"""Tables 1 and 2 of the report: 28 results on CIFAR-10 that it compares itself with, as printed.

The report tells neither how any of them chose its epoch nor whether more data was used; two of its references are wrong
and are corrected in the note. Which of our runs stand beside them is :mod:`core.views.leaderboard`'s business.
"""

from dataclasses import dataclass

_ARXIV, _WRONG = "arXiv:", "the printed reference is wrong: "


@dataclass(frozen=True)
class Result:
    """A row of Table 1 or 2: ``reference`` as the report prints it, ``accuracy`` in percent, ``note`` what to know."""

    table: int
    method: str
    reference: str
    accuracy: float
    note: str = ""

    @property
    def link(self) -> str | None:
        """Where the paper is, if its number on arXiv is known."""
        return f"https://arxiv.org/abs/{self.note.removeprefix(_ARXIV)}" if self.note.startswith(_ARXIV) else None

    @property
    def authors(self) -> str:
        """Who it is by and when: the printed reference, or the right one where that is wrong."""
        return self.note.removeprefix(_WRONG) if self.wrong_reference else self.reference

    @property
    def wrong_reference(self) -> bool:
        """Whether the report gives this result to the wrong authors."""
        return self.note.startswith(_WRONG)


RESULTS = (
    Result(1, "Fractional max-pooling", "Graham 2014a", 96.53, "arXiv:1412.6071"),
    Result(
        1, "Striving for simplicity: the all convolutional net", "Springenberg et al. 2014", 95.59, "arXiv:1412.6806"
    ),
    Result(1, "All you need is a good init", "Mishkin & Matas 2015", 94.16, "arXiv:1511.06422"),
    Result(1, "Lessons learned from manually classifying CIFAR-10", "Karpathy 2011", 94, "a person's accuracy"),
    Result(
        1,
        "Generalizing pooling functions in convolutional neural networks: mixed, gated, and tree",
        "Karpathy 2011",
        93.95,
        "the printed reference is wrong: Lee, Gallagher & Tu 2015",
    ),
    Result(1, "Spatially-sparse convolutional neural networks", "Graham 2014b", 93.72, "arXiv:1409.6070"),
    Result(1, "Scalable Bayesian optimization using deep neural networks", "Snoek et al. 2015", 93.63),
    Result(
        1,
        "Deep residual learning for image recognition",
        "He et al. 2016",
        93.57,
        "ResNet-110; ResNet-20 in the same paper: 91.25",
    ),
    Result(
        1,
        "Fast and accurate deep network learning by exponential linear units",
        "Clevert et al. 2015",
        93.45,
        "arXiv:1511.07289",
    ),
    Result(1, "Universum prescription: regularization using unlabeled data", "Zhang & LeCun 2017", 93.34),
    Result(1, "Batch-normalized maxout network in network", "Chang & Chen 2015", 93.25, "arXiv:1511.02583"),
    Result(1, "Competitive multi-scale convolution", "Liao & Carneiro 2015", 93.13, "arXiv:1511.05635"),
    Result(1, "Recurrent convolutional neural network for object recognition", "Liang & Hu 2015", 92.91),
    Result(
        1,
        "Learning activation functions to improve deep neural networks",
        "Agostinelli et al. 2014",
        92.49,
        "arXiv:1412.6830",
    ),
    Result(2, "Training very deep networks", "Srivastava et al. 2015", 92.40),
    Result(2, "Stacked what-where auto-encoders", "Zhao et al. 2015", 92.23, "arXiv:1506.02351"),
    Result(2, "Multi-loss regularized deep neural network", "Xu et al. 2016", 91.88),
    Result(2, "Deeply-supervised nets", "Lee et al. 2015", 91.78),
    Result(
        2,
        "BinaryConnect: training deep neural networks with binary weights during propagations",
        "Courbariaux et al. 2015",
        91.73,
    ),
    Result(
        2,
        "On the importance of normalisation layers in deep learning with piecewise linear activation units",
        "Courbariaux et al. 2015",
        91.48,
        "the printed reference is wrong: Liao & Carneiro 2015",
    ),
    Result(2, "Spectral representations for convolutional neural networks", "Rippel et al. 2015", 91.40),
    Result(2, "Network in network", "Lin et al. 2013", 91.20, "arXiv:1312.4400"),
    Result(
        2,
        "Speeding up automatic hyperparameter optimization of deep neural networks by extrapolation of learning curves",
        "Domhan et al. 2015",
        91.19,
    ),
    Result(
        2,
        "Deep networks with internal selective attention through feedback connections",
        "Stollenga et al. 2014",
        90.78,
    ),
    Result(2, "Regularization of neural networks using DropConnect", "Wan et al. 2013", 90.68),
    Result(2, "Maxout networks", "Goodfellow et al. 2013", 90.65, "arXiv:1302.4389"),
    Result(
        2, "Improving deep neural networks with probabilistic maxout units", "Springenberg & Riedmiller 2013", 90.61
    ),
    Result(2, "Practical Bayesian optimization of machine learning algorithms", "Snoek et al. 2012", 90.5),
)
