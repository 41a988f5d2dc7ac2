# SPDX-License-Identifier: MIT
"""Microscaling formats on torch tensors: 4-bit floats (e2m1) and their scales (e8m0), one code a byte."""

import torch

__all__ = ["MXFP4Tensor", "MXScaleTensor", "fp8e8m0_to_float32"]

_MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # e2m1 without sign, by code


class _Codes:
  """Bytes in `data`, made of floats or at random."""

  def __init__(self, data=None, size=None, device=None):
    self.device = device
    if data is None:
      assert size is not None, "either data or size is needed"
      self.size = tuple(size) if isinstance(size, (tuple, list, torch.Size)) else (size, )
      self.data = None
      return
    assert isinstance(data, torch.Tensor), "data must be a torch tensor"
    self.device = data.device if device is None else device
    self.data = self._encode(data.to(self.device).float())
    self.size = tuple(self.data.shape)

  def to(self, dtype):
    """The values as floats; only torch.float32."""
    assert dtype == torch.float32, "only torch.float32 is supported"
    return self._decode(self.data)


class MXFP4Tensor(_Codes):
  """Values of e2m1: sign, two bits of exponent, one of mantissa. Rounded to nearest, ties to even; saturating."""

  def random(self):
    self.data = torch.randint(0, 16, self.size, dtype=torch.uint8, device=self.device)
    return self

  @staticmethod
  def _encode(values):
    levels = torch.tensor(_MAGNITUDES, device=values.device)
    magnitude = torch.nan_to_num(values.abs(), nan=0.0, posinf=6.0).clamp(max=6.0)
    above = torch.bucketize(magnitude, levels).clamp(max=7)  # first level that is not below
    below = (above - 1).clamp(min=0)
    down, up = magnitude - levels[below], levels[above] - magnitude
    tie_down = (down == up) & (below % 2 == 0)
    code = torch.where((down < up) | tie_down, below, above)
    return (code + 8 * torch.signbit(values)).to(torch.uint8)

  @staticmethod
  def _decode(codes):
    levels = torch.tensor(_MAGNITUDES, device=codes.device)
    value = levels[(codes & 7).long()]
    return torch.where(codes >= 8, -value, value)

  def to_packed_tensor(self, dim):
    """Two codes a byte along `dim`, the first in the low half; an odd length is filled with 0."""
    data = self.data
    assert 0 <= dim < data.ndim, f"dim must be one of the {data.ndim} dimensions, not {dim}"
    if data.shape[dim] % 2:
      shape = list(data.shape)
      shape[dim] = 1
      data = torch.cat([data, data.new_zeros(shape)], dim)
    pairs = data.unflatten(dim, (-1, 2))
    return pairs.select(dim + 1, 0) | pairs.select(dim + 1, 1) << 4

  def unpack_packed_tensor(self, packed_tensor, dim, original_shape):
    """The codes, one a byte, that `to_packed_tensor` packed."""
    pairs = torch.stack([packed_tensor & 15, packed_tensor >> 4], dim + 1)
    return pairs.flatten(dim, dim + 1).narrow(dim, 0, original_shape[dim]).contiguous()


class MXScaleTensor(_Codes):
  """Scales of e8m0: powers of two from 2^-127 (code 0) to 2^127; code 255 is NaN."""

  def random(self, low=None, high=None):
    """Codes of scales between `low` and `high` (all of them unless given)."""
    first = 0 if low is None else int(self._encode(torch.tensor([float(low)]))[0])
    last = 254 if high is None else int(self._encode(torch.tensor([float(high)]))[0])
    self.data = torch.randint(first, last + 1, self.size, dtype=torch.uint8, device=self.device)
    return self

  @staticmethod
  def _encode(values):
    _, exponent = torch.frexp(values)  # values = m·2^e with 0.5 <= m < 1
    code = (exponent - 1 + 127).clamp(0, 254)
    bad = ~torch.isfinite(values) | (values <= 0)
    return torch.where(bad, torch.full_like(code, 255), code).to(torch.uint8)

  @staticmethod
  def _decode(codes):
    return fp8e8m0_to_float32(codes)


def fp8e8m0_to_float32(scale):
  """float32 values of e8m0 codes (bytes, or torch.float8_e8m0fnu)."""
  codes = scale.view(torch.uint8).to(torch.int32)
  bits = torch.where(codes == 0, torch.full_like(codes, 1 << 22), codes << 23)  # 2^-127 is subnormal
  value = bits.view(torch.float32)
  return torch.where(codes == 255, torch.full_like(value, float("nan")), value)
