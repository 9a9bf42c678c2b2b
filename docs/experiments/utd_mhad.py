"""Twenty-seven actions of eight people in depth: four people train, the other four test."""

from small_videos import CURVES, NETWORKS, OPTIONS, networks

results = "utd_mhad.jsonl"
document = "../experiments.md"
prefix = "utd_mhad_"
seeds = [0, 1, 2, 3, 4]
benchmark = dict(
    root="data/utd_mhad",
    command="python tools/data/prepare.py utd_mhad --media data/UTD-MHAD/Depth --out data/utd_mhad",
)
options = OPTIONS
rows = networks("utd_mhad")
tables = dict(networks=dict(title="Networks", rows=NETWORKS))
curves = CURVES
reference = "f4d"
opposites = {
    0: 1,
    1: 0,
    8: 9,
    9: 8,
    23: 24,
    24: 23,
}  # swipes, circles, sitting down and standing up
