// Images of 32×32 pixels as tiles that wrap with the page's width, enlarged without smoothing. All come in one PNG, from
// which each tile cuts its own. A tile that can be chosen is a button; Tab reaches one of them, the arrow keys move on.

/** Create a tile with its canvas and caption. */
function tile({ label, caption }, clickable) {
  const node = document.createElement(clickable ? "button" : "figure");
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 32;
  node.append(canvas);
  if (clickable) {
    node.type = "button";
    node.title = label;
    node.setAttribute("aria-label", label);
    canvas.setAttribute("aria-hidden", "true");
  } else {
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
  }
  if (caption) {
    const text = document.createElement("span");
    text.textContent = caption;
    node.append(text);
  }
  return node;
}

/** Put each ``size`` tiles into a box of their own, so that they stay side by side. */
function grouped(tiles, size) {
  return Array.from({ length: Math.ceil(tiles.length / size) }, (_, at) => {
    const box = document.createElement("div");
    box.className = "group";
    box.style.gridTemplateColumns = `repeat(${size}, 1fr)`;
    box.append(...tiles.slice(at * size, (at + 1) * size));
    return box;
  });
}

function paint(node, { sheet, sheetColumns }) {
  const image = new Image();
  image.onload = () => {
    node.querySelectorAll("canvas").forEach((canvas, at) => {
      const [x, y] = [(at % sheetColumns) * 32, Math.floor(at / sheetColumns) * 32];
      canvas.getContext("2d").drawImage(image, x, y, 32, 32, 0, 0, 32, 32);
    });
  };
  image.src = sheet;
}

/** Return the tile that a key moves to from the one at ``at``, or undefined. */
function target(key, at, buttons) {
  const top = buttons[0].offsetTop;
  const columns = buttons.findIndex((button) => button.offsetTop > top);
  const row = columns < 0 ? buttons.length : columns;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row };
  const places = { Home: 0, End: buttons.length - 1 };
  return buttons[places[key] ?? at + steps[key]];
}

/** Let Tab stop only at ``stop``. */
function stopAt(stop, buttons) {
  buttons.forEach((button) => (button.tabIndex = button === stop ? 0 : -1));
}

export default function ({ data, parentElement, setTriggerValue }) {
  const node = parentElement.querySelector(".tiles");
  node.setAttribute("aria-label", data.label);
  node.style.gridTemplateColumns = data.columns;
  const drawn = JSON.stringify([data.sheet, data.tiles, data.clickable, data.group]);
  if (node.drawn !== drawn) {
    node.drawn = drawn;
    const tiles = data.tiles.map((each) => tile(each, data.clickable));
    node.replaceChildren(...(data.group > 1 ? grouped(tiles, data.group) : tiles));
    paint(node, data);
  }
  const buttons = [...node.querySelectorAll("button")];
  buttons.forEach((button, at) => {
    button.setAttribute("aria-pressed", String(at === data.chosen));
    button.onclick = () => setTriggerValue("picked", at);
    button.onfocus = () => stopAt(button, buttons);
    button.onkeydown = (event) => {
      const next = target(event.key, at, buttons);
      if (!next) return;
      event.preventDefault();
      next.focus();
    };
  });
  stopAt(buttons[data.chosen] ?? buttons[0], buttons);
}
