"""What `tools/analysis/gpu_report.sh` trains: the quickstart's networks in three precisions."""

results = "../../work_dirs/gpu_report/results.jsonl"
document = "../performance_gpu.md"
work_dirs = "work_dirs/gpu_report"
seeds = [0]
benchmark = dict(root="data/phase_order", preset="easy")
options = {}

precisions = {
    "float32": {},
    "fp16": {"optim_wrapper.type": "AmpOptimWrapper", "optim_wrapper.loss_scale": "dynamic"},
    "bf16": {"optim_wrapper.type": "BFloat16OptimWrapper"},
}
networks = {"F4D": "f4d", "V4D": "v4d", "SlowOnly": "slowonly", "TSM": "tsm", "TSN": "tsn"}
rows, curves = {}, {}
for label, name in networks.items():
    for precision, changes in precisions.items():
        config = f"configs/recognition/{name}/{name}_r18_phase_order.py"
        rows[f"{name}_{precision}"] = dict(config=config, options=changes)
        curves[f"{label}, {precision}"] = f"{name}_{precision}"
tables = dict(accuracy=dict(title="Top-1 after eight epochs", rows=curves))
