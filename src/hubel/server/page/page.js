"use strict";
// The page to try a server of hubel: sends pictures to predict, shows what comes back. Every text is set as text.

const at = (id) => document.getElementById(id);
const SHOWN = 5, KEPT = 24;
let token = "";
let limits = { bytes: 20 << 20, pictures: 64 };
let thresholds = {};  // of a model of several labels: from which probability on each is said
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
    const what = model.thresholds ? model.classes.length + " labels"
      : model.classes.length ? model.classes.length + " classes" : "a number";
    document.querySelector("h1").textContent = model.thresholds ? "Which labels does it have?" : "Which class is it?";
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

function fill(item, name, said) {
  const text = made("div");
  const one = said.predictions[0];
  text.append(made("p", "quiet", `${name} · ${said.milliseconds.total.toFixed(1)} ms`));
  if (one.problem) {
    text.append(made("h2", "unknown", "not read: " + one.problem.reason));
  } else if (one.probabilities === undefined) {
    text.append(made("h2", "", String(one.value)));
  } else {
    const several = one.labels !== undefined;
    if (one.known === false) text.append(made("p", "unknown", "like nothing it was trained on"));
    text.append(made("h2", "", several ? one.labels.join(", ") || "none of its labels" : one.label));
    if (!several && one.plausible.length > 1) text.append(made("p", "quiet", "plausible: " + one.plausible.join(", ")));
    const bars = made("ul", "bars");
    for (const [label, share] of Object.entries(one.probabilities).sort((a, b) => b[1] - a[1])) {
      const below = several && !one.labels.includes(label);
      const row = made("li", below ? "below" : ""), track = made("span", "track"), bar = made("div", "bar");
      bar.style.width = 100 * share + "%";
      track.append(bar);
      const word = made("span", "name", label);
      word.title = label + (several ? `, said from ${(100 * thresholds[label]).toFixed(1)} % on` : "");
      row.append(word, track, made("span", "share", (100 * share).toFixed(1) + " %"));
      bars.append(row);
    }
    text.append(bars);
  }
  item.replaceChildren(item.firstElementChild, text);
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
        fill(item, file.name || "picture", await ask(file));
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
      if (blob) fill(item, "camera", await ask(blob));
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
