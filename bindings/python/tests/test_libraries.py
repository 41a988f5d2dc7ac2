# SPDX-License-Identifier: MIT
"""Kernels of a public library, Liger Kernel, as it is installed: forward and backward on the CPU against PyTorch."""
import os
import unittest

os.environ.setdefault("TESSERA_AUTOTUNE_CONFIGS", "2")
try:
    import torch
    import torch.nn.functional as F
except ImportError:
    raise unittest.SkipTest("skipped: no torch") from None
import tessera.triton.install  # noqa: F401
try:
    import liger_kernel.ops  # noqa: F401
except ImportError:
    raise unittest.SkipTest("skipped: no liger_kernel") from None


class Liger(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)

    def same(self, ours, ref, tol=2e-5):
        ours, ref = ours.detach().double(), ref.detach().double()
        self.assertEqual(ours.shape, ref.shape)
        self.assertLessEqual((ours - ref).abs().max().item(), tol * max(ref.abs().max().item(), 1))

    def both(self, ours, reference, *inputs, tol=2e-5):
        """Values and gradients of two functions of the inputs."""
        results = []
        for f in (ours, reference):
            leaves = [x.clone().requires_grad_() for x in inputs]
            out = f(*[x.clone() for x in leaves])
            out = out[0] if isinstance(out, tuple) else out
            torch.manual_seed(1)
            out.backward(torch.randn(out.shape))
            results.append([out, *[x.grad for x in leaves]])
        for a, b in zip(*results):
            self.same(a.reshape(b.shape), b, tol)

    def test_norms(self):
        from liger_kernel.ops.group_norm import LigerGroupNormFunction as group
        from liger_kernel.ops.layer_norm import LigerLayerNormFunction as layer
        from liger_kernel.ops.rms_norm import LigerRMSNormFunction as rms
        x, w, b = torch.randn(37, 300), torch.rand(300), torch.rand(300)
        self.both(lambda x, w: rms.apply(x, w, 1e-6, 0.0, "llama", False),
                  lambda x, w: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w, x, w)
        self.both(lambda x, w, b: layer.apply(x, w, b, 1e-6), lambda x, w, b: F.layer_norm(x, (300,), w, b, 1e-6), x, w, b)
        self.both(lambda x, w, b: group.apply(x, w, b, 12, 3, 1e-6), lambda x, w, b: F.group_norm(x, 3, w, b, 1e-6),
                  torch.randn(4, 12, 40), torch.rand(12), torch.rand(12))

    def test_gates(self):
        from liger_kernel.ops.geglu import LigerGELUMulFunction as geglu
        from liger_kernel.ops.relu_squared import LigerReLUSquaredFunction as relu
        from liger_kernel.ops.swiglu import LigerSiLUMulFunction as swiglu
        a, b = torch.randn(2, 37, 300)
        self.both(lambda a, b: swiglu.apply(a, b), lambda a, b: F.silu(a) * b, a, b)
        self.both(lambda a, b: geglu.apply(a, b), lambda a, b: F.gelu(a, approximate="tanh") * b, a, b)
        self.both(lambda a: relu.apply(a), lambda a: F.relu(a)**2, a)

    def test_softmax(self):
        from liger_kernel.ops.softmax import LigerSoftmaxFunction as softmax
        for n in (300, 9000):
            self.both(lambda x: softmax.apply(x), lambda x: torch.softmax(x, -1), torch.randn(17, n))

    def test_losses(self):
        from liger_kernel.ops.cross_entropy import LigerCrossEntropyFunction as cross
        from liger_kernel.ops.fused_linear_cross_entropy import LigerFusedLinearCrossEntropyFunction as fused
        from liger_kernel.ops.kl_div import LigerKLDivLossFunction as kl
        x, t = torch.randn(37, 3000), torch.randint(0, 3000, (37,))
        t[3] = -100
        self.both(lambda x: cross.apply(x, t, None), lambda x: F.cross_entropy(x, t), x)
        p, q = torch.randn(37, 500).log_softmax(-1), torch.randn(37, 500).softmax(-1)
        self.both(lambda p: kl.apply(p, q, "batchmean", False, 1e-10), lambda p: F.kl_div(p, q, reduction="batchmean"), p)
        x, w, t = torch.randn(64, 96), torch.randn(500, 96), torch.randint(0, 500, (64,))
        out = fused.apply(x.requires_grad_(), w.requires_grad_(), t)
        self.same(out[0] if isinstance(out, tuple) else out, F.cross_entropy(x @ w.T, t))

    def test_rope(self):
        from liger_kernel.ops.rope import LigerRopeFunction as rope
        B, H, K, S, D = 2, 4, 2, 16, 64
        q, k = torch.randn(B, H, S, D), torch.randn(B, K, S, D)
        angle = torch.outer(torch.arange(S), 1 / 10000**(torch.arange(0, D, 2) / D)).repeat(1, 2)
        cos, sin = angle.cos()[None], angle.sin()[None]
        turned = lambda x: torch.cat([-x[..., D // 2:], x[..., :D // 2]], -1)
        for ours, x in zip(rope.apply(q.clone(), k.clone(), cos, sin, None, 1), (q, k)):
            self.same(ours, x * cos[:, None] + turned(x) * sin[:, None])

    def test_others(self):
        from liger_kernel.ops.dyt import LigerDyTFunction as dyt
        from liger_kernel.ops.sparsemax import LigerSparsemaxFunction as sparsemax
        x, alpha, gamma, beta = torch.randn(37, 300), torch.tensor([0.5]), torch.rand(300), torch.rand(300)
        self.same(dyt.apply(x, alpha, gamma, beta), torch.tanh(alpha * x) * gamma + beta)
        x = torch.randn(7, 100)
        s, _ = torch.sort(x, -1, descending=True)
        total = s.cumsum(-1) - 1
        k = (s * torch.arange(1, 101) > total).sum(-1, keepdim=True)
        self.same(sparsemax.apply(x, -1), (x - total.gather(-1, k - 1) / k).clamp(min=0))


if __name__ == "__main__":
    unittest.main()
