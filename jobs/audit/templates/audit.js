"use strict";

const sample = JSON.parse(document.getElementById("sample").textContent);
const [RIGHT, WRONG] = sample.labels;
const STORAGE_KEY = `skuscribe-audit ${sample.digest}`;
const element = (id) => document.getElementById(id);

// What the browser keeps: `labels` and `notes` by the number of the row, and the row that was shown last.
let kept = { labels: {}, notes: {}, auditor: "", row: 0 };
let shown = 0;

function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORAGE_KEY));
    if (stored) kept = { ...kept, ...stored };
  } catch {
    warnAboutStorage();
  }
}

// Each change is made to what is kept now: another tab may have given labels since.
function change(edit) {
  read();
  edit();
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(kept));
  } catch {
    warnAboutStorage();
  }
}

function warnAboutStorage() {
  element("warning").textContent = "This browser does not keep the labels of this page: download audit.csv before you close it.";
  element("warning").hidden = false;
}

function show() {
  const row = sample.rows[shown];
  const label = kept.labels[shown];
  element("position").textContent = `Text ${shown + 1} of ${sample.rows.length}`;
  element("title").textContent = row.title;
  element("description").textContent = row.description;
  element("note").value = kept.notes[shown] || "";
  element("right").setAttribute("aria-pressed", String(label === RIGHT));
  element("wrong").setAttribute("aria-pressed", String(label === WRONG));
  element("clear").disabled = !label;
  element("previous").disabled = shown === 0;
  element("next").disabled = shown === sample.rows.length - 1;
  element("unlabelled").disabled = nextUnlabelled() < 0;
  showVerdict(row, label);
  element("neighbours").replaceChildren(...row.neighbours.map(neighbourElement));
  showCounter();
}

// The verdict is not on the page before a label is given, so that it does not influence it.
function showVerdict(row, label) {
  const lines = label ? verdictLines(row) : [];
  element("verdict").replaceChildren(...lines.map((line) => withText("p", line)));
  element("verdict").hidden = !label;
}

function verdictLines(row) {
  const probability = row.probability === null ? "" : `, probability ${row.probability.toFixed(2)}`;
  const reasons = row.reasons.map((reason) => (reason.evidence ? `${reason.name}: ${reason.evidence}` : reason.name));
  return [`skuscribe: ${row.published ? "published" : "held back"}${probability}`, ...reasons];
}

function neighbourElement(neighbour) {
  const article = document.createElement("article");
  article.append(withText("h3", `Neighbour: ${neighbour.title}`), withText("p", neighbour.text));
  return article;
}

function withText(name, text) {
  const made = document.createElement(name);
  made.dir = "auto";
  made.textContent = text;
  return made;
}

function showCounter() {
  const given = Object.values(kept.labels);
  const right = given.filter((label) => label === RIGHT).length;
  element("counter").textContent =
    `${given.length} of ${sample.rows.length} labelled: ${right} right, ${given.length - right} wrong`;
  element("progress").max = Math.max(sample.rows.length, 1);
  element("progress").value = given.length;
}

function setLabel(label) {
  change(() => {
    if (label) kept.labels[shown] = label;
    else delete kept.labels[shown];
  });
  show();
}

function goTo(row) {
  if (row < 0 || row >= sample.rows.length) return;
  shown = row;
  change(() => { kept.row = row; });
  show();
}

// Returns the next row without a label, from the first one again after the last, or -1.
function nextUnlabelled() {
  for (let step = 1; step <= sample.rows.length; step += 1) {
    const row = (shown + step) % sample.rows.length;
    if (!kept.labels[row]) return row;
  }
  return -1;
}

function filledIn() {
  const column = Object.fromEntries(sample.columns.map((name, number) => [name, number]));
  const rows = sample.rows.map((row, number) => {
    const cells = [...row.cells];
    const label = kept.labels[number];
    cells[column.label] = label || "";
    cells[column.note] = escaped(kept.notes[number] || "");
    cells[column.auditor] = label ? escaped(kept.auditor) : "";
    return cells;
  });
  return sample.byteOrderMark + [sample.columns, ...rows].map((cells) => cells.map(quoted).join(",") + "\r\n").join("");
}

// A spreadsheet would run such a text as a formula.
function escaped(text) {
  return sample.formulaStarts.some((start) => text.startsWith(start)) ? `'${text}` : text;
}

function quoted(cell) {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([filledIn()], { type: "text/csv;charset=utf-8" }));
  link.download = "audit.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

const KEYS = {
  r: () => setLabel(RIGHT),
  w: () => setLabel(WRONG),
  c: () => setLabel(null),
  n: () => goTo(nextUnlabelled()),
  ArrowLeft: () => goTo(shown - 1),
  ArrowRight: () => goTo(shown + 1),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof HTMLInputElement) {
    if (event.key === "Enter" || event.key === "Escape") event.target.blur();
    return;
  }
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function start() {
  read();
  shown = Math.min(Math.max(kept.row, 0), sample.rows.length - 1);
  element("batch").textContent = sample.batch;
  element("auditor").value = kept.auditor;
  element("right").addEventListener("click", KEYS.r);
  element("wrong").addEventListener("click", KEYS.w);
  element("clear").addEventListener("click", KEYS.c);
  element("unlabelled").addEventListener("click", KEYS.n);
  element("previous").addEventListener("click", KEYS.ArrowLeft);
  element("next").addEventListener("click", KEYS.ArrowRight);
  element("download").addEventListener("click", download);
  element("note").addEventListener("input", (event) => {
    change(() => { kept.notes[shown] = event.target.value; });
  });
  element("auditor").addEventListener("input", (event) => {
    change(() => { kept.auditor = event.target.value; });
  });
  document.addEventListener("keydown", onKey);
  addEventListener("storage", (event) => {
    if (event.key !== STORAGE_KEY) return;
    read();
    show();
  });
  show();
}

start();
