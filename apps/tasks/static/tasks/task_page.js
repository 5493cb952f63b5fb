// Renews the page of an unfinished task while its tab is seen, and copies tracebacks.

const LOOK_MS = 3000;
const page = document.getElementById("task-page");
let timer = 0;
let etag = page.dataset.etag;

const parts = (root) => [...root.querySelectorAll("[data-part]")];
const status = () => page.querySelector("[data-status]").dataset.status;

function show(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    const wanted = parts(fresh);
    if (wanted.length === 0) throw new Error("no part of the page");
    for (const part of parts(page)) {
        const found = wanted.find((one) => one.dataset.part === part.dataset.part);
        // An answer about the changing part has no buttons.
        if (!found && (part.dataset.part !== "buttons" || fresh.getElementById("task-page"))) part.remove();
    }
    let last = null;
    for (const part of wanted) {
        const known = page.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
        if (!known) {
            if (last) last.after(part);
            else page.prepend(part);
            last = part;
        } else if (known.outerHTML !== part.outerHTML && !known.contains(document.activeElement)) {
            known.replaceWith(part);
            last = part;
        } else {
            last = known;
        }
    }
    offer();
}

async function get(address, headers = {}) {
    const answer = await fetch(address, { headers: { Accept: "text/html", ...headers }, cache: "no-store" });
    // A session that has ended leads to the page for signing in.
    if ((!answer.ok && answer.status !== 304) || answer.redirected) throw new Error(`status ${answer.status}`);
    return answer;
}

async function look() {
    try {
        const answer = await get(page.dataset.url, { "If-None-Match": etag });
        if (answer.status !== 304) {
            const before = status();
            show(await answer.text());
            etag = answer.headers.get("ETag");
            // The buttons depend on the state, and are not in the changing part.
            if (status() !== before) {
                const whole = await (await get(location.href)).text();
                show(whole);
                if (!new DOMParser().parseFromString(whole, "text/html").getElementById("task-page").dataset.url) return;
            }
        }
    } catch {
        // The next look may succeed. What is shown has its times.
    }
    wait();
}

function wait() {
    clearTimeout(timer);
    if (page.dataset.url && !document.hidden) timer = setTimeout(look, LOOK_MS);
}

function offer() {
    if (navigator.clipboard) for (const button of page.querySelectorAll("[data-copy]")) button.hidden = false;
}

page.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const blocks = button.closest("[data-copied]").querySelectorAll("pre");
    await navigator.clipboard.writeText([...blocks].map((block) => block.textContent).join("\n"));
    const text = button.textContent;
    button.textContent = page.dataset.copied;
    setTimeout(() => { button.textContent = text; }, 2000);
});

document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (page.dataset.url && !document.hidden) look();
});
offer();
wait();
