"""The demo model's transformer: the llama architecture as llama.cpp computes it.

RMSNorm before each half, rotary positions over neighbouring pairs (llama.cpp's "normal" layout, so no weight is
permuted on export), grouped-query attention, SwiGLU, and an output that shares the token embedding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """Sizes of the network. All matrix widths are multiples of 32, as Q8_0 needs."""

    vocabulary: int
    context: int = 1024
    layers: int = 12
    width: int = 192
    heads: int = 6
    key_heads: int = 2
    feed_forward: int = 384
    rope_base: float = 10_000.0
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """Width of one attention head, also the number of rotated dimensions."""
        return self.width // self.heads


def rotation(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, each `[length, head_width / 2]`."""
    half = torch.arange(0, shape.head_width, 2, dtype=torch.float32)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), shape.rope_base ** (-half / shape.head_width))
    return angles.cos(), angles.sin()


def rotate(heads: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate neighbouring pairs of the last dimension. `heads` is `[batch, head, place, head_width]`."""
    cosine, sine = angles
    even, odd = heads[..., 0::2], heads[..., 1::2]
    return torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1).flatten(-2)


class Layer(nn.Module):
    """One transformer layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        key_width = shape.key_heads * shape.head_width
        self.attn_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.attn_q = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_k = nn.Linear(shape.width, key_width, bias=False)
        self.attn_v = nn.Linear(shape.width, key_width, bias=False)
        self.attn_output = nn.Linear(shape.width, shape.width, bias=False)
        self.ffn_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.ffn_gate = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.ffn_up = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.ffn_down = nn.Linear(shape.feed_forward, shape.width, bias=False)

    def forward(self, hidden: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
        """`[batch, place, width]` to the same."""
        hidden = hidden + self._attend(self.attn_norm(hidden), angles)
        normed = self.ffn_norm(hidden)
        return hidden + self.ffn_down(functional.silu(self.ffn_gate(normed)) * self.ffn_up(normed))

    def _attend(self, normed: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
        query, key, value = (
            project(normed).unflatten(-1, (-1, self.shape.head_width)).transpose(1, 2)
            for project in (self.attn_q, self.attn_k, self.attn_v)
        )
        group = self.shape.heads // self.shape.key_heads
        key, value = (tensor.repeat_interleave(group, dim=1) for tensor in (rotate(key, angles).to(value.dtype), value))
        query = rotate(query, angles).to(value.dtype)
        future = torch.ones(normed.shape[1], normed.shape[1], dtype=torch.bool).triu(1)
        scores = (query @ key.transpose(-1, -2)) * self.shape.head_width**-0.5
        mixed = scores.masked_fill(future, -torch.inf).softmax(-1).to(value.dtype) @ value
        return self.attn_output(mixed.transpose(1, 2).flatten(-2))


class Network(nn.Module):
    """The whole model: token ids `[batch, place]` to hidden states; `logits` finishes the job."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.apply(self._initial)

    def _initial(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02 if isinstance(module, nn.Embedding) else self.shape.width**-0.5 / 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Normed hidden states `[batch, place, width]`."""
        angles = rotation(self.shape, tokens.shape[1])
        hidden = self.token_embd(tokens)
        for layer in self.blk:
            hidden = layer(hidden, angles)
        return self.output_norm(hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token for each hidden state."""
        return functional.linear(hidden, self.token_embd.weight)
