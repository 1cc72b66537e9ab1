// A playground as something to take away: Python, a layer list, a command.

import { ACTIVATIONS } from './activations.js';
import { head, LOSSES } from './losses.js';
import { describe } from './state.js';
import { DATA, FEATURES } from './points.js';

const WORDS = { linear: '', leaky: 'leaky-relu', sine: 'tanh', step: 'relu' };

/** A script with nothing but torch that trains the same net. Own points stand in it; others are read from a table. */
export function asPython(/** @type {import('./state.js').State} */ s, /** @type {import('./points.js').Point[]} */ points) {
  const net = describe(s), out = head(s.loss, net.classes), lines = [], soft = LOSSES[s.loss].softmax;
  let from = s.features.length;
  for (const layer of s.layers) {
    lines.push(`nn.Linear(${from}, ${layer.units})`);
    if (layer.norm) lines.push(`nn.BatchNorm1d(${layer.units})`);
    if (layer.activation !== 'linear') lines.push(ACTIVATIONS[layer.activation].torch);
    if (layer.dropout) lines.push(`nn.Dropout(${layer.dropout})`);
    from = layer.units;
  }
  lines.push(`nn.Linear(${from}, ${out.outputs})`);
  if (out.activation !== 'linear') lines.push(ACTIVATIONS[out.activation].torch);
  const own = ['sine', 'step'].filter((name) => s.layers.some((l) => l.activation === name));
  const decay = s.penalty === 'l2' && s.strength ? ` + ${s.strength} / 2 * sum((w**2).sum() for w in weights)` : '';
  const shrink = s.penalty === 'l1' && s.strength
    ? ['        with torch.no_grad():', '            for w in weights:', `                w.copy_(w.sign() * (w.abs() - ${s.rate * s.strength}).clamp_min(0))`] : [];
  const optimiser = { sgd: `torch.optim.SGD(net.parameters(), lr=${s.rate})`, momentum: `torch.optim.SGD(net.parameters(), lr=${s.rate}, momentum=${s.momentum})`, adam: `torch.optim.Adam(net.parameters(), lr=${s.rate})` }[s.optimiser];
  const aims = soft || !net.classes ? [] : [out.outputs === 1 ? 'aim = 2.0 * target - 1  # -1 or 1' : `aim = 2.0 * nn.functional.one_hot(target, ${out.outputs}) - 1  # 1 for the class, -1 for the others`];
  const loss = {
    'cross-entropy': 'nn.functional.cross_entropy(net(x[some]), target[some])', squared: '(0.5 * (net(x[some]) - AIM) ** 2).sum(1).mean()',
    hinge: '(1 - AIM * net(x[some])).clamp_min(0).sum(1).mean()', absolute: '(net(x[some]) - AIM).abs().sum(1).mean()',
    huber: 'nn.functional.huber_loss(net(x[some]), AIM)',
  }[s.loss].replace('AIM', net.classes && !soft ? (out.outputs === 1 ? 'aim[some, None]' : 'aim[some]') : 'target[some, None]');
  const shown = points.slice(0, 1000).map((p) => `    (${+p.x.toFixed(3)}, ${+p.y.toFixed(3)}, ${net.classes ? p.target : +p.target.toFixed(4)}),`);
  const right = net.classes ? [out.outputs === 1 ? 'guess = (net(x)[:, 0] > 0).long()' : 'guess = net(x).argmax(1)', 'print(f"right: {(guess == target).float().mean():.1%}")'] : [];
  return [
    '"""A net from the playground of hubel, in plain PyTorch."""', '', 'import torch', 'from torch import nn', '',
    ...(own.includes('sine') ? ['', 'class Sine(nn.Module):', '    def forward(self, x):', '        return x.sin()', ''] : []),
    ...(own.includes('step') ? ['', 'class Step(nn.Module):', '    def forward(self, x):', '        return (x > 0).to(x.dtype)', ''] : []),
    ...(own.length ? [''] : []),
    `torch.manual_seed(${s.start})`, `points = torch.tensor([  # x1, x2, ${net.classes ? 'class' : 'value'}: the training points`, ...shown, '])',
    'x1, x2 = points[:, 0], points[:, 1]', `x = torch.stack([${s.features.map((name) => FEATURES[name].python).join(', ')}], 1)`,
    `target = points[:, 2]${net.classes ? '.long()' : ''}`, ...aims, '', 'net = nn.Sequential(', ...lines.map((line) => `    ${line},`), ')',
    ...(decay || shrink.length ? ['weights = [m.weight for m in net if isinstance(m, nn.Linear)]'] : []),
    `optimizer = ${optimiser}`, '', 'for epoch in range(500):', `    for some in torch.randperm(len(x)).split(${s.batch}):`,
    ...(s.layers.some((l) => l.norm) ? ['        if len(some) < 2:', '            continue  # batch norm needs two'] : []),
    `        loss = ${loss}${decay}`, '        optimizer.zero_grad()', '        loss.backward()', '        optimizer.step()', ...shrink, '',
    'net.train(False)', 'with torch.no_grad():', ...(right.length ? right.map((line) => `    ${line}`) : ['    print("predicted", net(x[:5])[:, 0].tolist())']), '',
  ].join('\n');
}

/** Blocks as words of a layer list. */
export function layerWords(/** @type {any[]} */ blocks) {
  const words = [];
  let flat = false;
  for (const block of blocks) {
    if (block.kind === 'pool') { words.push(`${block.how === 'mean' ? 'avgpool' : 'maxpool'} ${block.size ?? 2}`); continue; }
    if (block.kind === 'conv') {
      const k = block.kernel ?? 3;
      words.push(`conv ${block.units} ${k}x${k}${block.stride > 1 ? ` stride=${block.stride}` : ''}${block.padding ? ` padding=${block.padding}` : ''}`);
    } else {
      if (!flat) words.push('flatten');
      flat = true;
      words.push(`dense ${block.units}`);
    }
    if (block.norm) words.push('batchnorm');
    const word = block.activation in WORDS ? WORDS[block.activation] : block.activation;
    if (word) words.push(word);
    if (block.dropout) words.push(`dropout ${block.dropout}`);
  }
  if (!flat) words.push('flatten');
  return [...words, 'dense K'];
}

/** The hidden layers as a layer list of hubel, for pictures. */
export const asYaml = (/** @type {any[]} */ blocks) => `layers: [${layerWords(blocks).join(', ')}]\n`;

/** The command that trains these layers on pictures. */
export function asCommand(/** @type {{optimiser: string, rate: number, momentum?: number, batch: number, penalty?: string, strength?: number}} */ s, data = 'digits') {
  const words = [`hubel train ${data} --model my-net.yaml --optimizer ${s.optimiser} --lr ${s.rate}`, `--batch-size ${s.batch}`];
  if (s.optimiser === 'momentum') words.push(`--momentum ${s.momentum ?? 0.9}`);
  if (s.penalty && s.penalty !== 'none' && s.strength) words.push(`--${s.penalty} ${s.strength}`);
  return words.join(' ');
}

export const titleOf = (/** @type {import('./state.js').State} */ s) => (s.data === 'own' ? 'own points' : DATA[s.data].title.toLowerCase());
