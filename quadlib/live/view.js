// The picture of an explorer: an <img> that stays, its words for everyone, and names of controls.

const LOST = `This picture no longer moves: its kernel is gone.
To get it back, run its cell again (Shift+Enter), or Run ▸ Run All Cells.`;

const html = `
  <div class="quadlib-alert" role="alert"></div>
  <img class="quadlib-picture" decoding="sync">
  <p class="quadlib-lost">${LOST}</p>
  <p class="quadlib-summary" role="status" aria-live="polite"></p>
  <div class="quadlib-panel"></div>`;

// ipywidgets gives the handle of a slider no name, the wrong value if it is not linear, and a
// toggle no state.
function name(explorer) {
  for (const handle of explorer.querySelectorAll(".noUi-handle")) {
    const box = handle.closest(".widget-inline-hbox");
    handle.setAttribute("aria-label", box.querySelector("label").textContent);
    handle.setAttribute("aria-valuetext", box.querySelector(".widget-readout").textContent);
  }
  // else an arrow key moves the notebook's cell, not the choice
  for (const choice of explorer.querySelectorAll("select"))
    choice.dataset.lmSuppressShortcuts = "true";
  for (const button of explorer.querySelectorAll(".widget-toggle-button"))
    button.setAttribute("aria-pressed", button.classList.contains("mod-active"));
}

function render({ model, el }) {
  el.classList.add("quadlib-view");
  el.innerHTML = html;
  const [alarm, image, , summary, panel] = el.children;
  let rest = 0;

  const picture = () => {
    const { buffer, byteOffset, byteLength } = model.get("png");
    let text = "";
    for (let i = 0; i < byteLength; i += 8192)
      text += String.fromCharCode(...new Uint8Array(buffer, byteOffset + i, Math.min(8192, byteLength - i)));
    image.src = `data:image/png;base64,${btoa(text)}`; // shown sooner than the address of a blob
  };
  const words = () => {
    image.alt = model.get("alt");
    image.width = model.get("width");
    image.classList.toggle("quadlib-stale", model.get("alert") !== "");
    image.setAttribute("aria-busy", model.get("busy"));
    alarm.textContent = model.get("alert") && `⚠ ${model.get("alert")}`;
    // read aloud at rest only, so that a held key does not speak; until then it is of another picture
    const before = summary.textContent;
    summary.classList.toggle("quadlib-past", before !== "" && before !== model.get("summary"));
    clearTimeout(rest);
    rest = setTimeout(() => {
      summary.textContent = model.get("summary");
      summary.classList.remove("quadlib-past");
    }, before ? 400 : 0);
  };
  const extra = () => { panel.innerHTML = model.get("panel"); };

  model.on("change:png", picture);
  for (const key of ["alt", "alert", "summary", "busy"]) model.on(`change:${key}`, words);
  model.on("change:panel", extra);
  picture(), words(), extra();

  let explorer = null, frame = 0;
  const observer = new MutationObserver(() => name(explorer));
  const attach = () => {
    explorer = el.closest(".quadlib-explorer");
    if (!explorer) { frame = requestAnimationFrame(attach); return; }
    name(explorer);
    const what = { subtree: true, childList: true, characterData: true };
    observer.observe(explorer, { ...what, attributes: true, attributeFilter: ["class"] });
  };
  attach();
  return () => {
    observer.disconnect();
    cancelAnimationFrame(frame);
    clearTimeout(rest);
  };
}

export default { render };
