"""Two actions of a person, one after the other, in depth: the class is their order."""

from small_videos import CURVES, NETWORKS, OPTIONS, VARIANTS, networks, variants

results = "utd_mhad_sequences.jsonl"
document = "../experiments.md"
prefix = "utd_mhad_sequences_"
seeds = [0, 1, 2, 3, 4]
benchmark = dict(
    root="data/utd_mhad_sequences",
    command="python tools/data/prepare.py utd_mhad --sequences 2 --media data/UTD-MHAD/Depth "
    "--out data/utd_mhad_sequences",
)
options = OPTIONS
rows = networks("utd_mhad_sequences") | variants("utd_mhad_sequences", seeds=[0, 1, 2])
tables = dict(
    networks=dict(title="Networks", rows=NETWORKS),
    variants=dict(title="F4D in other forms", rows=VARIANTS),
)
curves = CURVES
reference = "f4d"
# Class 4 i + j is action i, then the j-th of the other four: each order has its reverse.
orders = [(i, j) for i in range(5) for j in range(5) if i != j]
opposites = {orders.index((i, j)): orders.index((j, i)) for i, j in orders}
