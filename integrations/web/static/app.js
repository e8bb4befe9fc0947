// The chat's script: sends without leaving the page, shows answers as they are
// written, drops files. What a page shows always comes from the server; here
// are no templates.
"use strict";
(() => {
  document.documentElement.classList.add("js");
  const $ = (id) => document.getElementById(id);
  const thread = $("thread"), composer = $("composer"), text = $("text"), chips = $("chips"), refused = $("refused"), live = $("live"), list = $("list");

  const say = (words) => { if (live) live.textContent = words; };
  const atEnd = () => thread.scrollHeight - thread.scrollTop - thread.clientHeight < 160;
  const toEnd = () => { thread.scrollTop = thread.scrollHeight; };
  const complain = (words) => { refused.textContent = words || ""; refused.hidden = !words; };
  const turnPath = (id, rest) => "/turns/" + encodeURIComponent(id) + rest;

  // post sends a form's fields and returns the answer's JSON, or throws what it says.
  async function post(path, body) {
    let answer;
    try {
      answer = await fetch(path, { method: "POST", body, headers: { Accept: "application/json" } });
    } catch {
      throw new Error("Sous cannot be reached. Nothing was lost: try again in a moment.");
    }
    let said = {};
    try { said = await answer.json(); } catch { /* no JSON: the status says enough */ }
    if (!answer.ok) throw new Error(said.error || "That did not work (" + answer.status + ").");
    return said;
  }

  // ---- what comes from the server: turns, the queue

  const active = (t) => ["queued", "running", "waiting"].includes(t.dataset.status);
  function section(id) { return thread && thread.querySelector('[data-turn="' + CSS.escape(id) + '"]'); }

  // parse makes elements of a part of a page.
  function parse(html) { const holder = document.createElement("template"); holder.innerHTML = html; return holder.content; }

  async function part(path, headers) {
    const answer = await fetch(path, { headers: headers || {} });
    if (answer.redirected) { location.reload(); return null; } // signed out
    return answer.ok ? parse(await answer.text()) : null;
  }

  // refresh brings a turn up to date, changing only the parts that differ, so
  // that what a person opened, typed or focused stays.
  async function refresh(id) {
    const content = await part(turnPath(id, "/fragment"));
    if (!content) return;
    const fresh = content.querySelector(".turn"), follow = atEnd(), old = section(id);
    if (!old) {
      thread.querySelector(".welcome")?.remove();
      thread.append(fresh);
      toEnd();
      const missed = early.get(id) || [];
      early.delete(id);
      missed.forEach(show);
      return;
    }
    old.dataset.status = fresh.dataset.status;
    const known = new Set([...old.querySelectorAll(".card.asked")].map((c) => c.id));
    merge(old, fresh, (n) => n.dataset.part);
    const asked = [...old.querySelectorAll(".card.asked")].find((c) => !known.has(c.id));
    if (asked) asked.scrollIntoView({ block: "start" });
    else if (follow) toEnd();
  }

  // refreshList does the same for the list of approvals.
  async function refreshList() {
    const content = list && await part(location.href, { "Sous-Part": "list" });
    if (!content) return;
    const holder = document.createElement("div");
    holder.append(content);
    merge(list, holder, (n) => n.dataset.part);
  }

  // merge makes old's children those of fresh, keeping equal ones in place.
  function merge(old, fresh, key) {
    const kept = new Map();
    for (const n of [...old.children]) { kept.has(key(n)) || !key(n) ? n.remove() : kept.set(key(n), n); }
    let at = old.firstElementChild;
    for (const n of [...fresh.children]) {
      const was = kept.get(key(n));
      kept.delete(key(n));
      if (!was) { old.insertBefore(n, at); continue; }
      if (was !== at) old.insertBefore(was, at); else at = at.nextElementSibling;
      if (n.dataset.part === "cards") merge(was, n, (c) => c.id || c.className);
      else if (n.dataset.part === "steps") mergeSteps(was, n);
      else if (n.dataset.part === "stream") continue;
      else if (bare(was) !== bare(n)) replace(was, n);
    }
    for (const n of kept.values()) n.remove();
  }

  // bare is an element as it was sent, without what differs from one sending to
  // the next and without what people did to it.
  function bare(n) {
    const copy = n.cloneNode(true);
    for (const i of copy.querySelectorAll("input[name=event]")) i.removeAttribute("value");
    for (const d of copy.querySelectorAll(".more details")) d.removeAttribute("open");
    for (const t of copy.querySelectorAll("time.left")) t.textContent = "";
    for (const e of copy.querySelectorAll(".error, :disabled")) e.matches(".error") ? e.remove() : e.removeAttribute("disabled");
    return copy.outerHTML;
  }

  // The page has heard of steps that are not stored yet: the longer list counts.
  function mergeSteps(was, n) {
    const list = was.querySelector("ol"), other = n.querySelector("ol");
    if (other.children.length >= list.children.length) list.replaceWith(other);
    was.querySelector("summary").replaceWith(n.querySelector("summary"));
    was.hidden = n.hidden && !was.querySelector("li");
    if (!n.open) was.open = false;
  }

  const inputs = (n) => [...n.querySelectorAll("input:not([type=hidden]), textarea, select")];
  const place = (i) => (i.form ? i.form.getAttribute("action") : "") + "#" + i.name;

  // replace puts an element in another's place and carries over what was opened,
  // typed and focused.
  function replace(was, n) {
    const focused = was.contains(document.activeElement) ? document.activeElement : null;
    const typed = new Map(inputs(was).filter((i) => i.value !== (i.defaultValue ?? "")).map((i) => [place(i), i]));
    const opened = [...was.querySelectorAll("details[open]")].map((d) => d.className);
    was.replaceWith(n);
    for (const i of inputs(n)) { const from = typed.get(place(i)); if (from) i.value = from.value; }
    for (const d of n.querySelectorAll("details")) if (d.className && opened.includes(d.className)) d.open = true;
    if (!focused) return;
    const same = focused.name ? inputs(n).find((i) => place(i) === place(focused)) : null;
    if (same) { same.focus({ preventScroll: true }); if (same.setSelectionRange && focused.selectionStart != null) same.setSelectionRange(focused.selectionStart, focused.selectionEnd); }
    else if (n.tabIndex >= 0) n.focus({ preventScroll: true });
  }

  function addStep(turn, step, count) {
    const steps = turn.querySelector('[data-part="steps"]'), list = steps.querySelector("ol");
    if (list.children.length >= count) return; // the page came with it
    const item = document.createElement("li");
    item.className = "step " + step.kind + " " + (step.status || "");
    const words = document.createElement("span");
    words.textContent = step.title;
    item.append(words);
    if (step.status) { const state = document.createElement("em"); state.textContent = step.status; item.append(" ", state); }
    if (step.detail) { const small = document.createElement("small"); small.textContent = step.detail; item.append(small); }
    steps.hidden = false;
    list.append(item);
  }

  // One stream carries all that the page shows: a browser has few connections to
  // one server. heard is how much of each turn the page has heard.
  let conversation = document.body.dataset.follow;
  const heard = new Map(), due = new Map();
  const early = new Map(); // events of turns that are not on the page yet
  let source = null, boot = "", again = 0, told = 0;

  const soon = (id) => { clearTimeout(due.get(id)); due.set(id, setTimeout(() => { due.delete(id); id ? refresh(id) : refreshList(); }, 60)); };
  const stream = (t) => t.querySelector('[data-part="stream"]');
  const clear = (t) => { const s = stream(t); s.textContent = ""; s.hidden = true; };

  const shows = {
    delta(ev, t) {
      const s = stream(t), follow = atEnd();
      s.hidden = false;
      s.append(ev.text || "");
      if (follow) toEnd();
    },
    reset(ev, t) { clear(t); },
    step(ev, t, h) { clear(t); addStep(t, ev.step, ++h.steps); },
    approval(ev, t, h) { clear(t); if (ev.step) addStep(t, ev.step, ++h.steps); say("Sous asks for a decision."); soon(ev.turn); },
    decided(ev) { soon(ev.turn); },
    reminder(ev) { say("A decision still waits."); soon(ev.turn); },
    status(ev) { soon(ev.turn); },
    question(ev, t) { clear(t); say("Sous asks: " + ev.text); soon(ev.turn); },
    async end(ev, t) {
      clearTimeout(due.get(ev.turn));
      due.delete(ev.turn);
      await refresh(ev.turn);
      clear(section(ev.turn) || t);
      say("Answer: " + (ev.text || "").slice(0, 400));
      for (const n of thread.querySelectorAll('.turn[data-status="queued"]')) refresh(n.dataset.turn);
    },
  };

  async function show(ev) {
    const t = section(ev.turn);
    if (!t) { // just begun, or begun elsewhere, such as in Slack
      if (!early.has(ev.turn)) early.set(ev.turn, []);
      early.get(ev.turn).push(ev);
      if (!due.has(ev.turn)) soon(ev.turn);
      return;
    }
    const h = heard.get(ev.turn) || { n: 0, steps: 0 };
    if (ev.n <= h.n) return;
    h.n = ev.n;
    heard.set(ev.turn, h);
    if (active(t)) shows[ev.type](ev, t, h);
  }

  function badge(q) {
    const count = q.waiting || 0, counter = $("pending"), late = $("late");
    counter.textContent = count; counter.hidden = count === 0;
    document.title = document.title.replace(/^(\(\d+\) )?/, count ? "(" + count + ") " : "");
    late.hidden = !q.late || !q.late.text;
    if (late.hidden) return;
    if (late.firstElementChild.textContent !== q.late.text) late.firstElementChild.textContent = q.late.text;
    late.lastElementChild.href = "/approvals/" + encodeURIComponent(q.late.approval);
  }

  // catchUp reads again what may have changed while nobody listened.
  function catchUp() {
    if (thread) for (const t of thread.querySelectorAll(".turn")) if (active(t)) soon(t.dataset.turn);
    soon("");
    const before = told; // what the stream tells meanwhile is newer
    fetch("/queue").then((a) => a.ok && !a.redirected ? a.json() : null).then((q) => { if (q && told === before) badge(q); }).catch(() => {});
  }

  function listen() {
    if (source || conversation === undefined) return;
    source = new EventSource("/events" + (conversation ? "?c=" + encodeURIComponent(conversation) : ""));
    source.addEventListener("hello", (e) => {
      const b = JSON.parse(e.data).boot;
      if (b !== boot) { heard.clear(); if (thread) thread.querySelectorAll(".turn").forEach(clear); }
      if (boot) catchUp();
      boot = b;
    });
    for (const type of Object.keys(shows)) source.addEventListener(type, (e) => show(JSON.parse(e.data)));
    source.addEventListener("queue", (e) => { told++; badge(JSON.parse(e.data)); soon(""); });
    source.onerror = () => {
      if (source && source.readyState === EventSource.CLOSED) { source = null; clearTimeout(again); again = setTimeout(listen, 5000); }
    };
  }

  function hush() { if (source) { source.close(); source = null; } }

  // A page nobody looks at gives its connection back, and only asks now and then
  // how much waits. One that is looked at also asks now and then: what another
  // process did is not in its stream.
  let rest = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(rest);
    if (document.hidden) { rest = setTimeout(hush, 20000); return; }
    const slept = !source;
    listen();
    if (slept) catchUp();
  });
  setInterval(() => { if (conversation !== undefined) catchUp(); }, 45000);

  // Times that run out are told anew.
  function leftWords(ms) {
    const min = Math.floor(ms / 60000);
    if (ms <= 0) return "";
    if (min < 1) return "less than a minute";
    if (min < 120) return min + " min";
    return min < 2880 ? Math.floor(min / 60) + " h" : Math.floor(min / 1440) + " days";
  }
  setInterval(() => {
    for (const t of document.querySelectorAll("time.left")) {
      const words = leftWords(Date.parse(t.dateTime) - Date.now());
      if (t.textContent === words) continue;
      t.textContent = words || "no time";
      const turn = t.closest(".turn");
      if (!words) soon(turn ? turn.dataset.turn : "");
    }
  }, 15000);

  // ---- forms within the page: decisions, stop, undo

  // problem shows words where the form was, or where it stands now.
  function problem(turn, form, words) {
    const card = form.closest(".card");
    const near = (form.isConnected && form.closest(".edit-form")) || (card && $(card.id)) || (form.isConnected && form.closest("li, footer, .cards, td")) || (turn && section(turn)) || form.parentElement;
    let p = near.querySelector(":scope > .error");
    if (!p) { p = document.createElement("p"); p.className = "error"; p.setAttribute("role", "alert"); near.append(p); }
    p.textContent = words;
    p.scrollIntoView({ block: "nearest" });
  }

  async function submit(form, button) {
    const turn = form.closest(".turn")?.dataset.turn, card = form.closest(".card");
    for (const b of form.querySelectorAll("button")) b.disabled = true;
    try {
      const said = await post(form.action, new URLSearchParams(new FormData(form)));
      if (said.turn && thread && said.turn !== turn) { await refresh(said.turn); toEnd(); }
      else if (said.url && !thread) { location.assign(said.url); return; }
      if (form.closest("details")) { form.reset(); form.closest("details").open = false; }
      if (dialog.open) { const opener = dialog.opener; dialog.close(); opener?.closest(".card")?.focus(); }
      await Promise.all([turn ? refresh(turn) : null, refreshList()]);
      if (button.classList.contains("approve")) say("Approved.");
      if (button.classList.contains("deny")) say("Denied.");
    } catch (e) {
      await Promise.all([turn ? refresh(turn) : null, refreshList()]).catch(() => {});
      problem(turn, card && !form.isConnected ? ($(card.id)?.querySelector("form") || form) : form, e.message);
    } finally {
      for (const b of form.querySelectorAll("button")) b.disabled = false;
    }
  }

  // ---- the form that changes a call before it is approved

  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-label", "Change the call");
  document.body.append(dialog);

  async function openEdit(link) {
    const content = await part(link.href, { "Sous-Part": "form" }).catch(() => null), form = content?.querySelector("form");
    if (!form) { location.assign(link.href); return; }
    dialog.opener = link;
    dialog.replaceChildren(form);
    dialog.showModal();
    form.querySelector("textarea, input:not([type=hidden])")?.focus();
  }

  document.addEventListener("click", (e) => {
    if (e.defaultPrevented || e.button || e.ctrlKey || e.metaKey || e.shiftKey) return;
    const edit = e.target.closest("a.edit"), cancel = e.target.closest("dialog .cancel");
    if (edit) { e.preventDefault(); openEdit(edit); }
    if (cancel) { e.preventDefault(); dialog.close(); dialog.opener?.focus(); }
  });
  document.addEventListener("submit", (e) => {
    if (e.target === composer || !e.target.closest(".card, .turn, #list, dialog") || e.target.method !== "post") return;
    e.preventDefault();
    submit(e.target, e.submitter || e.target.querySelector("button"));
  });

  // ---- the composer

  let uploads = 0;

  function chip(file) {
    const li = document.createElement("li"), name = document.createElement("span"), size = document.createElement("small");
    const bar = document.createElement("progress"), drop = document.createElement("button");
    li.className = "chip";
    name.textContent = file.name;
    size.textContent = file.size < 1024 ? file.size + " bytes" : file.size < 1048576 ? (file.size >> 10) + " kB" : (file.size / 1048576).toFixed(1) + " MB";
    bar.max = 1; bar.value = 0;
    bar.setAttribute("aria-label", "Upload of " + file.name);
    drop.type = "button"; drop.textContent = "✕";
    drop.setAttribute("aria-label", "Remove " + file.name);
    li.append(name, size, bar, drop);
    chips.append(li);
    return { li, size, bar, drop };
  }

  // add uploads a file at once, so that sending is quick and a file that is
  // refused takes nothing else with it.
  function add(file) {
    const c = chip(file), request = new XMLHttpRequest(), limit = Number(composer.dataset.limit);
    let over = false;
    const done = () => { if (!over) { over = true; uploads--; } };
    const bad = (words) => { c.li.classList.add("bad"); c.size.textContent = words; c.bar.remove(); say(file.name + ": " + words); };
    c.drop.onclick = () => { request.abort(); c.li.remove(); text.focus(); };
    if (file.size > limit) { bad("larger than " + Math.floor(limit / 1048576) + " MB, the largest file accepted"); return; }
    uploads++;
    request.open("POST", "/files?name=" + encodeURIComponent(file.name) + "&conversation=" + encodeURIComponent(composer.elements.conversation.value));
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.onprogress = (e) => { if (e.lengthComputable) c.bar.value = e.loaded / e.total; };
    request.onload = () => {
      done();
      let said = {};
      try { said = JSON.parse(request.responseText); } catch { /* the status says enough */ }
      if (request.status !== 200) { bad(said.error || "could not be stored (" + request.status + ")"); return; }
      const field = document.createElement("input");
      field.type = "hidden"; field.name = "file"; field.value = JSON.stringify(said);
      c.bar.remove();
      c.li.append(field);
      say(file.name + " is attached.");
    };
    request.onerror = () => { done(); bad("could not be sent; remove it and try again"); };
    request.onabort = done;
    request.send(file);
  }

  // freshID names the next message, so that sending it twice is sending it once.
  function freshID() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (n) => n.toString(16).padStart(2, "0")).join("");
  }

  // begun makes the page that of the conversation which a first message has begun.
  async function begun(id, url) {
    history.replaceState(null, "", url);
    conversation = thread.dataset.conversation = document.body.dataset.follow = composer.elements.conversation.value = id;
    hush();
    listen();
    const page = await part(url);
    if (!page) return;
    $("side").replaceChildren(...page.querySelector("#side").childNodes);
    document.title = page.querySelector("title").textContent;
    document.querySelector(".bar h1").textContent = page.querySelector(".bar h1").textContent;
  }

  // deliver sends one message. What cannot be sent stands in the composer again.
  async function deliver(form, words, files) {
    form.set("conversation", thread.dataset.conversation);
    try {
      const said = await post("/send", form);
      if (said.conversation !== thread.dataset.conversation) await begun(said.conversation, said.url);
      await refresh(said.turn);
      toEnd();
    } catch (e) {
      complain(e.message);
      text.value = words + (text.value ? "\n" + text.value : "");
      chips.prepend(...files);
      composer.elements.event.value = form.get("event"); // it may have arrived
      size();
    }
  }

  // Messages go one after the other; meanwhile the next can be written.
  let sending = Promise.resolve();

  function send() {
    complain("");
    if (uploads > 0) { complain("A file is still on its way. Send again when it has arrived."); return; }
    if (!text.value.trim() && !chips.querySelector("input[name=file]")) { text.focus(); return; }
    const form = new FormData(composer), words = text.value, files = [...chips.children];
    form.delete("files");
    composer.elements.event.value = freshID();
    text.value = "";
    chips.replaceChildren();
    size();
    sending = sending.then(() => deliver(form, words, files));
  }

  function size() {
    if (CSS.supports("field-sizing", "content")) return;
    text.style.height = "auto";
    text.style.height = text.scrollHeight + 2 + "px";
  }

  // ---- keys: work on every page with cards

  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
    const here = document.activeElement, typing = here && (here.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(here.tagName));
    if (e.key === "Escape" && typing && here.closest(".card")) { here.closest(".card").focus(); return; }
    if (typing) return;
    if (e.key === "/" && text) { e.preventDefault(); text.focus(); return; }
    const card = here && here.closest(".card");
    if (!card) return;
    if (e.key === "a") card.querySelector(".approve")?.click();
    if (e.key === "e") { const edit = card.querySelector("a.edit"); if (edit) { e.preventDefault(); edit.click(); } }
    if (e.key === "d") { const reason = card.querySelector("input[name=comment]"); if (reason) { e.preventDefault(); reason.focus(); } }
  });

  listen();
  if (!thread) return;

  composer.addEventListener("submit", (e) => { e.preventDefault(); send(); });
  text.addEventListener("input", size);
  text.addEventListener("keydown", (e) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); send(); }
    if (e.key === "Escape") text.blur();
  });
  text.addEventListener("paste", (e) => {
    const files = [...(e.clipboardData?.files || [])];
    if (files.length) { e.preventDefault(); files.forEach(add); }
  });
  $("files").addEventListener("change", (e) => { [...e.target.files].forEach(add); e.target.value = ""; text.focus(); });
  for (const b of chips.querySelectorAll("button")) b.onclick = () => b.closest("li").remove();

  for (const b of document.querySelectorAll(".ideas button")) b.onclick = () => { text.value = b.firstChild.textContent; text.focus(); size(); };

  let inside = 0;
  const carries = (e) => [...(e.dataTransfer?.types || [])].includes("Files");
  addEventListener("dragenter", (e) => { if (carries(e)) { inside++; $("drop").hidden = false; } });
  addEventListener("dragleave", (e) => { if (carries(e) && --inside <= 0) { inside = 0; $("drop").hidden = true; } });
  addEventListener("dragover", (e) => { if (carries(e)) e.preventDefault(); });
  addEventListener("drop", (e) => {
    if (!carries(e)) return;
    e.preventDefault();
    inside = 0;
    $("drop").hidden = true;
    [...e.dataTransfer.files].forEach(add);
    text.focus();
  });

  if (!location.hash) toEnd();
})();
