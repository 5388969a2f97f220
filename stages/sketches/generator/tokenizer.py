"""A CLIP tokenizer for the few words of our captions: each is one token, any other text falls back to its bytes."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from transformers import CLIPTokenizer

_END = "</w>"
_START_TEXT, _END_TEXT = "<|startoftext|>", "<|endoftext|>"
_WORD = re.compile(r"[a-z]+")
Word = tuple[str, ...]


def build_tokenizer(captions: Iterable[str], tokens: int) -> CLIPTokenizer:
    """The tokenizer of at most `tokens` tokens a text that knows every word of the captions."""
    words = sorted({word for caption in captions for word in _WORD.findall(caption.lower())})
    merges = _learn(words)
    # Two ways to one symbol give it one number.
    symbols = dict.fromkeys([*_bytes(), *(byte + _END for byte in _bytes()), *(a + b for a, b in merges), _START_TEXT, _END_TEXT])
    vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=tokens)  # type: ignore[arg-type]


def _learn(words: list[str]) -> list[tuple[str, str]]:
    """Merges, in the order in which they apply, after which every word is one token: the commonest pair first."""
    pieces: list[Word] = [(*word[:-1], word[-1] + _END) for word in words]
    merges: list[tuple[str, str]] = []
    while any(len(word) > 1 for word in pieces):
        counts = Counter(pair for word in pieces for pair in pairwise(word))
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        pieces = [_merged(word, best) for word in pieces]
    return merges


def _merged(word: Word, pair: tuple[str, str]) -> Word:
    out: list[str] = []
    for piece in word:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return tuple(out)


def _bytes() -> list[str]:
    """The 256 characters by which byte-level BPE writes bytes: printable ones as themselves, the others from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + i) for i in range(len(others))]
