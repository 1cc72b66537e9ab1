// How strange a picture is to a net, from what it says (logits) and what it saw (features): hubel.metrics.strangeness.
// No DOM.

const { exp, expm1, log, max, min, sqrt } = Math;

/** Rows times columns: a vector of n numbers times a matrix n m. */
function times(vector, matrix, m) {
  const out = new Float64Array(m);
  for (let i = 0, at = 0; i < vector.length; i++) for (let j = 0; j < m; j++, at++) out[j] += vector[i] * matrix[at];
  return out;
}

const square = (/** @type {ArrayLike<number>} */ vector) => Array.prototype.reduce.call(vector, (sum, value) => sum + value * value, 0);

/** Squared distances of a vector from each row of a matrix. */
function apart(vector, matrix) {
  const n = vector.length, out = new Float64Array(matrix.length / n);
  for (let row = 0, at = 0; row < out.length; row++)
    for (let i = 0; i < n; i++, at++) out[row] += (vector[i] - matrix[at]) ** 2;
  return out;
}

/** Every score by name; higher is stranger. `seen`: origin, basis, means, white, bank, outside, or null. */
export function strangeness(logits, features, seen, nearest) {
  const top = max(...logits), energy = -(log(logits.reduce((sum, value) => sum + exp(value - top), 0)) + top);
  const found = { softmax: -expm1(top + energy), 'max-logit': -top, energy };
  if (!seen) return found;
  const centred = features.map((value, i) => value - seen.origin[i]);
  const kept = seen.basis.length / centred.length, flat = times(centred, seen.basis, kept);
  const length = max(sqrt(square(features)), 1e-12);
  const distances = apart(flat.map((value) => value / length), seen.bank).sort();
  return {
    ...found,
    mahalanobis: sqrt(min(...apart(times(flat, seen.white, kept), seen.means))),
    neighbours: sqrt(distances[min(nearest, distances.length) - 1]),
    residual: seen.outside * sqrt(max(square(centred) - square(flat), 0)) + energy,
  };
}

/** The share of familiar pictures that are at least as strange to the net as this one. */
export function familiarity(logits, features, trust, seen) {
  const found = strangeness(logits, features, seen, trust.nearest);
  const parts = Object.entries(trust.scores).map(([name, [middle, scale]]) => {
    const part = max(-trust.clipped, min(trust.clipped, (found[name] - middle) / scale));
    return part > 0 ? part : trust.calm * part;
  });
  const combined = parts.reduce((sum, part) => sum + part, 0) / parts.length;
  return 1 - trust.usual.filter((value) => value < combined).length / trust.usual.length;
}
