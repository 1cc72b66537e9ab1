"use strict";
// The page to try a server of hubel: sends pictures to predict, shows what comes back. Every text is set as text.

const at = (id) => document.getElementById(id);
const SHOWN = 5, KEPT = 24, COVER = 0.55;
let token = "";
let limits = { bytes: 20 << 20, pictures: 64 };
let thresholds = {};  // of a model of several labels: from which probability on each is said
let colours = {}, ground = "";  // of a model that answers with areas: the colour of each class; the first is left clear
let live = null;

// A token comes in the part of the address that is never sent, and leaves the address at once.
const found = new URLSearchParams(location.hash.slice(1)).get("token");
if (found) {
  token = found;
  history.replaceState(null, "", location.pathname);
}

function headers(more) {
  return token ? { ...more, Authorization: "Bearer " + token } : { ...more };
}

function made(kind, name, text) {
  const element = document.createElement(kind);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

function tell(text) {
  at("problem").textContent = text;
  at("problem").hidden = !text;
}

async function open() {
  let answer;
  try {
    answer = await fetch("models", { headers: headers() });
  } catch {
    at("about").textContent = "The server does not answer.";
    return;
  }
  at("door").hidden = answer.status !== 401;
  if (answer.status === 401) {
    at("about").textContent = token ? "That is not its token." : "";
    at("token").focus();
    return;
  }
  const said = await answer.json();
  if (!answer.ok) {
    at("about").textContent = said.error.reason;
    return;
  }
  if (!said.models.length) {
    at("about").textContent = "The model is being loaded …";
    setTimeout(open, 1000);
    return;
  }
  limits = said.limits;
  at("model").replaceChildren(...said.models.map((model) => new Option(model.name, model.path)));
  at("chooser").hidden = said.models.length < 2;
  const show = () => {
    const model = said.models[at("model").selectedIndex];
    const [channels, height, width] = model.input;
    const what = model.thresholds ? model.classes.length + " labels" : model.says;
    document.querySelector("h1").textContent = model.title
      || (model.thresholds ? "Which labels does it have?" : model.classes.length ? "Which class is it?" : "Which number is it?");
    colours = Object.fromEntries(model.classes.map((name, k) => [name, model.colours?.[k]]));
    ground = model.classes[0] ?? "";
    thresholds = Object.fromEntries(model.classes.map((name, k) => [name, model.thresholds?.[k]]));
    at("about").textContent = `${model.name}: ${what}, ${model.architecture}, sees ${height} × ${width} pixels`
      + (channels === 1 ? " in grey" : "");
    at("about").title = model.classes.slice(0, 200).join(", ");
  };
  at("model").onchange = show;
  show();
}

async function ask(blob) {
  const path = (at("model").value || "/predict").slice(1);
  const type = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
  const answer = await fetch(path + "?top=" + SHOWN, {
    method: "POST", headers: headers({ "Content-Type": type, "X-Hubel": "1" }), body: blob,
  });
  const said = await answer.json();
  if (said.error) {
    const wait = Number(answer.headers.get("Retry-After")) || 1;
    const error = new Error(said.error.reason + (said.error.hint ? " (" + said.error.hint + ")" : ""));
    error.wait = answer.status === 429 || answer.status === 503 ? wait : 0;
    throw error;
  }
  return said;
}

// A list of names, each with a bar of a share of 1, a colour where it has one (or none on purpose), and what is said of it.
function barred(rows) {
  const bars = made("ul", "bars");
  for (const { label, share, told, colour, clear, below, title } of rows) {
    const row = made("li", below ? "below" : ""), track = made("span", "track"), bar = made("div", "bar");
    bar.style.width = 100 * Math.min(1, Math.max(0, share)) + "%";
    if (colour) bar.style.background = colour;
    track.append(bar);
    const word = made("span", "name", label);
    word.title = title ?? label;
    if (colour || clear) {
      const patch = made("span", "patch");
      if (colour) patch.style.background = colour;
      word.prepend(patch);
    }
    row.append(word, track, made("span", "share", told));
    bars.append(row);
  }
  return bars;
}

// The classes that the picture has something of, the largest first.
function areas(one) {
  const rows = Object.entries(one.shares).filter(([, share]) => share > 0).sort((a, b) => b[1] - a[1]);
  return [
    made("h2", "", rows.map(([label, share]) => `${label} ${(100 * share).toFixed(1)} %`).slice(0, 3).join(", ")),
    barred(rows.map(([label, share]) => ({
      label, share, told: (100 * share).toFixed(1) + " %", colour: label === ground ? "" : colours[label],
      clear: label === ground, below: label === ground,
    }))),
  ];
}

function nearest(one) {
  const rows = Object.entries(one.distances).sort((a, b) => a[1] - b[1]);
  return [
    ...(one.near ? [] : [made("p", "unknown", "no class is near: perhaps one that was never shown")]),
    made("h2", "", `${one.near ? "" : "nearest: "}${one.nearest}, distance ${one.distance.toFixed(2)}`),
    // 2 is as far as two points of the sphere can be from each other.
    barred(rows.map(([label, far]) => ({ label, share: 1 - far / 2, told: far.toFixed(2), below: !one.labels.includes(label) }))),
    made("p", "quiet", "the longer a bar, the nearer"),
  ];
}

function file(base64) {
  return "data:image/png;base64," + base64;
}

// Areas over the picture: it in grey, so that colour always means a class; the first class, the ground, stays clear.
async function overlaid(picture, mask) {
  const [under, over] = await Promise.all([picture, file(mask)].map(async (source) => {
    const image = new Image();
    image.src = source;
    return image.decode().then(() => image, () => null);  // of formats that a browser does not show there is no picture
  }));
  const canvas = made("canvas", "shown");
  canvas.width = over.naturalWidth;
  canvas.height = over.naturalHeight;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingEnabled = false;
  pen.drawImage(over, 0, 0);
  const areas = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  if (under) pen.drawImage(under, 0, 0, canvas.width, canvas.height);
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height), bytes = pixels.data;
  for (let k = 0; k < bytes.length; k += 4) {
    const grey = 0.299 * bytes[k] + 0.587 * bytes[k + 1] + 0.114 * bytes[k + 2];
    const cover = areas[k] || areas[k + 1] || areas[k + 2] ? COVER : 0;
    for (let c = 0; c < 3; c++) bytes[k + c] = (1 - cover) * grey + cover * areas[k + c];
    bytes[k + 3] = 255;
  }
  pen.putImageData(pixels, 0, 0);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "the picture under its areas");
  return canvas;
}

