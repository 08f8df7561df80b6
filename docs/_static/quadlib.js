// An explorer without a kernel: pictures made beforehand, along one control at a time.
//
// <div class="quadlib-strip" data-explorer="tour"><img></div> loads frames/tour.js when it comes into
// view. That is a script, not JSON, so that a page opened from a folder works as well.
(() => {
  const folder = new URL("frames/", document.currentScript?.src || location.href);
  const waiting = {};

  window.quadlibFrames = (name, data) => {
    for (const strip of waiting[name] || []) show(strip, name, data);
    waiting[name] = [];
  };

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  function show(strip, name, { controls, width, height }) {
    const address = frame => (frame.src.startsWith("data:") ? frame.src : new URL(frame.src, folder).href);
    const image = strip.querySelector("img");
    Object.assign(image, { width, height });
    const row = make("div", { className: "quadlib-controls", role: "group" });
    row.setAttribute("aria-label", `Controls of the explorer ${name}`);
    const says = make("p", { className: "quadlib-summary" });
    says.setAttribute("role", "status");
    const table = make("div");
    const details = make("details", {}, make("summary", { textContent: "data" }), table);
    const here = { control: null, frame: controls[0].frames[controls[0].rest] };
    let pause = 0;

    const draw = () => {
      image.src = address(here.frame);
      image.alt = here.frame.alt;
      if (details.open) table.innerHTML = here.frame.table;
      clearTimeout(pause); // a held key does not speak
      pause = setTimeout(() => { says.textContent = here.frame.summary; }, 400);
    };
    details.addEventListener("toggle", draw);

    const moved = [];
    controls.forEach((control, index) => {
      const id = `quadlib-${name}-${index}`;
      const slider = make("input", { id, type: "range", min: 0, max: control.values.length - 1, step: 1 });
      const value = make("span", { className: "quadlib-value" });
      const set = position => {
        slider.value = position;
        value.textContent = control.values[position];
        slider.setAttribute("aria-valuetext", control.values[position]);
      };
      slider.addEventListener("input", () => {
        moved.forEach((reset, other) => { if (other !== index) reset(); });
        set(slider.value);
        here.frame = control.frames[slider.value];
        draw();
      });
      slider.addEventListener("focus", () => {
        for (const frame of control.frames) new Image().src = address(frame);
      }, { once: true });
      moved.push(() => set(control.rest));
      set(control.rest);
      row.append(make("span", { className: "quadlib-control" },
        make("label", { htmlFor: id, textContent: control.label }), slider, value));
    });
    const where = make("p", { className: "quadlib-where" });
    where.innerHTML = strip.dataset.where || "";
    strip.prepend(row);
    strip.append(says, details, where);
    draw();
    says.textContent = here.frame.summary;
  }

  function load(strip) {
    const name = strip.dataset.explorer;
    if (!/^\w+$/.test(name)) return;
    if (waiting[name]) { waiting[name].push(strip); return; }
    waiting[name] = [strip];
    const data = document.querySelector(`script[data-frames="${name}"]`);
    if (data) window.quadlibFrames(name, JSON.parse(data.textContent));
    else document.head.append(make("script", { src: new URL(`${name}.js`, folder) }));
  }

  const start = () => {
    const seen = new IntersectionObserver(entries => {
      for (const { isIntersecting, target } of entries)
        if (isIntersecting) { seen.unobserve(target); load(target); }
    }, { rootMargin: "400px" });
    document.querySelectorAll(".quadlib-strip").forEach(strip => seen.observe(strip));
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
