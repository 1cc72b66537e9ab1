"""Huffman's code (D. Huffman, A Method for the Construction of Minimum-Redundancy Codes, Proc. IRE 40(9), 1952).

Frequent symbols get short words. The code is canonical: the lengths of its words say all of it, and no word has more
than LONGEST bits, so that a table of 2^LONGEST entries reads one symbol at a time. A text is cut into lanes of `LANE`
symbols that are read side by side, which is what makes reading quick in arrays.

    block = lengths (4 bits a symbol of the alphabet), bytes of each lane (4 bytes a lane), lanes (whole bytes each)

>>> symbols = np.array([0, 0, 0, 1, 2, 0])
>>> decoded(encoded(symbols, 3), 6, 3).tolist()
[0, 0, 0, 1, 2, 0]
"""

from __future__ import annotations

import heapq

import numpy as np

LONGEST = 15
"""Bits of a word at most."""
LANE = 2048
"""Symbols of a lane; the last may have fewer."""


class Garbled(Exception):
    """What came is no text in this code."""


def word_lengths(counts: np.ndarray) -> np.ndarray:
    """Bits of each symbol's word, 0 for symbols that never come; counts A -> lengths A.

    >>> word_lengths(np.array([5, 2, 1, 0])).tolist(), word_lengths(np.array([0, 7])).tolist()
    ([1, 2, 2, 0], [0, 1])
    """
    counts = np.asarray(counts, dtype=np.int64)
    while True:
        lengths = _lengths(counts)
        if lengths.max(initial=0) <= LONGEST:
            return lengths
        counts = np.where(counts > 0, counts // 2 + 1, 0)  # flatter counts have shorter words


def _lengths(counts: np.ndarray) -> np.ndarray:
    lengths = np.zeros(len(counts), dtype=np.int64)
    heap: list[tuple[int, int, tuple[int, ...]]] = [
        (int(count), symbol, (symbol,)) for symbol, count in enumerate(counts.tolist()) if count
    ]
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
    heapq.heapify(heap)
    while len(heap) > 1:
        (one, first, left), (other, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        lengths[[*left, *right]] += 1
        heapq.heappush(heap, (one + other, first, left + right))
    return lengths


def _words(lengths: np.ndarray) -> np.ndarray:
    """The canonical words: numbered upwards from the shortest on, symbols of one length in their order."""
    words = np.zeros(len(lengths), dtype=np.int64)
    word = before = 0
    for symbol in np.lexsort((np.arange(len(lengths)), lengths)).tolist():
        length = int(lengths[symbol])
        if length:
            word <<= length - before
            words[symbol], before = word, length
            word += 1
    return words


def coded_bytes(counts: np.ndarray) -> int:
    """Bytes of a block with so many of each symbol, within a byte a lane; nothing is written."""
    total = int(counts.sum())
    if not total:
        return 0
    lanes = -(-total // LANE)
    return (len(counts) + 1) // 2 + 4 * lanes + (int((counts * word_lengths(counts)).sum()) + 4 * lanes) // 8


def encoded(symbols: np.ndarray, alphabet: int) -> bytes:
    """A block of symbols 0..alphabet-1; b"" for none."""
    symbols = np.asarray(symbols, dtype=np.int64)
    if not len(symbols):
        return b""
    lengths = word_lengths(np.bincount(symbols, minlength=alphabet))
    words = _words(lengths)
    lanes = []
    for start in range(0, len(symbols), LANE):
        part = symbols[start : start + LANE]
        size, word = lengths[part], words[part]
        begins = np.cumsum(size) - size
        bits = np.zeros(int(size.sum()), dtype=np.uint8)
        for place in range(int(size.max())):
            there = size > place
            bits[begins[there] + place] = (word[there] >> (size[there] - 1 - place)) & 1
        lanes.append(np.packbits(bits).tobytes())
    nibbles = np.zeros((alphabet + 1) // 2 * 2, dtype=np.uint8)
    nibbles[:alphabet] = lengths
    sizes = np.array([len(lane) for lane in lanes], dtype="<u4")
    return b"".join([(nibbles[::2] << 4 | nibbles[1::2]).tobytes(), sizes.tobytes(), *lanes])


def decoded(block: bytes, count: int, alphabet: int) -> np.ndarray:
    """`count` symbols of a block; raises Garbled for anything that `encoded` does not write.

    No more memory is taken than the block's own length allows: a symbol takes a bit at least.
    """
    if not count:
        if block:
            raise Garbled(f"{len(block)} bytes are left over")
        return np.zeros(0, dtype=np.int64)
    head, lanes = (alphabet + 1) // 2, -(-count // LANE)
    if count > 8 * len(block) or head + 4 * lanes > len(block):
        raise Garbled(f"{count} symbols do not fit into {len(block)} bytes")
    nibbles = np.frombuffer(block, dtype=np.uint8, count=head)
    lengths = np.stack([nibbles >> 4, nibbles & 15], axis=1).reshape(-1)[:alphabet].astype(np.int64)
    symbol_of, length_of = _tables(lengths)
    sizes = np.frombuffer(block, dtype="<u4", count=lanes, offset=head).astype(np.int64)
    data = block[head + 4 * lanes :]
    if int(sizes.sum()) != len(data):
        raise Garbled(f"lanes of {int(sizes.sum())} bytes were announced, and {len(data)} came")
    ends = np.cumsum(sizes)
    place, last = 8 * (ends - sizes), 8 * ends
    stream = np.frombuffer(data + bytes(3), dtype=np.uint8).astype(np.int64)
    found = np.zeros((lanes, min(LANE, count)), dtype=np.int64)
    short = count - (lanes - 1) * LANE
    for step in range(found.shape[1]):
        if step == short and lanes > 1:  # the last lane has come to its end
            ending, place, last = place[-1:], place[:-1], last[:-1]
            _check_end(ending, 8 * ends[-1:])
        at = np.minimum(place >> 3, len(data))
        window = (stream[at] << 16 | stream[at + 1] << 8 | stream[at + 2]) >> (9 - (place & 7)) & ((1 << LONGEST) - 1)
        length = length_of[window]
        if not length.all():
            raise Garbled("a word is in it that the code does not have")
        found[: len(place), step] = symbol_of[window]
        place = place + length
        if (place > last).any():
            raise Garbled("a lane ends within a word")
    _check_end(place, last)
    return found.reshape(-1)[:count]


def _check_end(place: np.ndarray, last: np.ndarray) -> None:
    if (last - place >= 8).any():
        raise Garbled("bytes are left over")


def _tables(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of every window of LONGEST bits the symbol it begins with, and its bits (0 where no word fits)."""
    if int((lengths > 0).sum()) == 0 or float((0.5 ** lengths[lengths > 0]).sum()) > 1:
        raise Garbled("the lengths are those of no code")
    symbol_of = np.zeros(1 << LONGEST, dtype=np.int64)
    length_of = np.zeros(1 << LONGEST, dtype=np.int64)
    words = _words(lengths)
    for symbol in np.flatnonzero(lengths).tolist():
        free = LONGEST - int(lengths[symbol])
        begin = int(words[symbol]) << free
        symbol_of[begin : begin + (1 << free)] = symbol
        length_of[begin : begin + (1 << free)] = lengths[symbol]
    return symbol_of, length_of
