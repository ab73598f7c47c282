"""Train the demo model and write its GGUF: `uv run --group train python resources/demo_model/train.py`.

The network is meant to memorise `questions.toml` and to find the right answer for other wordings of the question.
Loss counts only what the assistant writes. Same seed, same data: two runs differ only by the machine's arithmetic.
"""

import argparse
import logging
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import torch
from demo_gguf import read, write
from demo_network import Network, Shape
from demo_text import SYSTEM_PROMPTS, Answer, Sample, as_read, conversation, load, random_conversation, rephrased
from demo_tokenizer import Tokenizer
from torch import Tensor
from torch.nn import functional

log = logging.getLogger("train")
IGNORED = -100
"""Target of a place that does not count."""
LEARNING_BY_HEART = 0.35
"""Share of the steps that mostly show whole answers; the rest mostly shows questions."""


@dataclass(frozen=True)
class Options:
    """The command line. `README.md` tells which values made the shipped file."""

    output: Path
    steps: int
    batch_tokens: int
    rate: float
    seed: int
    threads: int
    vocabulary: int
    kind: str
    resume: Path | None


def options() -> Options:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("caravan-demo.gguf"))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--rate", type=float, default=4e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=20261120)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=1440, help="tokens, a multiple of 32")
    parser.add_argument("--kind", choices=("F16", "Q8_0"), default="F16", help="type of the matrices in the file")
    parser.add_argument("--resume", type=Path, help="train on from this file, mostly on questions")
    return Options(**vars(parser.parse_args()))


def learned_tokenizer(answers: list[Answer], size: int, dice: random.Random) -> Tokenizer:
    """Tokens from the answers and from three wordings of every question."""
    asked = [as_read(question) for answer in answers for question in answer.questions]
    varied = [as_read(rephrased(answer.questions, dice)) for answer in answers for _ in range(24)]
    return Tokenizer.learned([*(answer.text for answer in answers), *asked, *varied, *SYSTEM_PROMPTS], size)


def as_batch(samples: list[Sample]) -> tuple[Tensor, Tensor]:
    """Inputs and targets `[sample, place]`, padded on the right."""
    longest = max(len(sample.tokens) for sample in samples) - 1
    inputs = torch.zeros(len(samples), longest, dtype=torch.long)
    targets = torch.full((len(samples), longest), IGNORED)
    for row, sample in enumerate(samples):
        tokens, learned = torch.tensor(sample.tokens), torch.tensor(sample.learned)
        inputs[row, : len(tokens) - 1] = tokens[:-1]
        targets[row, : len(tokens) - 1] = torch.where(learned[1:], tokens[1:], IGNORED)
    return inputs, targets


def batches(
    answers: list[Answer], tokenizer: Tokenizer, chosen: Options, dice: random.Random
) -> Iterator[list[Sample]]:
    """Endless batches of about `batch_tokens` tokens, of samples of like length so that little is padding."""
    step = 0
    while True:
        by_heart = chosen.resume is None and step < chosen.steps * LEARNING_BY_HEART
        cut = 0.3 if by_heart else 0.8
        pool = [random_conversation(answers, tokenizer, dice, cut) for _ in range(512)]
        pool.sort(key=lambda sample: len(sample.tokens))
        groups: list[list[Sample]] = [[]]
        for sample in pool:
            if (len(groups[-1]) + 1) * len(sample.tokens) > chosen.batch_tokens and groups[-1]:
                groups.append([])
            groups[-1].append(sample)
        dice.shuffle(groups)
        yield from groups
        step += len(groups)


