// Adds the new lines of a running task's log while its tab is seen. A reader at the end of the list stays at the end.

const LOOK_MS = 2000;
const MOST_LINES = 1000;
const log = document.getElementById("task-log");
const box = log.querySelector(".task-log-box");
const state = log.querySelector("[data-log-state]");
let next = box.querySelector("[data-log-lines]").dataset.next;
let timer = 0;
let renewed = new Date();

function show(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("[data-log-lines]");
    if (fresh === null) throw new Error("no lines");
    const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
    const list = box.querySelector("[data-log-lines]");
    list.append(...fresh.children);
    const lines = list.querySelectorAll(".task-log-line");
    for (let number = 0; number < lines.length - MOST_LINES; number++) lines[number].remove();
    if (isAtEnd) box.scrollTop = box.scrollHeight;
    next = fresh.dataset.next;
}

async function look() {
    try {
        const answer = await fetch(next, { headers: { Accept: "text/html" } });
        // A session that has ended leads to the page for signing in.
        if (!answer.ok || answer.redirected) throw new Error(`status ${answer.status}`);
        show(await answer.text());
        renewed = new Date();
        state.textContent = "";
    } catch {
        state.textContent = `${log.dataset.stopped} ${renewed.toLocaleTimeString()}`;
    }
    wait();
}

function wait() {
    clearTimeout(timer);
    if (next && !document.hidden) timer = setTimeout(look, LOOK_MS);
}

document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (next && !document.hidden) look();
});
box.scrollTop = box.scrollHeight;
wait();
