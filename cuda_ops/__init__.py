"""The signal-processing operations of the StyleGAN family, one file an op; `dispatch` picks who computes them."""
from cuda_ops import bias_act, conv2d_resample, filtered_lrelu, modulated_conv2d, style_epilogue, upfirdn2d

__all__ = ["bias_act", "conv2d_resample", "filtered_lrelu", "modulated_conv2d", "style_epilogue", "upfirdn2d"]