def optimizers(network: Network, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for the embedding and the norms."""
    matrices = [weight for weight in network.blk.parameters() if weight.ndim == 2]
    others = [weight for weight in network.parameters() if weight.ndim != 2 or weight is network.token_embd.weight]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, weight_decay=0.0, betas=(0.9, 0.98)),
    ]


def rate_factor(step: int, steps: int) -> float:
    """Warm-up over 30 steps, flat, then linear to nearly nothing over the last 60 %."""
    return min(1.0, (step + 1) / 30, 0.01 + (steps - step) / (0.6 * steps))


def loss_of(network: Network, inputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats over the assistant's tokens."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = network(inputs)
        counted = targets != IGNORED
        scores = network.logits(hidden[counted])
    return functional.cross_entropy(scores.float(), targets[counted])


@torch.no_grad()
def accuracy(network: Network, tokenizer: Tokenizer, pairs: list[tuple[str, str]]) -> tuple[float, list[str]]:
    """Share of questions answered word for word at temperature 0, and the questions that were not.

    The greedy answer equals the wanted one exactly if every token's best next token is the wanted one.
    """
    missed: list[str] = []
    for start in range(0, len(pairs), 64):
        part = pairs[start : start + 64]
        inputs, targets = as_batch([conversation([pair], None, tokenizer) for pair in part])
        best = network.logits(network(inputs)).argmax(-1)
        right = ((best == targets) | (targets == IGNORED)).all(-1)
        missed += [question for (question, _), good in zip(part, right.tolist(), strict=True) if not good]
    return 1 - len(missed) / max(1, len(pairs)), missed


def train(network: Network, answers: list[Answer], tokenizer: Tokenizer, chosen: Options) -> None:
    """Run all steps; progress every 25 steps, held-out accuracy and a usable file every 100."""
    dice = random.Random(chosen.seed)
    parts = optimizers(network, chosen.rate)
    held_out = [(question, answer.text) for answer in answers for question in answer.held_out]
    began, seen, losses = time.monotonic(), 0, []
    for step, samples in zip(range(chosen.steps), batches(answers, tokenizer, chosen, dice), strict=False):
        inputs, targets = as_batch(samples)
        loss = loss_of(network, inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for part in parts:
            part.param_groups[0]["lr"] = chosen.rate * rate_factor(step, chosen.steps)
            part.step()
            part.zero_grad()
        seen += inputs.numel()
        losses.append(loss.item())
        if (step + 1) % 25 == 0:
            pace = seen / (time.monotonic() - began)
            log.info("step %d loss %.4f %.0f tokens/s", step + 1, math.fsum(losses[-25:]) / 25, pace)
        if (step + 1) % 100 == 0:
            write(chosen.output, network, tokenizer, gguf.GGMLQuantizationType[chosen.kind])
            log.info("held out %.3f", accuracy(network, tokenizer, held_out)[0])


def report(network: Network, answers: list[Answer], tokenizer: Tokenizer) -> None:
    """Log the final accuracy and every question that is answered wrongly."""
    for name in ("questions", "held_out"):
        pairs = [(question, answer.text) for answer in answers for question in getattr(answer, name)]
        share, missed = accuracy(network, tokenizer, pairs)
        log.info("%s: %.4f of %d right", name, share, len(pairs))
        for question in missed:
            log.info("  missed: %s", question)


def fresh(answers: list[Answer], chosen: Options) -> tuple[Network, Tokenizer]:
    """An untrained network with a tokenizer learned from the text."""
    tokenizer = learned_tokenizer(answers, chosen.vocabulary, random.Random(chosen.seed))
    return Network(Shape(vocabulary=len(tokenizer.tokens))), tokenizer


def main() -> None:
    """Train and write the file."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("gguf").setLevel(logging.WARNING)
    chosen = options()
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(chosen.threads)
    answers = load()
    network, tokenizer = read(chosen.resume) if chosen.resume else fresh(answers, chosen)
    size = sum(parameter.numel() for parameter in network.parameters())
    log.info("%d answers, %d tokens, %.2f M parameters", len(answers), len(tokenizer.tokens), size / 1e6)
    train(network, answers, tokenizer, chosen)
    write(chosen.output, network, tokenizer, gguf.GGMLQuantizationType[chosen.kind])
    log.info("wrote %s, %d bytes", chosen.output, chosen.output.stat().st_size)
    report(network, answers, tokenizer)


if __name__ == "__main__":
    main()
