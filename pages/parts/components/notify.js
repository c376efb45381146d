// A button that asks for desktop notifications, and sends one when the run of the page is no longer active.

const CHOICE = "resnet-lab-notify";

/** Whether the browser can show notifications here: it must know them, and the page must come over a safe connection. */
const possible = () => window.isSecureContext && "Notification" in window && Notification.permission !== "denied";

/** Remember the choice for this browser. Private windows may forbid that; the choice then lasts as long as the page. */
function remember(node, on) {
  node.chosen = on;
  try {
    localStorage.setItem(CHOICE, on ? "on" : "off");
  } catch {}
}

function chosen(node) {
  try {
    node.chosen ??= localStorage.getItem(CHOICE) === "on";
  } catch {}
  return Boolean(node.chosen) && possible() && Notification.permission === "granted";
}

function show(node) {
  const on = chosen(node);
  node.querySelector("span").textContent = on ? "Notification on" : "Notify me";
  node.setAttribute("aria-pressed", String(on));
  node.disabled = !possible();
  node.title = node.disabled
    ? "This browser does not allow notifications for this page."
    : "Shows a desktop notification when this run ends. Keep this page open in a tab.";
}

/** Notify if the run that was active at the last look has ended. */
function notice(node, { id, active, title, text }) {
  const ended = node.run === id && node.wasActive && !active;
  [node.run, node.wasActive] = [id, active];
  if (!ended || !chosen(node)) return;
  try {
    new Notification(title, { body: text, tag: id });
  } catch {} // some phones know notifications but allow them to service workers only
}

export default function ({ data, parentElement }) {
  const node = parentElement.querySelector("button");
  notice(node, data);
  node.hidden = !data.active;
  show(node);
  node.onclick = async () => {
    const on = !chosen(node);
    if (on && Notification.permission !== "granted") await Notification.requestPermission();
    remember(node, on);
    show(node);
  };
}
