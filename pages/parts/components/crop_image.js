// An image with the square that the network sees. The square is kept here while it moves and sent to the page at most
// five times a second; what the page sends back meanwhile does not move it.

const PAUSE = 200; // milliseconds between two messages
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SIZES = { "+": 1, "=": 1, PageUp: 5, "-": -1, _: -1, PageDown: -5 };
const CENTRE = { x: 0.5, y: 0.5, side: 1 };

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const percent = (share) => `${Math.round(100 * share)} %`;

/** Return half of the square's side as fractions of the image's width and height. */
function halves({ side }, { width, height }) {
  const half = (side * Math.min(width, height)) / 2;
  return [half / width, half / height];
}

/** Return the nearest square inside the image, as core.images.read does. */
function inside({ x, y, side }, data) {
  side = clamp(side, data.least, 1);
  const [across, down] = halves({ side }, data);
  return { x: clamp(x, across, 1 - across), y: clamp(y, down, 1 - down), side };
}

/** Return the square with one corner dragged to a place (fractions); the opposite corner stays. */
function resized(start, [right, bottom], [atX, atY], data) {
  const [across, down] = halves(start, data);
  const fixed = [start.x + (right ? -across : across), start.y + (bottom ? -down : down)];
  const room = Math.min((right ? 1 - fixed[0] : fixed[0]) * data.width, (bottom ? 1 - fixed[1] : fixed[1]) * data.height);
  const wanted = Math.max((right ? atX - fixed[0] : fixed[0] - atX) * data.width, (bottom ? atY - fixed[1] : fixed[1] - atY) * data.height);
  const short = Math.min(data.width, data.height);
  const pixels = clamp(wanted, data.least * short, room);
  return {
    x: fixed[0] + ((right ? 1 : -1) * pixels) / 2 / data.width,
    y: fixed[1] + ((bottom ? 1 : -1) * pixels) / 2 / data.height,
    side: pixels / short,
  };
}

class Cropper {
  constructor(root) {
    this.figure = root.querySelector(".crop");
    this.frame = root.querySelector(".frame");
    this.image = root.querySelector("img");
    this.square = root.querySelector(".square");
    this.caption = root.querySelector("figcaption span");
    this.back = root.querySelector("button");
    this.frame.onpointerdown = (event) => this.take(event);
    this.frame.onpointermove = (event) => this.drag(event);
    this.frame.onpointerup = this.frame.onpointercancel = () => this.drop();
    this.square.onkeydown = (event) => this.press(event);
    this.back.onclick = () => this.put(CENTRE);
  }

  show(data, send) {
    this.send = send;
    const fresh = this.data?.address !== data.address;
    this.data = data;
    this.byHand = data.crop === "hand";
    if (fresh) {
      const [x, y, side] = data.square;
      this.place = inside({ x, y, side }, data);
      const scale = data.side / Math.max(data.width, data.height);
      this.frame.style.width = `${Math.max(1, data.width * scale)}px`;
      this.frame.style.height = `${Math.max(1, data.height * scale)}px`;
      this.frame.parentElement.style.height = `${data.side}px`;
      this.image.src = data.address;
      this.image.alt = `${data.name}, your image`;
      this.image.className = scale > 2 ? "small" : "";
    }
    this.figure.classList.toggle("by-hand", this.byHand);
    this.square.hidden = data.crop === "whole";
    if (this.byHand) {
      this.square.tabIndex = 0;
      this.square.setAttribute("role", "slider");
      this.square.setAttribute("aria-valuemin", Math.round(100 * data.least));
      this.square.setAttribute("aria-valuemax", 100);
      this.square.setAttribute(
        "aria-label",
        `Crop of ${data.name}: arrow keys move it, plus and minus resize it, Home resets it`,
      );
    } else {
      for (const name of ["tabindex", "role", "aria-label", "aria-valuemin", "aria-valuemax", "aria-valuenow", "aria-valuetext"])
        this.square.removeAttribute(name);
    }
    this.paint();
  }

  paint() {
    const place = this.byHand ? this.place : CENTRE;
    const [across, down] = halves(place, this.data);
    Object.assign(this.square.style, {
      left: `${100 * (place.x - across)}%`,
      top: `${100 * (place.y - down)}%`,
      width: `${200 * across}%`,
      height: `${200 * down}%`,
    });
    const moved = this.byHand && JSON.stringify(place) !== JSON.stringify(CENTRE);
    this.caption.textContent = moved ? "" : this.byHand ? "drag the square" : "your image";
    this.back.hidden = !moved;
    if (this.byHand) {
      this.square.setAttribute("aria-valuenow", Math.round(100 * place.side));
      this.square.setAttribute(
        "aria-valuetext",
        `${percent(place.side)} of the shorter side, centre ${percent(place.x)} from the left and ${percent(place.y)} from the top`,
      );
    }
  }

  /** Move the square, and tell the page soon. */
  put(place) {
    this.place = inside(place, this.data);
    this.paint();
    this.timer ??= setTimeout(() => this.tell(), PAUSE);
  }

  tell() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.send("square", [this.place.x, this.place.y, this.place.side]);
  }

  at(event) {
    const { left, top, width, height } = this.frame.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  take(event) {
    if (!this.byHand || event.button) return;
    event.preventDefault();
    this.square.focus({ preventScroll: true });
    this.frame.setPointerCapture(event.pointerId);
    const at = this.at(event);
    const corner = event.target.dataset.at?.split(" ").map(Number);
    const start = this.place;
    if (corner) {
      this.dragging = (now) => resized(start, corner, now, this.data);
    } else {
      const held = event.target === this.square ? [start.x - at[0], start.y - at[1]] : [0, 0];
      this.dragging = (now) => ({ ...start, x: now[0] + held[0], y: now[1] + held[1] });
      this.put(this.dragging(at));
    }
  }

  drag(event) {
    if (this.dragging) this.put(this.dragging(this.at(event)));
  }

  drop() {
    if (!this.dragging) return;
    this.dragging = undefined;
    this.tell();
  }

  press(event) {
    if (!this.byHand || event.ctrlKey || event.altKey || event.metaKey) return;
    const move = MOVES[event.key];
    const size = SIZES[event.key];
    const step = event.shiftKey ? 0.1 : 0.01;
    const { x, y, side } = this.place;
    if (move) this.put({ x: x + step * move[0], y: y + step * move[1], side });
    else if (size) this.put({ x, y, side: side + 0.02 * size });
    else if (event.key === "Home") this.put(CENTRE);
    else return;
    event.preventDefault();
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const figure = parentElement.querySelector(".crop");
  figure.cropper ??= new Cropper(parentElement);
  figure.cropper.show(data, setTriggerValue);
  return () => clearTimeout(figure.cropper.timer);
}
