"""What `bash tools/quickstart.sh` runs: the shipped benchmark, one recipe, several networks."""

results = "../../work_dirs/quickstart/results.jsonl"
document = "../../work_dirs/quickstart/report.md"
work_dirs = "work_dirs/quickstart"
seeds = [0]
benchmark = dict(root="data/phase_order", preset="easy")
options = {}

configs = "configs/recognition"
rows = dict(
    f4d=dict(config=f"{configs}/f4d/f4d_r18_phase_order.py"),
    slowonly=dict(config=f"{configs}/slowonly/slowonly_r18_phase_order.py"),
    v4d=dict(config=f"{configs}/v4d/v4d_r18_phase_order.py"),
    tsn=dict(config=f"{configs}/tsn/tsn_r18_phase_order.py"),
    tsm=dict(config=f"{configs}/tsm/tsm_r18_phase_order.py"),
)
curves = {
    "F4D": "f4d",
    "SlowOnly, units averaged": "slowonly",
    "V4D": "v4d",
    "TSN": "tsn",
    "TSM": "tsm",
}
tables = dict(networks=dict(title="Networks", rows=curves))
