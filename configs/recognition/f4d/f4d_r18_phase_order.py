_base_ = [
    "../../_base_/models/f4d_r18_small.py",
    "../../_base_/datasets/phase_order.py",
    "../../_base_/schedules/sgd_onecycle_8e.py",
    "../../_base_/default_runtime.py",
]
