// Renews the dashboard while its tab is seen. Sections that have not changed keep their focus and their selection.

const LOOK_MS = 5000;
const now = document.getElementById("now");
let timer = 0;
let renewed = new Date();
let etag = now.dataset.etag;

function show(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    const parts = [...fresh.querySelectorAll("[data-part]")];
    const known = [...now.querySelectorAll("[data-part]")];
    if (parts.length === 0) throw new Error("no part of the page");
    if (parts.map((part) => part.dataset.part).join() !== known.map((part) => part.dataset.part).join()) {
        now.replaceChildren(...fresh.body.childNodes);
        return;
    }
    known.forEach((part, number) => {
        if (part.outerHTML === parts[number].outerHTML) return;
        const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        part.replaceWith(parts[number]);
        if (focused !== null) parts[number].querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
    });
}

async function look() {
    try {
        const headers = { Accept: "text/html", "If-None-Match": etag };
        const answer = await fetch(now.dataset.url, { headers, cache: "no-store" });
        // A session that has ended leads to the page for signing in.
        if ((!answer.ok && answer.status !== 304) || answer.redirected) throw new Error(`status ${answer.status}`);
        if (answer.status !== 304) {
            show(await answer.text());
            etag = answer.headers.get("ETag");
        } else {
            const time = now.querySelector(".now-at time");
            if (time) time.textContent = decodeURIComponent(answer.headers.get("As-Of"));
        }
        renewed = new Date();
    } catch {
        const at = now.querySelector(".now-at");
        if (at) at.textContent = `${now.dataset.stopped} ${renewed.toLocaleTimeString()}`;
    }
    wait();
}

function wait() {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(look, LOOK_MS);
}

document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) look();
});
wait();
