"""TSM on SlowOnly's trunk against MMAction2's own shift."""

import copy
import pickle

import torch
from mmaction.models.backbones.resnet3d_slowonly import ResNet3dSlowOnly
from mmaction.models.backbones.resnet_tsm import TemporalShift as HostShift

from f4d_mmaction.models.temporal_shift import SlowOnlyTSM, temporal_shift


def test_channels_shift_as_in_mmaction2():
    torch.manual_seed(0)
    x = torch.randn(2, 19, 5, 3, 4)
    frames = x.transpose(1, 2).flatten(0, 1)
    expected = HostShift.shift(frames, num_segments=5, shift_div=8)
    expected = expected.unflatten(0, (2, 5)).transpose(1, 2)
    assert torch.equal(temporal_shift(x, 8), expected)


def test_every_residual_branch_sees_its_neighbors_and_the_skip_does_not():
    torch.manual_seed(0)
    trunk = SlowOnlyTSM(depth=18, base_channels=8, pretrained=None).double()
    trunk.eval()
    x = torch.randn(1, 3, 12, 32, 32, dtype=torch.float64)
    out = trunk(x)
    assert out.shape == (1, 64, 12, 1, 1)
    changed = x.clone()
    changed[:, :, 5] += 1
    reached = (trunk(changed) - out).abs().amax((0, 1, 3, 4)).nonzero().flatten().tolist()
    assert reached == list(range(12)), "eight branches reach eight frames each way"
    single = torch.cat([trunk(x[:, :, i : i + 1]) for i in range(12)], 2)
    assert not torch.allclose(single, out)


def test_recomputation_gives_the_same_gradients_and_counts_statistics_once():
    x, found = torch.randn(2, 3, 4, 32, 32), []
    for with_cp in (False, True):
        torch.manual_seed(0)
        trunk = SlowOnlyTSM(depth=18, base_channels=8, pretrained=None, with_cp=with_cp)
        trunk(x).square().mean().backward()
        found.append([*(p.grad for p in trunk.parameters()), *trunk.buffers()])
    torch.testing.assert_close(*found)


def test_weights_have_the_names_of_slowonly_and_copies_shift_by_themselves():
    options = dict(depth=18, base_channels=8, pretrained=None)
    trunk, slow = SlowOnlyTSM(**options), ResNet3dSlowOnly(**options, inflate=(0, 0, 0, 0))
    trunk.eval()
    assert list(trunk.state_dict()) == list(slow.state_dict())
    x = torch.randn(1, 3, 4, 32, 32)
    expected = trunk(x)
    for other in (copy.deepcopy(trunk), pickle.loads(pickle.dumps(trunk))):
        torch.testing.assert_close(other(x), expected, rtol=0, atol=0)
        other.shift_div = 2
        assert not torch.equal(other(x), trunk(x))
        assert torch.equal(trunk(x), expected)
