"use strict";

const API = "/api/v1";
const page = (selector) => document.querySelector(selector);
let token = null;
let thread = null;

async function call(method, path, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  const answer = await fetch(API + path, { method, headers, body });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const said = problem.errors?.map((one) => `${one.field ?? ""} ${one.message ?? ""}`).join("; ");
  throw Object.assign(new Error(said || problem.detail || answer.statusText), { status: answer.status });
}

/** The events of an answer of the type text/event-stream. */
async function* events(answer) {
  let text = "";
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const event = { kind: "message", data: "" };
      for (const line of part.split("\n")) {
        if (line.startsWith("event: ")) event.kind = line.slice(7);
        if (line.startsWith("data: ")) event.data += line.slice(6);
      }
      if (event.data) yield { kind: event.kind, data: JSON.parse(event.data) };
    }
  }
}

/** An element, and what is in it; text is never taken for HTML. */
function element(name, ...content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}

function shown(...content) {
  const article = element("article", ...content);
  page("#messages").append(article);
  article.scrollIntoView();
  return article;
}

// signing in

page("#sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(event.target));
  try {
    if (event.submitter.value === "register") await call("POST", "/auth/register", { email, password });
    const login = await call("POST", "/auth/login", { email, password });
    token = (await login.json()).access_token;
    event.target.hidden = true;
    page("main").hidden = false;
    page("#ask input").focus();
    await listDocuments();
  } catch (error) {
    page("[role=alert]").textContent = error.message;
  }
});

// documents, where the project has them

async function listDocuments() {
  try {
    const { items } = await (await call("GET", "/documents?limit=100")).json();
    page("#documents").replaceChildren(...items.map(row));
  } catch {
    page("aside").hidden = true;
  }
}

function row(doc) {
  const item = element("li");
  update(item, doc);
  return item;
}

function update(item, doc) {
  const state = doc.state === "embedding" ? `${doc.embedded} of ${doc.passages}` : doc.state;
  item.replaceChildren(doc.title, element("small", doc.reason ? `${state}: ${doc.reason}` : state));
}

async function add(files) {
  for (const file of files) {
    const item = element("li", file.name);
    page("#documents").prepend(item);
    const body = new FormData();
    body.append("file", file);
    try {
      const doc = await (await call("POST", "/documents", body)).json();
      update(item, doc);
      const progress = await call("GET", `/documents/${doc.id}/progress`);
      for await (const event of events(progress)) update(item, event.data);
    } catch (error) {
      item.replaceChildren(file.name, element("small", error.message));
    }
  }
}

page("#files").addEventListener("change", (event) => add([...event.target.files]));
const drop = page("#drop");
for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", over);
    if (name === "drop") add([...event.dataTransfer.files]);
  });
}

// asking

page("#ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = event.target.text;
  const text = input.value;
  input.value = "";
  shown(text).className = "mine";
  try {
    thread ??= (await (await call("POST", "/threads", { title: text.slice(0, 200) })).json()).id;
    await answered(await call("POST", `/threads/${thread}/messages`, { text }));
  } catch (error) {
    if (error.status === 503) await found(text, error.message);
    else shown(error.message);
  }
});

async function answered(answer) {
  const words = element("span");
  const cited = element("ol");
  const article = shown(words, cited);
  for await (const { kind, data } of events(answer)) {
    if (kind === "token") words.append(data.text);
    if (kind === "tool") words.append(words.textContent ? "\n" : "", `(${data.name})\n`);
    if (kind === "citation") cited.append(citation(data));
    if (kind === "error") words.append(element("small", data.detail));
    if (kind === "approval") for (const wanted of data.calls) article.append(decision(wanted));
    article.scrollIntoView(false);
  }
}

function citation(passage) {
  const where = [passage.title, passage.heading].filter(Boolean).join(", ");
  return element("li", `${where} (${passage.start}–${passage.end})`, element("small", passage.snippet ?? ""));
}

function decision(wanted) {
  const yes = element("button", "Do it");
  const no = element("button", "No");
  no.className = "no";
  const asked = element("div", `${wanted.tool} ${wanted.arguments}`, yes, no);
  asked.className = "decide";
  const decide = async (approve) => {
    asked.remove();
    try {
      await answered(await call("POST", `/threads/${thread}/decisions`, { call: wanted.call, approve }));
    } catch (error) {
      shown(error.message);
    }
  };
  yes.addEventListener("click", () => decide(true));
  no.addEventListener("click", () => decide(false));
  return asked;
}

/** Without a model: the passages themselves. */
async function found(question, why) {
  const cited = element("ol");
  const article = shown(cited, element("small", why));
  try {
    const passages = await (await call("GET", `/documents/search?question=${encodeURIComponent(question)}`)).json();
    cited.append(...passages.map(citation));
    if (!passages.length) article.prepend("Nothing was found.");
  } catch (error) {
    article.prepend(error.message);
  }
}
