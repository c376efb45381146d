// Pictures of 32×32 pixels as tiles that wrap with the page's width, enlarged without smoothing. All come
// in one image; each tile cuts its own out of it. A tile that can be chosen is a button; Tab stops at one of them,
// the arrow keys go on from there.

/** A tile with its canvas and its words. */
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
    const words = document.createElement("span");
    words.textContent = caption;
    node.append(words);
  }
  return node;
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

/** The tile to which a key leads from the one at ``at``, or undefined. */
function led(key, at, buttons) {
  const top = buttons[0].offsetTop;
  const columns = buttons.findIndex((one) => one.offsetTop > top);
  const row = columns < 0 ? buttons.length : columns;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row };
  const places = { Home: 0, End: buttons.length - 1 };
  return buttons[places[key] ?? at + steps[key]];
}

/** Tab stops at ``stop`` alone. */
function stopAt(stop, buttons) {
  buttons.forEach((one) => (one.tabIndex = one === stop ? 0 : -1));
}

export default function ({ data, parentElement, setTriggerValue }) {
  const node = parentElement.querySelector(".tiles");
  node.setAttribute("aria-label", data.label);
  node.style.gridTemplateColumns = data.columns;
  const drawn = JSON.stringify([data.sheet, data.tiles, data.clickable]);
  if (node.drawn !== drawn) {
    node.drawn = drawn;
    node.replaceChildren(...data.tiles.map((one) => tile(one, data.clickable)));
    paint(node, data);
  }
  const buttons = [...node.querySelectorAll("button")];
  buttons.forEach((button, at) => {
    button.setAttribute("aria-pressed", String(at === data.chosen));
    button.onclick = () => setTriggerValue("picked", at);
    button.onfocus = () => stopAt(button, buttons);
    button.onkeydown = (event) => {
      const next = led(event.key, at, buttons);
      if (!next) return;
      event.preventDefault();
      next.focus();
    };
  });
  stopAt(buttons[data.chosen] ?? buttons[0], buttons);
}
