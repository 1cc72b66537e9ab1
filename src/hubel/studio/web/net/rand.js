// Numbers drawn by hashing: the same seed, purpose and place give the same number, whatever was drawn before.

/** 32 bits from four whole numbers (rounds of murmur3's finaliser). */
export function hashed(/** @type {number} */ seed, a = 0, b = 0, c = 0) {
  let h = seed | 0;
  for (const part of [a, b, c]) {
    h = Math.imul(h ^ part, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) + 0x9e3779b9;
    h ^= h >>> 16;
  }
  return h >>> 0;
}

/** A stream of numbers in [0, 1). */
export class Random {
  constructor(/** @type {number} */ seed, purpose = 0) {
    this.seed = seed;
    this.purpose = purpose;
    this.count = 0;
  }

  next() { return hashed(this.seed, this.purpose, this.count++, 7) / 4294967296; }

  between(/** @type {number} */ low, /** @type {number} */ high) { return low + (high - low) * this.next(); }

  /** A number of the normal distribution (Box and Muller). */
  normal() {
    const r = Math.sqrt(-2 * Math.log(1 - this.next()));
    return r * Math.cos(2 * Math.PI * this.next());
  }

  /** Whole numbers 0 … n−1 in an order of their own. */
  order(/** @type {number} */ n) {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(this.next() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}
