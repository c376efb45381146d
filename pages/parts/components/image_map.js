// A map of images on a canvas. Points are in whole steps from 0 to data.steps; the view is a scale and a shift of them.
// The node and its view stay while data change, so a choice elsewhere on the page keeps the zoom.

const RADIUS = 2.6, MARGIN = 12, NEAR = 14, MOST_ZOOM = 60;

/** Load a file of small images once for all maps of the page. */
function sheet(number) {
  window.resnetLabSheets ??= new Map();
  if (!window.resnetLabSheets.has(number)) {
    const image = new Image();
    image.src = new URL(`app/static/cifar10/${number}.png`, document.baseURI);
    window.resnetLabSheets.set(number, image.decode().then(() => image));
  }
  return window.resnetLabSheets.get(number);
}

/** Return where a point is on the canvas, in CSS pixels. */
function spot(map, at) {
  const { view, data, width, height } = map;
  const x = MARGIN + (data.x[at] / data.steps) * (width - 2 * MARGIN);
  const y = height - MARGIN - (data.y[at] / data.steps) * (height - 2 * MARGIN);
  return [x * view.zoom + view.x, y * view.zoom + view.y];
}

function draw(map) {
  const { canvas, data, hidden } = map;
  map.width = canvas.clientWidth;
  map.height = canvas.clientHeight;
  const dense = window.devicePixelRatio || 1;
  if (!map.width) return;
  canvas.width = map.width * dense;
  canvas.height = map.height * dense;
  const pen = canvas.getContext("2d");
  pen.scale(dense, dense);
  const radius = RADIUS * Math.min(2.4, Math.sqrt(map.view.zoom)), side = 2 * radius;
  map.order.forEach((places, group) => {
    if (hidden.has(group)) return;
    pen.fillStyle = data.colours[group];
    pen.globalAlpha = 0.75;
    for (const at of places) {
      const [x, y] = spot(map, at);
      if (x < -side || y < -side || x > map.width + side || y > map.height + side) continue;
      pen.beginPath();
      pen.arc(x, y, radius, 0, 7);
      pen.fill();
    }
  });
  pen.globalAlpha = 1;
  const ring = (at, size) => {
    const [x, y] = spot(map, at);
    pen.beginPath();
    pen.arc(x, y, size, 0, 7);
    pen.lineWidth = 2;
    pen.strokeStyle = getComputedStyle(canvas).getPropertyValue("--st-text-color");
    pen.stroke();
  };
  const chosen = data.images.indexOf(data.chosen);
  if (chosen >= 0) ring(chosen, radius + 5);
  if (map.at !== null) ring(map.at, radius + 3);
}

/** Draw in the next frame, once for all that changes before it. */
function redraw(map) {
  map.frame ??= requestAnimationFrame(() => {
    map.frame = null;
    draw(map);
  });
}

/** Return the shown point nearest to a place on the canvas by a measure of its distance, or null. */
function nearest(map, measure, most) {
  let best = null, least = most;
  map.order.forEach((places, group) => {
    if (map.hidden.has(group)) return;
    for (const at of places) {
      const distance = measure(...spot(map, at), at);
      if (distance < least) [best, least] = [at, distance];
    }
  });
  return best;
}

/** Show the image of a point beside it, or nothing for null. */
function point(map, at) {
  if (at === map.at) return;
  map.at = at;
  const { tip, data } = map;
  tip.hidden = at === null;
  redraw(map);
  if (at === null) return;
  const [x, y] = spot(map, at);
  tip.querySelector("span").textContent = data.texts[at];
  map.canvas.setAttribute("aria-label", `${data.label}. ${data.texts[at]}`);
  const canvas = tip.querySelector("canvas");
  canvas.hidden = !data.sheets;
  const place = () => {
    tip.style.left = `${Math.max(0, x + 14 + tip.offsetWidth > map.width ? x - tip.offsetWidth - 14 : x + 14)}px`;
    tip.style.top = `${Math.max(0, Math.min(y - 20, map.height - tip.offsetHeight))}px`;
  };
  place();
  if (!data.sheets) return;
  const image = data.images[at], number = Math.floor(image / data.sheetImages), tile = image % data.sheetImages;
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, 32, 32);
  canvas.dataset.image = "";
  sheet(number).then(
    (whole) => {
      if (map.at !== at) return; // the pointer has moved on
      pen.drawImage(whole, (tile % data.sheetColumns) * 32, Math.floor(tile / data.sheetColumns) * 32, 32, 32, 0, 0, 32, 32);
      canvas.dataset.image = image;
    },
    () => {
      window.resnetLabSheets.delete(number); // so that the next look tries again
      canvas.hidden = true;
    },
  );
}