// What stands beside the words: the picture, and what the net made of it.
async function seen(item, one, picture) {
  const first = item.firstElementChild, figures = made("div", "seen");
  const add = (element, words) => {
    const figure = made("figure");
    figure.append(element, made("figcaption", "quiet", words));
    figures.append(figure);
  };
  if (first.tagName === "IMG") add(first, "sent");
  if (one.mask) add(await overlaid(picture, one.mask), "areas");
  if (one.picture) {
    const back = made("img");
    back.src = file(one.picture);
    back.alt = "the picture given back";
    await back.decode();
    if (back.naturalWidth <= 96) back.className = "pixels";
    add(back, "given back");
  }
  item.classList.add("pair");
  return figures;
}

async function fill(item, name, said, picture) {
  const text = made("div");
  const one = said.predictions[0];
  text.append(made("p", "quiet", `${name} · ${said.milliseconds.total.toFixed(1)} ms`));
  let beside = item.firstElementChild;
  if (!one.problem && (one.mask || one.picture)) beside = await seen(item, one, picture);
  if (one.problem) {
    text.append(made("h2", "unknown", "not read: " + one.problem.reason));
  } else if (one.shares) {
    text.append(...areas(one));
  } else if (one.distances) {
    text.append(...nearest(one));
  } else if (one.psnr !== undefined) {
    text.append(made("h2", "", `${one.psnr.toFixed(2)} dB`), made("p", "quiet", `mean squared error ${one.mse.toPrecision(3)}`));
  } else if (one.probabilities === undefined) {
    text.append(made("h2", "", one.value === undefined ? numbers(one) : String(one.value)));
  } else {
    const several = one.labels !== undefined;
    if (one.known === false) text.append(made("p", "unknown", "like nothing it was trained on"));
    text.append(made("h2", "", several ? one.labels.join(", ") || "none of its labels" : one.label));
    if (!several && one.plausible.length > 1) text.append(made("p", "quiet", "plausible: " + one.plausible.join(", ")));
    const rows = Object.entries(one.probabilities).sort((a, b) => b[1] - a[1]);
    text.append(barred(rows.map(([label, share]) => ({
      label, share, told: (100 * share).toFixed(1) + " %", below: several && !one.labels.includes(label),
      title: label + (several && thresholds[label] ? `, said from ${(100 * thresholds[label]).toFixed(1)} % on` : ""),
    }))));
  }
  if (!one.problem) text.append(...apart(one));
  item.replaceChildren(beside, text);
}

