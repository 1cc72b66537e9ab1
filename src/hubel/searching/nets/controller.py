"""A controller: a small recurrent net that writes an architecture word by word, and learns by what that was worth.

B. Zoph, Q. Le, Neural Architecture Search with Reinforcement Learning (NAS), arXiv:1611.01578, sections 3.1 and 3.2;
H. Pham et al., Efficient Neural Architecture Search via Parameter Sharing (ENAS), arXiv:1802.03268, section 2.2.

    h_t = LSTM(h_{t-1}, word_{t-1}),  P(word_t | words before) = softmax(W h_t + b) among the words that may stand there
    gradient of what is expected:  (R - b) Σ_t ∇ log P(word_t | words before),  b a moving mean of the rewards so far

>>> torch.manual_seed(0) and None
>>> controller = Controller(["a", "b"])
>>> def three(words): return ("a", "b") if len(words) < 3 else ()
>>> len(controller.write(three, Random(0)))
3
>>> pupil = Reinforced(controller, three, rate=0.05)
>>> for number in range(60):
...     words = controller.write(three, Random(number))
...     pupil.learn(words, reward=words.count("b") / 3)
>>> controller.write(three, Random(0))
['b', 'b', 'b']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

import torch
from torch import nn

Grammar = Callable[[Sequence[str]], Sequence[str]]
"""What may be said after the words so far; nothing at the end."""
HIDDEN = 32
"""Units (35 in two layers in NAS, 100 in ENAS)."""
BEGINNING = 0.08
"""All weights begin between minus and plus this, as in both papers."""


class Controller(nn.Module):
    """Writes sentences of `words`. With `flat`, no logit leaves ±flat (the tanh constant of ENAS)."""

    def __init__(self, words: Sequence[str], *, hidden: int = HIDDEN, flat: float | None = None) -> None:
        super().__init__()
        self.number = {word: number for number, word in enumerate(words)}
        self.flat = flat
        self.read = nn.Embedding(len(words) + 1, hidden)  # the last stands for a beginning, where nothing was said
        self.cell = nn.LSTMCell(hidden, hidden)
        self.say = nn.Linear(hidden, len(words))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -BEGINNING, BEGINNING)

    @torch.no_grad()
    def write(self, grammar: Grammar, random: Random) -> list[str]:
        """A sentence, each word drawn as the words before it have it."""
        words: list[str] = []
        state, before = None, len(self.number)
        while may := grammar(words):
            state, chances = self._next(before, state, may)
            words += random.choices(may, weights=chances.exp().tolist())
            before = self.number[words[-1]]
        return words

    def judge(self, words: Sequence[str], grammar: Grammar) -> tuple[torch.Tensor, torch.Tensor]:
        """log P of a sentence, and the entropy that its words were drawn with."""
        said = entropy = torch.zeros(())
        for place, chances in enumerate(self._read(words, grammar)):
            may = grammar(words[:place])
            said = said + chances[may.index(words[place])]
            entropy = entropy - (chances.exp() * chances).sum()
        return said, entropy

    def _read(self, words: Sequence[str], grammar: Grammar) -> Iterator[torch.Tensor]:
        state, before = None, len(self.number)
        for place, word in enumerate(words):
            state, chances = self._next(before, state, grammar(words[:place]))
            yield chances
            before = self.number[word]

    def _next(
        self, before: int, state: tuple[torch.Tensor, torch.Tensor] | None, may: Sequence[str]
    ) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
        """The state after a word, and log P of those that may follow."""
        h, c = self.cell(self.read(torch.tensor([before])), state)
        logits = self.say(h)[0, [self.number[word] for word in may]]
        if self.flat is not None:
            logits = self.flat * torch.tanh(logits)
        return (h, c), logits.log_softmax(0)


class Reinforced:
    """REINFORCE (R. Williams, Machine Learning 8, 1992) with a moving baseline."""

    def __init__(
        self, controller: Controller, grammar: Grammar, *, rate: float, decay: float = 0.9, entropy: float = 0.0
    ) -> None:
        """`decay` of the baseline; `entropy`: what a nat of it is worth, in units of reward."""
        self.controller, self.grammar = controller, grammar
        self.decay, self.entropy = decay, entropy
        self.baseline: float | None = None
        self.optimiser = torch.optim.Adam(controller.parameters(), rate)

    def learn(self, words: Sequence[str], reward: float) -> None:
        """Make a sentence likelier if it was worth more than sentences before it, and less likely otherwise."""
        baseline = reward if self.baseline is None else self.baseline
        said, entropy = self.controller.judge(words, self.grammar)
        loss = -(reward - baseline) * said - self.entropy * entropy
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.baseline = self.decay * baseline + (1 - self.decay) * reward
