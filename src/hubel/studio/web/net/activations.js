// Activations: value from z, slope from z and the value. In words for people, in PyTorch and in a layer list for export.

const { PI, exp, log1p, cos, sin } = Math;
const C = Math.sqrt(2 / PI), K = 0.044715;

export const fastTanh = (/** @type {number} */ z) => (z > 20 ? 1 : z < -20 ? -1 : 1 - 2 / (exp(2 * z) + 1));
const sigmoid = (/** @type {number} */ z) => 1 / (1 + exp(-z));

/** @typedef {{name: string, title: string, value: (z: number) => number, slope: (z: number, y: number) => number,
 *   torch: string, formula: string, bounded?: boolean, note?: string}} Activation */

/** @type {Record<string, Activation>} */
export const ACTIVATIONS = {
  tanh: { name: 'tanh', title: 'Tanh', value: fastTanh, slope: (z, y) => 1 - y * y, torch: 'nn.Tanh()', formula: 'tanh(z)', bounded: true },
  relu: { name: 'relu', title: 'ReLU', value: (z) => (z > 0 ? z : 0), slope: (z) => (z > 0 ? 1 : 0), torch: 'nn.ReLU()', formula: 'max(0, z)' },
  sigmoid: { name: 'sigmoid', title: 'Sigmoid', value: sigmoid, slope: (z, y) => y * (1 - y), torch: 'nn.Sigmoid()', formula: '1 / (1 + e^−z)', bounded: true },
  linear: { name: 'linear', title: 'Linear', value: (z) => z, slope: () => 1, torch: 'nn.Identity()', formula: 'z' },
  leaky: { name: 'leaky', title: 'Leaky ReLU', value: (z) => (z > 0 ? z : 0.01 * z), slope: (z) => (z > 0 ? 1 : 0.01), torch: 'nn.LeakyReLU(0.01)', formula: 'z or 0.01·z' },
  elu: { name: 'elu', title: 'ELU', value: (z) => (z > 0 ? z : Math.expm1(z)), slope: (z, y) => (z > 0 ? 1 : y + 1), torch: 'nn.ELU()', formula: 'z or e^z − 1' },
  silu: {
    name: 'silu', title: 'SiLU', value: (z) => z * sigmoid(z), torch: 'nn.SiLU()', formula: 'z · sigmoid(z)',
    slope: (z) => { const s = sigmoid(z); return s * (1 + z * (1 - s)); },
  },
  gelu: {
    name: 'gelu', title: 'GELU', value: (z) => 0.5 * z * (1 + fastTanh(C * (z + K * z * z * z))), torch: "nn.GELU('tanh')",
    formula: '½·z·(1 + tanh(√(2/π)·(z + 0.044715·z³)))',
    slope: (z) => {
      const t = fastTanh(C * (z + K * z * z * z));
      return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * C * (1 + 3 * K * z * z);
    },
  },
  softplus: { name: 'softplus', title: 'Softplus', value: (z) => (z > 20 ? z : log1p(exp(z))), slope: (z) => sigmoid(z), torch: 'nn.Softplus()', formula: 'ln(1 + e^z)' },
  sine: { name: 'sine', title: 'Sine', value: sin, slope: (z) => cos(z), torch: 'Sine()', formula: 'sin(z)', bounded: true },
  step: {
    name: 'step', title: 'Step', value: (z) => (z > 0 ? 1 : 0), slope: () => 0, torch: 'Step()', formula: '1 if z > 0, else 0', bounded: true,
    note: 'its slope is 0 everywhere: no gradient passes it, so the layers before it never learn',
  },
};

export const activation = (/** @type {string} */ name) => {
  const found = Object.hasOwn(ACTIVATIONS, name) && ACTIVATIONS[name];
  if (!found) throw new Error(`no activation is called ${name}: take one of ${Object.keys(ACTIVATIONS).join(', ')}`);
  return found;
};