// Of several nets that answer as one: how far they are from one another.
function apart(one) {
  const found = one.disagreement;
  if (found === undefined) return [];
  const alone = typeof found === "number";
  if (alone && one.value !== undefined) return [made("p", "quiet", `± ${found.toPrecision(3)}, as far as its nets differ`)];
  if (found.pixels !== undefined) return [made("p", "quiet", `its nets differ at ${(100 * found.pixels).toFixed(1)} % of the pixels`)];
  if (found.picture !== undefined) return [made("p", "quiet", `pixels of its nets differ by ±${found.picture.toPrecision(3)} of 1`)];
  const total = alone ? found : Object.values(found).reduce((sum, value) => sum + value, 0);
  if (total < 0.01) return [];
  const most = alone ? "" : ", most about " + Object.keys(found).reduce((a, b) => (found[b] > found[a] ? b : a));
  return [made("p", "quiet", `its nets disagree by ${total.toFixed(2)}${most}`)];
}

// Numbers with names of their own: "height 3.2, width 4".
function numbers(one) {
  return Object.entries(one).filter(([, value]) => typeof value === "number")
    .map(([word, value]) => `${word} ${value.toPrecision(4)}`).join(", ");
}

function place() {
  const item = made("li");
  at("answers").prepend(item);
  while (at("answers").children.length > KEPT) {
    const last = at("answers").lastElementChild;
    const image = last.querySelector("img");
    if (image) URL.revokeObjectURL(image.src);
    last.remove();
  }
  return item;
}

async function classify(files) {
  tell("");
  for (const file of files) {
    if (file.size > limits.bytes) {
      tell(`${file.name} has ${(file.size / 1e6).toFixed(1)} MB, and ${(limits.bytes / 1e6).toFixed(0)} MB are the limit.`);
      continue;
    }
    const item = place();
    const image = made("img");
    image.alt = "";
    image.src = URL.createObjectURL(file);
    item.append(image);
    for (;;) {
      try {
        await fill(item, file.name || "picture", await ask(file), image.src);
        break;
      } catch (error) {
        if (!error.wait) {
          item.append(made("p", "unknown", error.message));
          break;
        }
        await new Promise((done) => setTimeout(done, 1000 * error.wait));
      }
    }
  }
}

async function camera() {
  if (live) {
    live.stream.getTracks().forEach((track) => track.stop());
    live = null;
    at("video").hidden = true;
    at("answers").setAttribute("aria-live", "polite");
    at("camera").setAttribute("aria-pressed", "false");
    return;
  }
  if (!navigator.mediaDevices) {
    tell("A camera may be used only at https:// or on this machine itself (localhost).");
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    tell("The camera cannot be used: " + error.message);
    return;
  }
  tell("");
  const mine = { stream };
  live = mine;
  at("camera").setAttribute("aria-pressed", "true");
  const video = at("video");
  video.hidden = false;
  video.srcObject = stream;
  await video.play();
  const canvas = document.createElement("canvas"), item = place();
  item.append(made("span"));
  at("answers").setAttribute("aria-live", "off");
  // One picture at a time: the next is taken when the answer to the last is there.
  while (live === mine) {
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
    try {
      if (blob) await fill(item, "camera", await ask(blob), canvas.toDataURL("image/jpeg", 0.9));
      tell("");
    } catch (error) {
      tell(error.message);
      await new Promise((done) => setTimeout(done, 1000 * (error.wait || 2)));
    }
    await new Promise((done) => setTimeout(done, 100));
  }
}

at("files").addEventListener("change", () => { classify([...at("files").files]); at("files").value = ""; });
at("camera").addEventListener("click", camera);
at("door").addEventListener("submit", (event) => { event.preventDefault(); token = at("token").value; open(); });
document.addEventListener("paste", (event) => classify([...event.clipboardData.files]));
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => { event.preventDefault(); at("drop").classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) at("drop").classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  classify([...event.dataTransfer.files]);
});
open();
