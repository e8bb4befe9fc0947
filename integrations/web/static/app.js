// The chat's script: sends without leaving the page, shows answers as they are
// written, drops files. What a page shows always comes from the server; here
// are no templates.
"use strict";
(() => {
  document.documentElement.classList.add("js");
  const $ = (id) => document.getElementById(id);
  const thread = $("thread"), composer = $("composer"), text = $("text"), chips = $("chips"), refused = $("refused"), live = $("live");

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

  // ---- turns

  const streams = new Map();

  function section(id) { return thread.querySelector('[data-turn="' + CSS.escape(id) + '"]'); }

  // refresh brings a turn up to date, changing only the parts that differ, so
  // that what a person opened, typed or focused stays.
  async function refresh(id) {
    const answer = await fetch(turnPath(id, "/fragment"));
    if (!answer.ok || answer.redirected) { if (answer.redirected) location.reload(); return; }
    const count = Number(answer.headers.get("Sous-Pending") || 0), badge = $("pending");
    badge.textContent = count; badge.hidden = count === 0;
    document.title = document.title.replace(/^(\(\d+\) )?/, count ? "(" + count + ") " : "");
    const holder = document.createElement("template");
    holder.innerHTML = await answer.text();
    const fresh = holder.content.querySelector(".turn"), follow = atEnd();
    const old = section(id);
    if (!old) { thread.querySelector(".welcome")?.remove(); thread.append(fresh); toEnd(); return; }
    old.dataset.status = fresh.dataset.status;
    const known = new Set([...old.querySelectorAll(".card.asked")].map((c) => c.id));
    merge(old, fresh, (n) => n.dataset.part);
    const asked = [...old.querySelectorAll(".card.asked")].find((c) => !known.has(c.id));
    if (asked) asked.scrollIntoView({ block: "start" });
    else if (follow) toEnd();
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
      else if (was.outerHTML !== n.outerHTML) replace(was, n);
    }
    for (const n of kept.values()) n.remove();
  }

  // The page has heard of steps that are not stored yet: the longer list counts.
  function mergeSteps(was, n) {
    const list = was.querySelector("ol"), other = n.querySelector("ol");
    if (other.children.length >= list.children.length) list.replaceWith(other);
    was.querySelector("summary").replaceWith(n.querySelector("summary"));
    was.hidden = n.hidden && !was.querySelector("li");
    if (!n.open) was.open = false;
  }

  function replace(was, n) {
    const focused = was.contains(document.activeElement), typed = was.querySelector("input[name=comment]")?.value;
    was.replaceWith(n);
    const input = n.querySelector("input[name=comment]");
    if (input && typed) input.value = typed;
    if (focused && n.tabIndex >= 0) n.focus({ preventScroll: true });
  }

  function addStep(turn, step) {
    const steps = turn.querySelector('[data-part="steps"]'), item = document.createElement("li");
    item.className = "step " + step.kind + " " + (step.status || "");
    const words = document.createElement("span");
    words.textContent = step.title;
    item.append(words);
    if (step.status) { const state = document.createElement("em"); state.textContent = step.status; item.append(" ", state); }
    if (step.detail) { const small = document.createElement("small"); small.textContent = step.detail; item.append(small); }
    steps.hidden = false;
    steps.querySelector("ol").append(item);
  }

  function watch(id) {
    if (streams.has(id)) return;
    const source = new EventSource(turnPath(id, "/events"));
    streams.set(id, source);
    let timer = 0, heard = 0;
    const soon = () => { clearTimeout(timer); timer = setTimeout(() => refresh(id), 60); };
    const on = (type, f) => source.addEventListener(type, (e) => { const t = section(id); if (t) f(JSON.parse(e.data), t); });
    const stream = (t) => t.querySelector('[data-part="stream"]');
    const clear = (t) => { const s = stream(t); s.textContent = ""; s.hidden = true; };
    source.onopen = () => { // a stream from the beginning tells all its steps again
      const t = section(id);
      if (t && heard === 0) { t.querySelector('[data-part="steps"] ol').replaceChildren(); clear(t); }
    };
    on("delta", (ev, t) => {
      heard++;
      const s = stream(t), follow = atEnd();
      s.hidden = false;
      s.append(ev.text || "");
      if (follow) toEnd();
    });
    on("reset", (ev, t) => clear(t));
    on("step", (ev, t) => { heard++; clear(t); addStep(t, ev.step); });
    on("approval", (ev, t) => { heard++; clear(t); if (ev.step) addStep(t, ev.step); say("Sous asks for a decision."); soon(); });
    on("decided", soon);
    on("status", soon);
    on("question", (ev, t) => { clear(t); say("Sous asks: " + ev.text); soon(); });
    on("end", async (ev, t) => {
      source.close();
      streams.delete(id);
      clearTimeout(timer);
      await refresh(id);
      clear(t);
      say("Answer: " + (ev.text || "").slice(0, 400));
      for (const n of thread.querySelectorAll('.turn[data-status="queued"]')) refresh(n.dataset.turn);
    });
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return;
      streams.delete(id);
      refresh(id);
    };
  }

  function watchAll() {
    for (const t of thread.querySelectorAll(".turn")) {
      if (["queued", "running", "waiting"].includes(t.dataset.status)) watch(t.dataset.turn);
    }
  }

  // ---- forms within the thread: decisions, stop, undo

  // problem shows words where the form was, or where it stands now.
  function problem(turn, form, words) {
    const card = form.closest(".card");
    const near = (card && $(card.id)) || (form.isConnected && form.closest("li, footer, .cards")) || section(turn) || thread;
    let p = near.querySelector(":scope > .error");
    if (!p) { p = document.createElement("p"); p.className = "error"; p.setAttribute("role", "alert"); near.append(p); }
    p.textContent = words;
  }

  async function submit(form, button) {
    const turn = form.closest(".turn");
    for (const b of form.querySelectorAll("button")) b.disabled = true;
    try {
      const said = await post(form.action, new URLSearchParams(new FormData(form)));
      if (said.turn && said.turn !== turn.dataset.turn) { await refresh(said.turn); watch(said.turn); toEnd(); }
      await refresh(turn.dataset.turn);
      if (button.classList.contains("approve")) say("Approved.");
      if (button.classList.contains("deny")) say("Denied.");
    } catch (e) {
      await refresh(turn.dataset.turn).catch(() => {});
      problem(turn.dataset.turn, form, e.message);
    } finally {
      for (const b of form.querySelectorAll("button")) b.disabled = false;
    }
  }

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

  async function send() {
    complain("");
    if (uploads > 0) { complain("A file is still on its way. Send again when it has arrived."); return; }
    if (!text.value.trim() && !chips.querySelector("input[name=file]")) { text.focus(); return; }
    const form = new FormData(composer), button = $("send");
    form.delete("files");
    button.disabled = true;
    try {
      const said = await post("/send", form);
      text.value = "";
      chips.replaceChildren();
      composer.elements.event.value = said.event;
      if (said.conversation !== thread.dataset.conversation) { location.assign(said.url); return; }
      await refresh(said.turn);
      watch(said.turn);
      toEnd();
    } catch (e) {
      complain(e.message); // what was typed stays
    } finally {
      button.disabled = false;
      size();
    }
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
    if (e.key === "d") { const reason = card.querySelector("input[name=comment]"); if (reason) { e.preventDefault(); reason.focus(); } }
  });

  if (!thread) return;

  thread.addEventListener("submit", (e) => { e.preventDefault(); submit(e.target, e.submitter || e.target.querySelector("button")); });
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

  watchAll();
  if (!location.hash) toEnd();
})();
