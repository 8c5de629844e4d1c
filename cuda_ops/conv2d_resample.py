"""conv2d_resample: convolution combined with FIR up- or downsampling. Spec "conv2d_resample"; StyleGAN2 app. B."""
from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from cuda_ops.upfirdn2d import Padding, add_paddings, check_filter, check_image, down_padding, four_paddings
from cuda_ops.upfirdn2d import up_padding, upfirdn2d


def conv2d_resample(x: Tensor, w: Tensor, f: Tensor | None = None, up: int = 1, down: int = 1, padding: Padding = 0,
                    flip_weight: bool = True) -> Tensor:
    """x [N, I, H, W] * w [O, I, kh, kw], upsampled before the convolution by `up` or downsampled in it by `down`."""
    return _conv2d_resample(x, w, f, up, down, padding, flip_weight, groups=1)


def _conv2d_resample(x, w, f, up, down, padding, flip_weight, groups):
    w = w.to(x.dtype)
    if not flip_weight:
        w = w.flip(2, 3)
    padding = four_paddings(padding)
    if up > 1:
        x = upfirdn2d(x, f, up=up, padding=add_paddings(padding, up_padding(f, (up, up))), gain=up ** 2)
    elif down > 1:
        x = upfirdn2d(x, f, padding=add_paddings(padding, down_padding(f, (down, down))))
    else:
        x = F.pad(x, padding)
    return F.conv2d(x, w, stride=down, groups=groups)