/** Zoom around a place on the canvas; at the smallest zoom the whole map is shown. */
function zoom(map, factor, x, y) {
  const { view } = map;
  const next = Math.min(MOST_ZOOM, Math.max(1, view.zoom * factor));
  view.x = next === 1 ? 0 : x - ((x - view.x) * next) / view.zoom;
  view.y = next === 1 ? 0 : y - ((y - view.y) * next) / view.zoom;
  view.zoom = next;
  point(map, null);
  redraw(map);
}

const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Go to the next point in a direction: near, and rather straight ahead than aside. */
function step(map, [dx, dy]) {
  const [x, y] = map.at === null ? [map.width / 2, map.height / 2] : spot(map, map.at);
  const next = nearest(
    map,
    (px, py, at) => {
      const ahead = (px - x) * dx + (py - y) * dy, aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      return at === map.at || ahead <= 0 ? Infinity : ahead + 2 * aside;
    },
    Infinity,
  );
  if (next !== null) point(map, next);
}

function listen(map) {
  const { canvas } = map;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const under = (x, y) => nearest(map, (px, py) => Math.hypot(px - x, py - y), NEAR);
  canvas.onpointerdown = (event) => {
    map.drag = { from: [event.clientX, event.clientY], view: { ...map.view }, moved: false };
    canvas.setPointerCapture(event.pointerId);
    point(map, under(...at(event)));
  };
  canvas.onpointermove = (event) => {
    const { drag } = map;
    if (!drag) return point(map, under(...at(event)));
    const [dx, dy] = [event.clientX - drag.from[0], event.clientY - drag.from[1]];
    drag.moved ||= Math.hypot(dx, dy) > 4;
    if (!drag.moved || map.view.zoom === 1) return;
    Object.assign(map.view, { x: drag.view.x + dx, y: drag.view.y + dy });
    point(map, null);
    redraw(map);
  };
  canvas.onpointerup = () => {
    if (map.drag && !map.drag.moved && map.at !== null) map.open(map.data.images[map.at]);
    map.drag = null;
  };
  canvas.onpointercancel = () => (map.drag = null);
  canvas.onpointerleave = () => map.drag || point(map, null);
  canvas.onblur = () => point(map, null);
  canvas.ondblclick = () => zoom(map, 0, 0, 0);
  canvas.onwheel = (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // that scrolls the page; a pinch on a touchpad comes with Ctrl
    event.preventDefault();
    zoom(map, Math.exp(-event.deltaY / 300), ...at(event));
  };
  canvas.onkeydown = (event) => {
    if (KEYS[event.key]) step(map, KEYS[event.key]);
    else if (event.key === "Enter" && map.at !== null) map.open(map.data.images[map.at]);
    else if (event.key === "Escape") point(map, null);
    else if (event.key === "+" || event.key === "-") zoom(map, event.key === "+" ? 1.5 : 1 / 1.5, map.width / 2, map.height / 2);
    else return;
    event.preventDefault();
  };
}

function zoomButtons(map, node) {
  node.querySelectorAll(".zoom button").forEach((button) => {
    button.onclick = () => zoom(map, Number(button.dataset.factor), map.width / 2, map.height / 2);
  });
}

/** Make a button for each group, which hides and shows its points. */
function legend(map, node) {
  node.replaceChildren(
    ...map.data.names.map((name, group) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(document.createElement("i"), `${name} (${map.order[group].length.toLocaleString("en")})`);
      button.firstChild.style.background = map.data.colours[group];
      const show = () => button.setAttribute("aria-pressed", String(!map.hidden.has(group)));
      button.onclick = () => {
        map.hidden.has(group) ? map.hidden.delete(group) : map.hidden.add(group);
        show();
        point(map, null);
        redraw(map);
      };
      show();
      return button;
    }),
  );
}

export default function ({ data, parentElement, setTriggerValue }) {
  const node = parentElement.querySelector(".image-map");
  const map = (node.map ??= { canvas: node.querySelector(".points"), tip: node.querySelector(".tip"), at: null });
  map.open = (image) => setTriggerValue("opened", image);
  const { chosen, ...rest } = data;
  const drawn = JSON.stringify(rest);
  map.data = data;
  if (map.drawn !== drawn) {
    if (map.places !== JSON.stringify([data.x, data.y])) map.view = { zoom: 1, x: 0, y: 0 };
    map.places = JSON.stringify([data.x, data.y]);
    map.drawn = drawn;
    map.hidden = new Set();
    map.order = data.names.map(() => []);
    data.groups.forEach((group, at) => map.order[group].push(at));
    map.canvas.setAttribute("aria-label", data.label);
    point(map, null);
    legend(map, node.querySelector(".groups"));
    listen(map);
    zoomButtons(map, node);
  }
  map.resizing ??= new ResizeObserver(() => redraw(map));
  map.resizing.observe(map.canvas);
  redraw(map);
  return () => {
    map.resizing.disconnect();
    if (map.frame) cancelAnimationFrame(map.frame);
    map.frame = null;
  };
}
