"""What the input-cell attention paper reports (Ismail et al. 2019, NeurIPS, arXiv:1910.12370).

Table 1 is verbatim, of one run each, without spread. The figures' numbers were read off the pixels of the authors'
poster, to about 0.002 (scores) and 0.2 points (percentages). Of MNIST only pictures are published, of the supplement's
pooling variants no number is known here.
"""

SETS = {
    "earlier": "Earlier box",
    "middle": "Middle box",
    "latter": "Latter box",
    "mixed": "Mixed boxes",
    "three_earlier": "3 earlier boxes",
    "three_middle": "3 middle boxes",
}
SCORES = ("weighted_jaccard", "euclidean", "accuracy")

# network of the paper, then (weighted Jaccard, Euclidean distance, test accuracy in per cent) in the order of SETS
TABLE1 = {
    "LSTM": (
        (0.000, 1.006, 53.4), (0.000, 1.003, 98.6), (0.019, 0.985, 100.0), (0.000, 1.003, 49.1), (0.000, 1.003, 52.2),
        (0.000, 1.004, 51.8),
    ),
    "Bi-LSTM": (
        (0.000, 1.004, 50.7), (0.000, 1.003, 53.2), (0.013, 0.990, 100.0), (0.000, 1.002, 51.5), (0.000, 1.003, 51.3),
        (0.000, 1.003, 51.3),
    ),
    "self-attention": (
        (0.048, 0.973, 100.0), (0.048, 0.963, 100.0), (0.045, 0.973, 100.0), (0.060, 0.953, 100.0),
        (0.025, 0.985, 100.0), (0.075, 0.939, 99.9),
    ),
    "input-cell": (
        (0.103, 0.914, 100.0), (0.124, 0.891, 100.0), (0.110, 0.903, 100.0), (0.104, 0.912, 77.6),
        (0.108, 0.903, 100.0), (0.106, 0.905, 100.0),
    ),
}  # fmt: skip

STARTS = (0, 10, 20, 30, 40)  # first step of the moving box of 60 steps
MOVING = {
    "weighted_jaccard": {
        "LSTM": (0.000, 0.000, 0.000, 0.001, 0.009),
        "Bi-LSTM": (0.000, 0.000, 0.000, 0.001, 0.010),
        "self-attention": (0.065, 0.086, 0.059, 0.093, 0.040),
        "input-cell": (0.118, 0.110, 0.113, 0.127, 0.084),
    },
    "euclidean": {
        "Bi-LSTM": (1.003, 1.003, 1.003, 1.002, 0.994),
        "self-attention": (0.945, 0.925, 0.951, 0.918, 0.968),
        "input-cell": (0.898, 0.906, 0.908, 0.892, 0.930),
    },
}

PERCENT = (10, 20, 30, 40, 50)  # of the cells that are salient, or removed
ON_TASK = {"LSTM": (33.3, 44.8, 54.0, 60.6, 66.0), "input-cell": (96.5, 95.0, 94.0, 92.6, 91.2)}
# (network that answers, network whose saliency ranks the cells), points of accuracy lost
DROP = {
    ("LSTM", "LSTM"): (1.9, 3.4, 4.9, 8.0, 11.2),
    ("input-cell", "input-cell"): (8.9, 11.2, 12.8, 14.3, 16.3),
    ("LSTM", "input-cell"): (5.4, 9.4, 12.8, 16.5, 20.4),
}


def table1(network: str, name: str) -> dict[str, float]:
    """Return the paper's scores of a network on a set, empty where there is none; accuracy is 0 to 1."""
    if network not in TABLE1 or name not in SETS:
        return {}
    jaccard, distance, accuracy = TABLE1[network][list(SETS).index(name)]
    return dict(zip(SCORES, (jaccard, distance, round(accuracy / 100, 4)), strict=True))
